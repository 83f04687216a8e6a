#include "base/file.h"
#include "network/foreign_rules.h"
#include "tests/network/lab.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

// Other firewalls on the same host, with rules as those programs load them (shortened to what
// packets of containers meet).

namespace {

/// ufw with "deny" for what comes in and is routed, and ssh allowed.
constexpr const char* kUfw = R"(
table ip filter {
    chain ufw-before-forward {
        ct state established,related accept
        icmp type echo-request accept
    }
    chain ufw-user-forward { }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        jump ufw-before-forward
        jump ufw-user-forward
    }
    chain INPUT {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        tcp dport 22 accept
    }
}
)";
constexpr const char* kUfwCure = R"(
insert rule ip filter FORWARD iifname "dvb-*" accept
insert rule ip filter FORWARD oifname "dvb-*" accept
)";

/// Docker 20 to 28, with a container at 172.30.0.2 whose port 80 is published as 9999.
constexpr const char* kDocker = R"(
table ip nat {
    chain DOCKER {
        iifname "docker0" return
        iifname != "docker0" tcp dport 9999 dnat to 172.30.0.2:80
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump DOCKER
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept;
        ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "docker0" ip saddr 172.30.0.0/16 masquerade
    }
}
table ip filter {
    chain DOCKER { iifname != "docker0" oifname "docker0" ip daddr 172.30.0.2 tcp dport 80 accept; }
    chain DOCKER-ISOLATION-STAGE-2 { oifname "docker0" drop; }
    chain DOCKER-ISOLATION-STAGE-1 {
        iifname "docker0" oifname != "docker0" jump DOCKER-ISOLATION-STAGE-2
    }
    chain DOCKER-USER { return; }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        jump DOCKER-USER
        jump DOCKER-ISOLATION-STAGE-1
        oifname "docker0" ct state established,related accept
        oifname "docker0" jump DOCKER
        iifname "docker0" oifname != "docker0" accept
    }
}
)";
constexpr const char* kDockerCure = R"(
insert rule ip filter DOCKER-USER iifname "dvb-*" accept
insert rule ip filter DOCKER-USER oifname "dvb-*" accept
)";

/// firewalld with its default zone.
constexpr const char* kFirewalld = R"(
table inet firewalld {
    chain filter_FWD_davit { }
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state established,related accept
        ct status dnat accept
        iifname "lo" accept
        tcp dport 22 accept
        ct state invalid drop
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state established,related accept
        ct status dnat accept
        iifname "lo" accept
        jump filter_FWD_davit
        ct state invalid drop
        reject with icmpx admin-prohibited
    }
}
)";
constexpr const char* kFirewalldCure = R"(
add rule inet firewalld filter_FWD_davit iifname "dvb-*" accept
add rule inet firewalld filter_FWD_davit oifname "dvb-*" accept
)";

/// Podman with netavark.
constexpr const char* kPodman = R"(
table inet netavark {
    chain NETAVARK-ISOLATION-3 { oifname "podman1" drop; }
    chain FORWARD {
        type filter hook forward priority filter; policy accept;
        ct state invalid drop
        ip daddr 10.88.0.0/16 ct state established,related accept
        ip saddr 10.88.0.0/16 accept
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        meta mark & 0x00002000 == 0x00002000 masquerade
        ip saddr 10.88.0.0/16 ip daddr != 224.0.0.0/4 masquerade
    }
    chain NETAVARK-HOSTPORT-DNAT { tcp dport 9998 dnat ip to 10.88.0.2:80; }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump NETAVARK-HOSTPORT-DNAT
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept;
        fib daddr type local jump NETAVARK-HOSTPORT-DNAT
    }
}
)";

/// The rules of others, as text.
std::string foreign_rules() {
    const Result<Json> ruleset = list_ruleset();
    if (!ruleset) return ruleset.error().to_string();
    std::string text;
    for (const Json& entry : (*ruleset)["nftables"]) {
        const std::string line = entry.dump();
        // Handles are given out anew; ours are not theirs.
        if (line.find("\"davit\"") == std::string::npos) text += line + "\n";
    }
    return text;
}

/// Whether any chain is found of which `davit doctor` would complain.
bool is_complained_of() {
    const auto chains = dropping_chains(*list_ruleset());
    for (const DroppingChain& chain : *chains)
        if (chain.hook == "forward" && !chain.names_us) return true;
    return false;
}

struct Firewall {
    const char* rules;
    bool lets_in;   ///< Another machine reaches published ports.
    bool lets_out;  ///< Containers have a way out.
    const char* cure;
};

/// Whether rules see what containers of one network send each other: the module br_netfilter, which
/// Docker and Kubernetes load, shows it to them.
bool show_bridged(const char* value) {
    const std::string setting = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    return !exists(setting) || done(write_control_file(setting, value));
}

/// 0, or where it is not as it has to be.
int check_beside(const Firewall& firewall) {
    Lab lab;
    if (!show_bridged("0") || !done(load_script(firewall.rules)) || !lab.up() || !lab.add_lan())
        return 1;
    const UniqueFd far = listen_in(lab.lan, 7000);
    const std::string before = foreign_rules();
    for (const bool cured : {false, true}) {
        const int at = cured ? 20 : 10;
        if (!reaches("127.0.0.1", 8080, lab.web)) return at + 1;
        if (!reaches_from(lab.c2, "172.17.0.2", 80, lab.web)) return at + 2;
        if (reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 200)) return at + 3;
        if (reaches_from(lab.lan, "172.17.0.2", 80, lab.web, 200)) return at + 4;
        const bool lets_in = firewall.lets_in || cured;
        const bool lets_out = firewall.lets_out || cured;
        const auto patience = [](bool wanted) { return wanted ? 2000 : 200; };
        if (reaches_from(lab.lan, "192.0.2.1", 8080, lab.web, patience(lets_in)) != lets_in)
            return at + 5;
        if (reaches_from(lab.c1, "192.0.2.9", 7000, far, patience(lets_out)) != lets_out)
            return at + 6;
        // With the leave that it needs also where bridged packets are shown to the rules.
        if (cured && (!show_bridged("1") || !reaches_from(lab.c2, "172.17.0.2", 80, lab.web)))
            return at + 9;
        if (is_complained_of() != !(firewall.cure == nullptr || cured)) return at + 7;
        // Our changes are not theirs.
        if (!cured && (!load({}) || !load(Lab::rules()) || foreign_rules() != before))
            return at + 8;
        if (firewall.cure == nullptr) return 0;
        if (!cured && !done(load_script(firewall.cure))) return 2;
    }
    return 0;
}

}  // namespace

TEST_CASE("beside ufw ports of the host work and others with its leave [ns]") {
    IN_OWN_NAMESPACES([] { return check_beside({kUfw, false, false, kUfwCure}); });
}

TEST_CASE("beside firewalld published ports work and the way out with its leave [ns]") {
    IN_OWN_NAMESPACES([] { return check_beside({kFirewalld, true, false, kFirewalldCure}); });
}

TEST_CASE("beside Docker ports of the host work and others with its leave [ns]") {
    IN_OWN_NAMESPACES([] { return check_beside({kDocker, false, false, kDockerCure}); });
}

TEST_CASE("beside Podman everything works [ns]") {
    IN_OWN_NAMESPACES([] { return check_beside({kPodman, true, true, nullptr}); });
}

TEST_CASE("a container of Docker is reached beside ours and kept apart from them [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!done(load_script(kDocker)) || !lab.up() || !lab.add_lan()) return 1;
        const UniqueFd guest = new_netns();
        if (!done(ensure_bridge(bridge("docker0", "172.30.0.1/16"))) ||
            !done(attach(guest, {attachment("docker0", "veth1", "172.30.0.2/16", "172.30.0.1")})))
            return 2;
        const UniqueFd web = listen_in(guest, 80);
        const UniqueFd hidden = listen_in(guest, 81);
        const UniqueFd far = listen_in(lab.lan, 7000);
        if (!reaches_from(lab.lan, "192.0.2.1", 9999, web)) return 3;
        if (!reaches_from(guest, "192.0.2.9", 7000, far)) return 4;
        // Docker before 28 lets anybody come to ports that are published anyway.
        if (reaches_from(lab.c1, "172.30.0.2", 81, hidden, 200)) return 5;
        if (reaches_from(guest, "172.17.0.2", 80, lab.web, 200)) return 6;
        return 0;
    });
}
