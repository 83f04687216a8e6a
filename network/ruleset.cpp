#include "network/ruleset.h"

#include "network/port_guard.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <map>

namespace davit::network {
namespace {

/// "elements = { a, b }", or nothing: an empty list is a syntax error to nft.
std::string elements(const std::vector<std::string>& list) {
    if (list.empty()) return {};
    return fmt::format(" elements = {{ {} }};", fmt::join(list, ", "));
}

/// Protocols as numbers: libnftables looks names up in /etc/protocols, which bare machines lack.
/// Null for what is never published. @source IANA, Assigned Internet Protocol Numbers
const char* protocol_number(const std::string& protocol) {
    if (protocol == "tcp") return "6";
    if (protocol == "udp") return "17";
    return protocol == "sctp" ? "132" : nullptr;
}

std::string target_of(const RulePort& port) {
    return fmt::format("{} . {}", to_string(port.target), port.target_port);
}

/// "172.17.0.2:80", "[fd00::2]:80"
std::string shown(const Ip& ip, std::uint16_t port) {
    const char* const open = ip.v6 ? "[" : "";
    return fmt::format("{}{}{}:{}", open, to_string(ip), ip.v6 ? "]" : "", port);
}

bool is_link_name(const std::string& name) {
    const auto is_plain = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= 15 && std::all_of(name.begin(), name.end(), is_plain);
}

/// Every chain, with the reason for every rule in docs/network.md. `@…` are the sets above it.
/// 1 and 58 are ICMP and ICMPv6, as numbers for the reason at `protocol_number`.
constexpr const char* kChains = R"(
    chain raw {
        type filter hook prerouting priority raw; policy accept;
        iifname != @br return
        ip daddr 127.0.0.0/8 drop
        ip saddr 127.0.0.0/8 drop
        ip6 daddr ::1 drop
        ip6 saddr ::1 drop
        ip saddr != 0.0.0.0 fib saddr . iif oif 0 drop
        ip6 saddr != { ::, fe80::/10 } fib saddr . iif oif 0 drop
        icmpv6 type { nd-router-advert, nd-redirect } drop
    }
    chain pre {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump publish
    }
    chain out {
        type nat hook output priority -100; policy accept;
        ip6 daddr ::1 return
        fib daddr type local jump publish
    }
    chain publish {
        dnat ip to ip daddr . meta l4proto . th dport map @p4
        dnat ip to meta l4proto . th dport map @p4any
        dnat ip6 to ip6 daddr . meta l4proto . th dport map @p6
        dnat ip6 to meta l4proto . th dport map @p6any
    }
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname @br ip saddr 127.0.0.0/8 masquerade
        oifname @br ip6 saddr ::1 masquerade
        ct status dnat oifname . ip saddr @nets4 masquerade
        ct status dnat oifname . ip6 saddr @nets6 masquerade
        iifname @masq oifname != @br masquerade
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname != @br oifname != @br accept
        ct state established,related accept
        ct state invalid drop
        iifname @internal oifname != @internal drop
        oifname @internal iifname != @internal drop
        iifname . oifname @intra accept
        oifname @br ct status dnat accept
        oifname @br drop
    }
    chain input {
        type filter hook input priority filter; policy accept;
        iifname != @internal accept
        ct state established,related accept
        meta l4proto { 1, 58 } accept
        drop
    }
)";

/// The elements of every set and map.
struct Elements {
    std::vector<std::string> bridges = {};
    std::vector<std::string> internal = {};
    std::vector<std::string> masq = {};
    std::vector<std::string> intra = {};
    std::vector<std::string> nets[2] = {};   ///< IPv4, IPv6
    std::vector<std::string> ports[2] = {};  ///< On one address.
    std::vector<std::string> any[2] = {};    ///< On all.
};

Elements elements_of(const Ruleset& rules) {
    Elements all;
    for (const RuleNetwork& network : rules.networks) {
        const std::string name = fmt::format("\"{}\"", network.bridge);
        all.bridges.push_back(name);
        if (network.internal) all.internal.push_back(name);
        if (network.masquerade && !network.internal) all.masq.push_back(name);
        if (network.icc) all.intra.push_back(fmt::format("{0} . {0}", name));
        for (const Cidr& subnet : network.subnets)
            all.nets[subnet.address.v6 ? 1 : 0].push_back(
                fmt::format("{} . {}/{}", name, to_string(subnet.first()), subnet.prefix));
    }
    for (const RulePort& port : rules.ports) {
        const int family = port.target.v6 ? 1 : 0;
        const std::string rest = fmt::format("{} . {} : {}", protocol_number(port.protocol),
                                             port.host_port, target_of(port));
        if (port.host_ip)
            all.ports[family].push_back(fmt::format("{} . {}", to_string(*port.host_ip), rest));
        else
            all.any[family].push_back(rest);
    }
    return all;
}

}  // namespace

Result<void> check(const Ruleset& rules) {
    for (const GuardedPort& port : rules.guarded) {
        if (!is_link_name(port.link))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not the name of a link", port.link));
        TRY(link_local_of(port.mac));
    }
    for (const RuleNetwork& network : rules.networks) {
        if (!is_link_name(network.bridge))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not the name of a bridge", network.bridge));
    }
    std::map<std::string, std::string> target_of_port;
    for (const RulePort& port : rules.ports) {
        if (protocol_number(port.protocol) == nullptr)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not tcp, udp or sctp", port.protocol));
        if (port.host_ip && port.host_ip->v6 != port.target.v6)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("{} can't be translated to {}", to_string(*port.host_ip),
                                     to_string(port.target)));
        const std::string published =
            port.host_ip ? fmt::format("{}/{}", shown(*port.host_ip, port.host_port), port.protocol)
                         : fmt::format("{}/{}", port.host_port, port.protocol);
        const std::string target = shown(port.target, port.target_port);
        // Both families may have a port of all addresses.
        const auto [first, is_new] =
            target_of_port.emplace(published + (port.target.v6 ? "6" : ""), target);
        if (!is_new && first->second != target)
            return Error(ErrorKind::Busy,
                         fmt::format("host port {} is published twice: to {} and to {}", published,
                                     first->second, target))
                .help("take down the project that holds it, or give one of them another port");
    }
    return {};
}

std::string render(const Ruleset& rules) {
    // Adding before deleting makes the deletion valid whether the table was there or not; the whole
    // script is one transaction, so that there is no moment without rules.
    std::string script = "add table inet davit\ndelete table inet davit\n";
    if (rules.empty()) return script;
    const Elements all = elements_of(rules);
    script += "table inet davit {\n";
    const auto add = [&](const char* kind, const char* name, const char* type,
                         const std::vector<std::string>& list) {
        script += fmt::format("    {} {} {{ type {};{} }}\n", kind, name, type, elements(list));
    };
    add("set", "br", "ifname", all.bridges);
    add("set", "internal", "ifname", all.internal);
    add("set", "masq", "ifname", all.masq);
    add("set", "intra", "ifname . ifname", all.intra);
    add("set", "nets4", "ifname . ipv4_addr; flags interval", all.nets[0]);
    add("set", "nets6", "ifname . ipv6_addr; flags interval", all.nets[1]);
    constexpr const char* kTypes[2][2] = {
        {"ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
         "inet_proto . inet_service : ipv4_addr . inet_service"},
        {"ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
         "inet_proto . inet_service : ipv6_addr . inet_service"}};
    add("map", "p4", kTypes[0][0], all.ports[0]);
    add("map", "p4any", kTypes[0][1], all.any[0]);
    add("map", "p6", kTypes[1][0], all.ports[1]);
    add("map", "p6any", kTypes[1][1], all.any[1]);
    script.pop_back();
    return script + kChains + "}\n";
}

}  // namespace davit::network
