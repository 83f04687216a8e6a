#include "stack/doctor.h"

#include <algorithm>
#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;

namespace {

/// A host on which nothing is amiss, with one network.
HostFacts healthy() {
    HostFacts facts;
    facts.root = true;
    facts.ip_forward = true;
    facts.rules_there = true;
    facts.guards = true;
    facts.networks = {{.name = "shop_default", .bridge = "dvb-1", .mtu = 1500, .link_there = true}};
    facts.resolvers = {"192.0.2.53"};
    facts.free_subnets = 30;
    facts.pool_subnets = 31;
    facts.kernel = {.user_namespaces = true,
                    .idmapped_mounts = true,
                    .cgroup = "v2",
                    .seccomp = true,
                    .overlayfs = true};
    facts.data_root = "/var/lib/davit";
    return facts;
}

/// What is not good, as "HEALTH SUBJECT: MESSAGE", a line each.
std::string complaints(const HostFacts& facts) {
    std::string text;
    for (const Finding& finding : examine(facts)) {
        if (finding.health == Health::Good) {
            CHECK(finding.cure.empty());
            continue;
        }
        CHECK_FALSE(finding.cure.empty());
        text += std::string(to_string(finding.health)) + " " + finding.subject + ": " +
                finding.message + "\n";
    }
    return text;
}

std::string cure_of(const HostFacts& facts, const std::string& subject) {
    for (const Finding& finding : examine(facts))
        if (finding.subject == subject) return finding.cure;
    return "no such subject";
}

network::DroppingChain chain_of(const char* family, const char* table, const char* chain) {
    network::DroppingChain one;
    one.family = family;
    one.table = table;
    one.chain = chain;
    one.hook = "forward";
    return one;
}

}  // namespace

TEST_CASE("a healthy host has nothing to complain of") {
    CHECK(complaints(healthy()) == "");
    // Nor has one on which nothing was started yet.
    HostFacts idle = healthy();
    idle.networks.clear();
    idle.ip_forward = false;
    idle.rules_there = false;
    CHECK(complaints(idle) == "");
}

TEST_CASE("what is amiss is said with what helps") {
    struct Case {
        const char* name;
        void (*harm)(HostFacts&);
        const char* complaint;  ///< The beginning of the one line.
    };
    const Case cases[] = {
        {"not root", [](HostFacts& facts) { facts.root = false; }, "problem privileges: "},
        {"no forwarding", [](HostFacts& facts) { facts.ip_forward = false; },
         "problem forwarding: net.ipv4.ip_forward is 0"},
        {"no forwarding of IPv6", [](HostFacts& facts) { facts.networks[0].v6 = true; },
         "problem forwarding: net.ipv6.conf.all.forwarding is 0"},
        {"no nf_tables",
         [](HostFacts& facts) {
             facts.rules_there.reset();
             facts.rules_problem = "this kernel has no nf_tables";
         },
         "problem packet rules: this kernel has no nf_tables"},
        {"flushed rules", [](HostFacts& facts) { facts.rules_there = false; },
         "problem packet rules: the table inet davit is missing"},
        {"a firewall",
         [](HostFacts& facts) { facts.dropping = {chain_of("ip", "filter", "FORWARD")}; },
         "warning firewall: the chain ip filter FORWARD drops forwarded packets"},
        {"no tables for bridges", [](HostFacts& facts) { facts.guards = false; },
         "warning forged addresses: this kernel has no nf_tables for bridges"},
        {"a lost bridge", [](HostFacts& facts) { facts.networks[0].link_there = false; },
         "problem links: network 'shop_default' has lost its bridge dvb-1"},
        {"a small way out", [](HostFacts& facts) { facts.uplink_mtu = 1280; },
         "warning links: network 'shop_default' has an MTU of 1500, and the way out of this host "
         "one of 1280"},
        {"no resolver", [](HostFacts& facts) { facts.resolvers.clear(); },
         "warning resolver: /etc/resolv.conf names no server"},
        {"a silent resolver", [](HostFacts& facts) { facts.silent_resolvers = facts.resolvers; },
         "warning resolver: no name server answers: 192.0.2.53"},
        {"one of two is silent",
         [](HostFacts& facts) {
             facts.silent_resolvers = facts.resolvers;
             facts.resolvers.push_back("192.0.2.54");
         },
         "warning resolver: 192.0.2.53 does not answer"},
        {"no networks left", [](HostFacts& facts) { facts.free_subnets = 0; },
         "problem address pools: 0 of 31"},
        {"few networks left", [](HostFacts& facts) { facts.free_subnets = 2; },
         "warning address pools: 2 of 31"},
        {"no cgroups", [](HostFacts& facts) { facts.kernel.cgroup = "none"; }, "problem cgroups: "},
        {"no overlayfs", [](HostFacts& facts) { facts.kernel.overlayfs = false; },
         "problem overlayfs: "},
        {"no user namespaces", [](HostFacts& facts) { facts.kernel.user_namespaces = false; },
         "warning user namespaces: "},
        {"no idmapped mounts", [](HostFacts& facts) { facts.kernel.idmapped_mounts = false; },
         "warning user namespaces: the file system of /var/lib/davit can't be idmapped"},
        {"no seccomp", [](HostFacts& facts) { facts.kernel.seccomp = false; }, "warning seccomp: "},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        HostFacts facts = healthy();
        c.harm(facts);
        const std::string text = complaints(facts);
        CHECK_MESSAGE(text.starts_with(c.complaint), text);
        CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    }
}

TEST_CASE("br_netfilter is told of with what follows") {
    const auto said_of = [](const HostFacts& facts) {
        for (const Finding& finding : examine(facts))
            if (finding.subject == "br_netfilter")
                return std::string(to_string(finding.health)) + ": " + finding.message;
        return std::string();
    };
    HostFacts facts = healthy();
    CHECK(said_of(facts).starts_with("good: not loaded: "));
    facts.bridge_filter4 = facts.bridge_filter6 = false;
    CHECK(said_of(facts).starts_with("good: loaded, and off here "));
    facts.bridge_filter4 = true;
    CHECK(said_of(facts).ends_with("passes the host's forward rules too, and none drops it"));
    // A chain of the other family sees none of it.
    facts.dropping = {chain_of("ip6", "filter", "FORWARD")};
    CHECK(said_of(facts).starts_with("good: "));
    facts.dropping = {chain_of("ip", "filter", "FORWARD")};
    CHECK(said_of(facts) ==
          "warning: loaded, and on (bridge-nf-call-iptables is 1): the chain ip filter FORWARD "
          "drops what containers of one network send each other as well");
    CHECK(cure_of(facts, "br_netfilter").find("bridge-nf-call-iptables=0") != std::string::npos);
    facts.dropping[0].names_us = true;
    CHECK(said_of(facts).starts_with("good: "));
}

TEST_CASE("an internal network may have any MTU") {
    HostFacts facts = healthy();
    facts.networks[0].internal = true;
    facts.networks[0].mtu = 9000;
    CHECK(complaints(facts) == "");
}

TEST_CASE("the cure for a firewall is one for that firewall") {
    HostFacts facts = healthy();
    facts.dropping = {chain_of("ip", "filter", "FORWARD")};
    CHECK(cure_of(facts, "firewall").find("iptables -I FORWARD -i 'dvb-+'") != std::string::npos);
    facts.dropping[0].for_docker = true;
    CHECK(cure_of(facts, "firewall").find("iptables -I DOCKER-USER") != std::string::npos);
    facts.dropping = {chain_of("ip6", "filter", "FORWARD")};
    CHECK(cure_of(facts, "firewall").find("ip6tables -I FORWARD") != std::string::npos);
    facts.dropping = {chain_of("inet", "firewalld", "filter_FORWARD")};
    CHECK(cure_of(facts, "firewall").find("firewall-cmd") != std::string::npos);
    facts.dropping = {chain_of("inet", "mine", "fwd")};
    CHECK(cure_of(facts, "firewall").find("nft insert rule inet mine fwd") != std::string::npos);
    // Whoever has rules about davit's bridges has thought of it.
    facts.dropping[0].names_us = true;
    CHECK(complaints(facts) == "");
    // What comes to the host itself is its own business.
    facts.dropping[0].names_us = false;
    facts.dropping[0].hook = "input";
    CHECK(complaints(facts) == "");
}

TEST_CASE("free networks of pools are counted") {
    const std::vector<network::Pool> pools = {{*network::parse_cidr("10.0.0.0/16"), 24},
                                              {*network::parse_cidr("10.1.0.0/24"), 25}};
    CHECK(count_free(pools, {}) == std::pair(258, 258));
    CHECK(count_free(pools, {*network::parse_cidr("10.0.4.7/32")}) == std::pair(257, 258));
    CHECK(count_free(pools, {*network::parse_cidr("10.0.0.0/8")}) == std::pair(0, 258));
    CHECK(count_free(network::default_pools(), {}).second == 31);
}
