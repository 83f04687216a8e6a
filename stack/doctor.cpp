#include "stack/doctor.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::stack {
namespace {

class Examination {
public:
    void good(std::string subject, std::string message) {
        findings_.push_back({Health::Good, std::move(subject), std::move(message), {}});
    }
    void warn(std::string subject, std::string message, std::string cure) {
        findings_.push_back(
            {Health::Warning, std::move(subject), std::move(message), std::move(cure)});
    }
    void problem(std::string subject, std::string message, std::string cure) {
        findings_.push_back(
            {Health::Problem, std::move(subject), std::move(message), std::move(cure)});
    }
    std::vector<Finding> take() && { return std::move(findings_); }

private:
    std::vector<Finding> findings_;
};

bool any_network(const HostFacts& facts, bool v6) {
    return std::any_of(facts.networks.begin(), facts.networks.end(),
                       [&](const NetworkFacts& network) { return !v6 || network.v6; });
}

void look_at_forwarding(const HostFacts& facts, Examination& to) {
    // Without networks it is off for good reason: `up` turns it on.
    if (any_network(facts, false) && !facts.ip_forward)
        to.problem("forwarding",
                   "net.ipv4.ip_forward is 0: containers have no way out, and published ports "
                   "don't answer other machines",
                   "run: sysctl -w net.ipv4.ip_forward=1, and look in /etc/sysctl.d for what turns "
                   "it off");
    else if (any_network(facts, true) && !facts.ipv6_forward)
        to.problem("forwarding",
                   "net.ipv6.conf.all.forwarding is 0: containers have no way out by IPv6",
                   "run: sysctl -w net.ipv6.conf.all.forwarding=1, and look in /etc/sysctl.d for "
                   "what turns it off");
    else
        to.good("forwarding", any_network(facts, false)
                                  ? "packets are forwarded"
                                  : "no network is up; 'davit up' turns forwarding on");
}

void look_at_rules(const HostFacts& facts, Examination& to) {
    if (!facts.rules_there)
        return to.problem("packet rules", facts.rules_problem,
                          facts.root ? "load nf_tables: modprobe nft_chain_nat, and install "
                                       "libnftables1"
                                     : "run 'davit doctor' as root");
    if (any_network(facts, false) && !*facts.rules_there)
        return to.problem("packet rules",
                          "the table inet davit is missing although networks are up: somebody has "
                          "flushed the rules, and no guard has loaded them again",
                          "run: davit network reload");
    to.good("packet rules", *facts.rules_there ? "the table inet davit is loaded"
                                               : "nf_tables works; no rules are needed");
}

/// What lets packets of our bridges pass that chain.
std::string pass_for(const network::DroppingChain& chain) {
    if (chain.for_docker)
        return "let them pass Docker's chain: iptables -I DOCKER-USER -i 'dvb-+' -j ACCEPT; "
               "iptables -I DOCKER-USER -o 'dvb-+' -j ACCEPT";
    if (chain.table == "firewalld")
        return "give the bridges a zone: firewall-cmd --permanent --new-zone=davit; firewall-cmd "
               "--permanent --zone=davit --set-target=ACCEPT; then for each bridge: firewall-cmd "
               "--permanent --zone=davit --add-interface=BRIDGE; firewall-cmd --reload";
    if (chain.table == "filter" && (chain.family == "ip" || chain.family == "ip6"))
        return fmt::format(
            "add rules: {0} -I {1} -i 'dvb-+' -j ACCEPT; {0} -I {1} -o 'dvb-+' -j ACCEPT (with "
            "ufw: ufw route allow in on BRIDGE, ufw route allow out on BRIDGE)",
            chain.family == "ip" ? "iptables" : "ip6tables", chain.chain);
    return fmt::format(
        "add rules: nft insert rule {0} {1} {2} iifname 'dvb-*' accept; nft insert rule {0} {1} "
        "{2} oifname 'dvb-*' accept",
        chain.family, chain.table, chain.chain);
}

void look_at_firewalls(const HostFacts& facts, Examination& to) {
    bool clash = false;
    for (const network::DroppingChain& chain : facts.dropping) {
        if (chain.hook != "forward" || chain.names_us) continue;
        clash = true;
        to.warn("firewall",
                fmt::format("the chain {} {} {} drops forwarded packets that its rules don't name, "
                            "and none is about davit's bridges: containers may have no way out, "
                            "and published ports not answer other machines",
                            chain.family, chain.table, chain.chain),
                pass_for(chain));
    }
    for (const network::DroppingChain& chain : facts.dropping) {
        if (chain.hook != "input" || clash) continue;
        clash = true;
        to.good("firewall",
                fmt::format("the chain {} {} {} drops what comes to this host unless its rules "
                            "name it; it has a say in ports with 'x-davit.publish: relay', and in "
                            "what containers ask of the host itself",
                            chain.family, chain.table, chain.chain));
    }
    if (!clash) to.good("firewall", "no other table drops what containers send or get");
}

void look_at_guard(const HostFacts& facts, Examination& to) {
    if (!facts.guards) return;  // the rules have said why already
    if (*facts.guards)
        return to.good("forged addresses",
                       "what a container sends with another's address is dropped");
    to.warn("forged addresses",
            "this kernel has no nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE): a container can "
            "pass itself off as another one of its network",
            "use a kernel that has them, or take the means from services that need no raw "
            "sockets: cap_drop: [NET_RAW]");
}

/// Whether the chain sees frames of IPv4, or of IPv6, that br_netfilter shows it.
bool sees_bridged(const network::DroppingChain& chain, const HostFacts& facts) {
    const bool v4 = facts.bridge_filter4.value_or(false);
    const bool v6 = facts.bridge_filter6.value_or(false);
    return (v4 && chain.family != "ip6") || (v6 && chain.family != "ip");
}

void look_at_bridge_filter(const HostFacts& facts, Examination& to) {
    const char* const kSubject = "br_netfilter";
    if (!facts.bridge_filter4 && !facts.bridge_filter6)
        return to.good(kSubject,
                       "not loaded: what containers of one network send each other passes no "
                       "firewall's rules");
    if (!facts.bridge_filter4.value_or(false) && !facts.bridge_filter6.value_or(false))
        return to.good(
            kSubject,
            "loaded, and off here (bridge-nf-call-iptables is 0): what containers of one "
            "network send each other passes no firewall's rules");
    for (const network::DroppingChain& chain : facts.dropping) {
        if (chain.hook != "forward" || chain.names_us || !sees_bridged(chain, facts)) continue;
        return to.warn(
            kSubject,
            fmt::format("loaded, and on (bridge-nf-call-iptables is 1): the chain {} {} {} drops "
                        "what containers of one network send each other as well",
                        chain.family, chain.table, chain.chain),
            "mend what 'firewall' says, or run: sysctl -w net.bridge.bridge-nf-call-iptables=0 "
            "net.bridge.bridge-nf-call-ip6tables=0 (Kubernetes needs them)");
    }
    to.good(kSubject,
            "loaded, and on (bridge-nf-call-iptables is 1): what containers of one network send "
            "each other passes the host's forward rules too, and none drops it");
}

void look_at_links(const HostFacts& facts, Examination& to) {
    bool bad = false;
    for (const NetworkFacts& network : facts.networks) {
        if (!network.link_there) {
            bad = true;
            to.problem(
                "links",
                fmt::format("network '{}' has lost its bridge {}", network.name, network.bridge),
                "bring its project up again: davit up -d --force-recreate");
        } else if (!network.internal && network.mtu > facts.uplink_mtu) {
            bad = true;
            to.warn("links",
                    fmt::format("network '{}' has an MTU of {}, and the way out of this host one "
                                "of {}: large packets may be lost",
                                network.name, network.mtu, facts.uplink_mtu),
                    fmt::format("set driver_opts com.docker.network.driver.mtu to {}, or take it "
                                "out, and make the network anew",
                                facts.uplink_mtu));
        }
    }
    if (!bad)
        to.good("links",
                fmt::format("{} network{}; the way out has an MTU of {}", facts.networks.size(),
                            facts.networks.size() == 1 ? "" : "s", facts.uplink_mtu));
}

void look_at_resolvers(const HostFacts& facts, Examination& to) {
    if (facts.resolvers.empty())
        to.warn("resolver",
                "/etc/resolv.conf names no server: containers find each other, and nothing else",
                "add a line 'nameserver ADDRESS', or give services 'dns'");
    else if (facts.silent_resolvers.size() == facts.resolvers.size())
        to.warn("resolver",
                fmt::format("no name server answers: {}", fmt::join(facts.silent_resolvers, ", ")),
                "mend /etc/resolv.conf, or give services 'dns'");
    else if (!facts.silent_resolvers.empty())
        to.warn("resolver",
                fmt::format("{} does not answer; names take two seconds longer for each server "
                            "that is asked in vain",
                            fmt::join(facts.silent_resolvers, ", ")),
                "take it out of /etc/resolv.conf");
    else
        to.good("resolver", fmt::format("{} answers", fmt::join(facts.resolvers, ", ")));
}

void look_at_pools(const HostFacts& facts, Examination& to) {
    constexpr int kFew = 3;
    const std::string message = fmt::format("{} of {} networks of the address pools are free",
                                            facts.free_subnets, facts.pool_subnets);
    const char* const cure =
        "add pools to /etc/davit/config.yaml: address_pools: [{base: 10.10.0.0/16, size: 24}], or "
        "remove networks that nobody uses: davit network prune";
    if (facts.free_subnets == 0)
        to.problem("address pools", message, cure);
    else if (facts.free_subnets <= kFew)
        to.warn("address pools", message, cure);
    else
        to.good("address pools", message);
}

void look_at_kernel(const HostFacts& facts, Examination& to) {
    if (facts.kernel.cgroup == "none")
        to.problem("cgroups",
                   "no cgroup hierarchy is mounted: containers can't be limited or ended",
                   "mount one: mount -t cgroup2 none /sys/fs/cgroup");
    else
        to.good("cgroups", facts.kernel.cgroup);
    if (facts.kernel.overlayfs)
        to.good("overlayfs", "there");
    else
        to.problem("overlayfs", "this kernel has no overlayfs, or it may not be used here",
                   "load it: modprobe overlay");
    if (!facts.kernel.user_namespaces)
        to.warn("user namespaces",
                fmt::format("{}: containers have the host's users",
                            facts.kernel.user_namespaces_why_not),
                "raise user.max_user_namespaces, and look for what forbids them");
    else if (!facts.kernel.idmapped_mounts)
        to.warn("user namespaces",
                fmt::format("the file system of {} can't be idmapped ({}): containers have the "
                            "host's users",
                            facts.data_root, facts.kernel.idmapped_mounts_why_not),
                "move the data root to ext4, xfs or btrfs");
    else
        to.good("user namespaces", "there, and layers are idmapped");
    if (facts.kernel.seccomp)
        to.good("seccomp", "there");
    else
        to.warn("seccomp", "this kernel filters no system calls", "use a kernel that does");
}

}  // namespace

const char* to_string(Health health) {
    switch (health) {
        case Health::Good: return "good";
        case Health::Warning: return "warning";
        case Health::Problem: break;
    }
    return "problem";
}

std::vector<Finding> examine(const HostFacts& facts) {
    Examination to;
    if (!facts.root)
        to.problem("privileges", "davit is not run as root", "run it as root, with sudo");
    look_at_forwarding(facts, to);
    look_at_rules(facts, to);
    look_at_firewalls(facts, to);
    look_at_bridge_filter(facts, to);
    look_at_guard(facts, to);
    look_at_links(facts, to);
    look_at_resolvers(facts, to);
    look_at_pools(facts, to);
    look_at_kernel(facts, to);
    return std::move(to).take();
}

std::pair<int, int> count_free(const std::vector<network::Pool>& pools,
                               const std::vector<network::Cidr>& taken) {
    /// Whoever has more than this many need not know how many.
    constexpr int kEnough = 65536;
    int free = 0;
    int all = 0;
    for (const network::Pool& pool : pools) {
        const network::AddressBits step =
            network::AddressBits{1} << static_cast<unsigned>(pool.base.address.bits() - pool.size);
        network::Cidr one{pool.base.first(), pool.size};
        for (; all < kEnough && pool.base.contains(one.address); one.address.value += step) {
            ++all;
            const bool is_free =
                std::none_of(taken.begin(), taken.end(),
                             [&](const network::Cidr& other) { return other.overlaps(one); });
            if (is_free) ++free;
        }
    }
    return {free, all};
}

}  // namespace davit::stack
