#include "network/ruleset.h"

#include <doctest/doctest.h>

using namespace davit::network;

TEST_CASE("no rules remove the table") {
    CHECK(render({}) == "add table inet davit\ndelete table inet davit\n");
}

TEST_CASE("the whole table is replaced in one script") {
    Ruleset rules;
    rules.networks = {{"dvb-a", *parse_cidr4("172.17.0.0/16")},
                      {"dvb-b", *parse_cidr4("172.18.0.0/16")}};
    rules.ports = {{.host_port = 8080, .target = *parse_ipv4("172.17.0.2"), .target_port = 80},
                   {.any_address = false,
                    .host_ip = *parse_ipv4("127.0.0.1"),
                    .host_port = 9090,
                    .target = *parse_ipv4("172.18.0.3"),
                    .target_port = 90},
                   {.protocol = "udp",
                    .host_port = 53,
                    .target = *parse_ipv4("172.18.0.3"),
                    .target_port = 53}};
    CHECK(render(rules) == R"(add table inet davit
delete table inet davit
table inet davit {
    set br { type ifname; elements = { "dvb-a", "dvb-b" }; }
    set masq { type ifname; elements = { "dvb-a", "dvb-b" }; }
    set intra { type ifname . ifname; elements = { "dvb-a" . "dvb-a", "dvb-b" . "dvb-b" }; }
    set nets4 { type ifname . ipv4_addr; flags interval; elements = { "dvb-a" . 172.17.0.0/16, "dvb-b" . 172.18.0.0/16 }; }
    map p4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 127.0.0.1 . tcp . 9090 : 172.18.0.3 . 90 }; }
    map p4any { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 8080 : 172.17.0.2 . 80, udp . 53 : 172.18.0.3 . 53 }; }
    chain raw {
        type filter hook prerouting priority raw; policy accept;
        iifname != @br return
        ip daddr 127.0.0.0/8 drop
        ip saddr 127.0.0.0/8 drop
        ip6 daddr ::1 drop
        ip saddr != 0.0.0.0 fib saddr . iif oif 0 drop
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
    }
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname @br ip saddr 127.0.0.0/8 masquerade
        ct status dnat oifname . ip saddr @nets4 masquerade
        iifname @masq oifname != @br masquerade
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname != @br oifname != @br accept
        ct state established,related accept
        ct state invalid drop
        iifname . oifname @intra accept
        oifname @br ct status dnat accept
        oifname @br drop
    }
}
)");
}

TEST_CASE("rules that the kernel can not take are refused before it is asked") {
    const RulePort web{.host_port = 8080, .target = *parse_ipv4("172.17.0.2"), .target_port = 80};
    RulePort other = web;
    other.target = *parse_ipv4("172.17.0.3");
    RulePort udp = other;
    udp.protocol = "udp";
    RulePort local = other;
    local.any_address = false;
    local.host_ip = *parse_ipv4("127.0.0.1");
    RulePort sctp = web;
    sctp.protocol = "sctp";
    struct Case {
        const char* name;
        Ruleset rules;
        const char* error;  ///< Null: fine.
    };
    const Case cases[] = {
        {"nothing", {}, nullptr},
        {"the same twice", {.ports = {web, web}}, nullptr},
        {"another protocol", {.ports = {web, udp}}, nullptr},
        {"one address of all", {.ports = {web, local}}, nullptr},
        {"two targets",
         {.ports = {web, other}},
         "host port 8080/tcp is published twice: to 172.17.0.2:80 and to 172.17.0.3:80"},
        {"protocol", {.ports = {sctp}}, "'sctp' is neither tcp nor udp"},
        {"long name",
         {.networks = {{.bridge = "dvb-0123456789ab"}}},
         "'dvb-0123456789ab' is not the name of a bridge"},
        {"quote", {.networks = {{.bridge = "a\" }"}}}, "'a\" }' is not the name of a bridge"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        const davit::Result<void> checked = check(c.rules);
        REQUIRE(checked.ok() == (c.error == nullptr));
        if (!checked) CHECK(checked.error().to_string() == c.error);
    }
}
