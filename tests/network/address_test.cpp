#include "network/address.h"

#include "network/ipam.h"
#include "network/names.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::network;

TEST_CASE("an IPv4 address is read exactly or refused") {
    struct Case {
        const char* text;
        const char* printed;  ///< Null: refused.
    };
    const Case cases[] = {{"0.0.0.0", "0.0.0.0"},
                          {"172.17.0.2", "172.17.0.2"},
                          {"255.255.255.255", "255.255.255.255"},
                          {"1.2.3", nullptr},
                          {"1.2.3.4.5", nullptr},
                          {"256.0.0.1", nullptr},
                          {"010.0.0.1", nullptr},
                          {"1.2.3.-4", nullptr},
                          {"", nullptr},
                          {" 1.2.3.4", nullptr}};
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_ipv4(c.text);
        REQUIRE(parsed.ok() == (c.printed != nullptr));
        if (parsed) CHECK(to_string(*parsed) == c.printed);
    }
}

TEST_CASE("a network knows its ends and what it overlaps") {
    const Cidr4 home = *parse_cidr4("192.168.1.77/24");
    CHECK(to_string(home.first()) == "192.168.1.0");
    CHECK(to_string(home.last()) == "192.168.1.255");
    CHECK(home.overlaps(*parse_cidr4("192.168.0.0/16")));
    CHECK(parse_cidr4("192.168.0.0/16")->overlaps(home));
    CHECK_FALSE(home.overlaps(*parse_cidr4("192.168.2.0/24")));
    CHECK(home.overlaps(*parse_cidr4("0.0.0.0/0")));
    CHECK(parse_cidr4("10.0.0.0/33").ok() == false);
    CHECK(parse_cidr4("10.0.0.0").ok() == false);
}

TEST_CASE("the first network of the pool that overlaps nothing is taken") {
    CHECK(to_string(*pick_subnet(default_pool(), {})) == "172.17.0.0/16");
    CHECK(to_string(*pick_subnet(default_pool(),
                                 {*parse_cidr4("172.17.5.0/24"), *parse_cidr4("172.18.0.0/15")})) ==
          "172.20.0.0/16");
    const auto none = pick_subnet(default_pool(), {*parse_cidr4("0.0.0.0/0")});
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().kind() == ErrorKind::Busy);
    CHECK(none.error().help().find("subnet") != std::string::npos);
}

TEST_CASE("addresses are given out from the bottom and kept where they are free") {
    const Cidr4 subnet = *parse_cidr4("10.9.0.0/29");  // .1 gateway, .2 to .6, .7 broadcast
    std::set<Ipv4> taken;
    CHECK(to_string(*pick_address(subnet, taken, std::nullopt)) == "10.9.0.2");
    CHECK(to_string(*pick_address(subnet, taken, *parse_ipv4("10.9.0.5"))) == "10.9.0.5");
    CHECK(to_string(*pick_address(subnet, taken, *parse_ipv4("10.9.0.1"))) == "10.9.0.2");
    for (int i = 2; i <= 6; ++i) {
        const auto ip = pick_address(subnet, taken, std::nullopt);
        REQUIRE(ip.ok());
        taken.insert(*ip);
    }
    CHECK(taken.size() == 5);
    const auto full = pick_address(subnet, taken, std::nullopt);
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().to_string() == "network 10.9.0.0/29 has no free address left (5 are taken)");
}

TEST_CASE("link names fit the kernel and differ") {
    const std::string one = link_name("dvb-", "/a\nshop_default");
    CHECK(one.size() <= 15);
    CHECK(one == link_name("dvb-", "/a\nshop_default"));
    CHECK(one != link_name("dvb-", "/b\nshop_default"));
    CHECK(mac_for(*parse_ipv4("172.17.0.2")) == "02:42:ac:11:00:02");
}

TEST_CASE("a hosts file names the container and then its neighbours") {
    const HostEntry own{*parse_ipv4("172.17.0.2"), {"abc", "shop-web-1", "web"}};
    CHECK(render_hosts(own, {{*parse_ipv4("172.17.0.3"), {"shop-db-1", "db"}}}) ==
          "127.0.0.1\tlocalhost\n"
          "::1\tlocalhost ip6-localhost ip6-loopback\n"
          "172.17.0.2\tabc shop-web-1 web\n"
          "172.17.0.3\tshop-db-1 db\n");
}

TEST_CASE("a container gets the servers that it can reach") {
    struct Case {
        const char* host;
        const char* container;
    };
    const Case cases[] = {{"# c\nnameserver 10.0.0.1\nsearch corp.example\noptions ndots:2\n",
                           "nameserver 10.0.0.1\nsearch corp.example\noptions ndots:2\n"},
                          {"nameserver 127.0.0.53\noptions edns0\n",
                           "options edns0\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"},
                          {"nameserver\t::1\nnameserver 2001:db8::1\n", "nameserver 2001:db8::1\n"},
                          {"", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"}};
    for (const Case& c : cases) CHECK(render_resolv_conf(c.host) == c.container);
}
