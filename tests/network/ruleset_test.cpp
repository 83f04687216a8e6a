#include "network/ruleset.h"

#include <doctest/doctest.h>

using namespace davit::network;

TEST_CASE("no rules remove the table") {
    CHECK(render({}) == "add table inet davit\ndelete table inet davit\n");
}

TEST_CASE("the whole table is replaced in one script") {
    Ruleset rules;
    rules.networks = {
        {"dvb-a", {*parse_cidr("172.17.0.0/16"), *parse_cidr("fd00:1::/64")}},
        {.bridge = "dvb-b", .subnets = {*parse_cidr("172.18.0.0/16")}, .masquerade = false},
        {.bridge = "dvb-i", .subnets = {*parse_cidr("172.19.0.0/16")}, .internal = true},
        {.bridge = "dvb-q", .subnets = {*parse_cidr("172.20.0.0/16")}, .icc = false}};
    rules.ports = {
        {.host_port = 8080, .target = *parse_ip("172.17.0.2"), .target_port = 80},
        {.host_port = 8080, .target = *parse_ip("fd00:1::2"), .target_port = 80},
        {.host_ip = *parse_ip("127.0.0.1"),
         .host_port = 9090,
         .target = *parse_ip("172.18.0.3"),
         .target_port = 90},
        {.host_ip = *parse_ip("2001:db8::5"),
         .host_port = 9091,
         .target = *parse_ip("fd00:1::2"),
         .target_port = 91},
        {.protocol = "udp", .host_port = 53, .target = *parse_ip("172.18.0.3"), .target_port = 53},
        {.protocol = "sctp", .host_port = 7, .target = *parse_ip("172.18.0.3"), .target_port = 7}};
    CHECK(render(rules) == R"(add table inet davit
delete table inet davit
table inet davit {
    set br { type ifname; elements = { "dvb-a", "dvb-b", "dvb-i", "dvb-q" }; }
    set internal { type ifname; elements = { "dvb-i" }; }
    set masq { type ifname; elements = { "dvb-a", "dvb-q" }; }
    set intra { type ifname . ifname; elements = { "dvb-a" . "dvb-a", "dvb-b" . "dvb-b", "dvb-i" . "dvb-i" }; }
    set nets4 { type ifname . ipv4_addr; flags interval; elements = { "dvb-a" . 172.17.0.0/16, "dvb-b" . 172.18.0.0/16, "dvb-i" . 172.19.0.0/16, "dvb-q" . 172.20.0.0/16 }; }
    set nets6 { type ifname . ipv6_addr; flags interval; elements = { "dvb-a" . fd00:1::/64 }; }
    map p4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 127.0.0.1 . 6 . 9090 : 172.18.0.3 . 90 }; }
    map p4any { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { 6 . 8080 : 172.17.0.2 . 80, 17 . 53 : 172.18.0.3 . 53, 132 . 7 : 172.18.0.3 . 7 }; }
    map p6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; elements = { 2001:db8::5 . 6 . 9091 : fd00:1::2 . 91 }; }
    map p6any { type inet_proto . inet_service : ipv6_addr . inet_service; elements = { 6 . 8080 : fd00:1::2 . 80 }; }
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
    local.host_ip = *parse_ipv4("127.0.0.1");
    RulePort sctp = web;
    sctp.protocol = "sctp";
    RulePort icmp = web;
    icmp.protocol = "icmp";
    RulePort six = web;
    six.target = *parse_ip("fd00::2");
    RulePort crossed = local;
    crossed.target = *parse_ip("fd00::2");
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
        {"protocol", {.ports = {icmp}}, "'icmp' is not tcp, udp or sctp"},
        {"sctp", {.ports = {sctp}}, nullptr},
        {"both families", {.ports = {web, six}}, nullptr},
        {"from one family to the other",
         {.ports = {crossed}},
         "127.0.0.1 can't be translated to fd00::2"},
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
