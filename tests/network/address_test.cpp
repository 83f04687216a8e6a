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
    const Cidr home = *parse_cidr("192.168.1.77/24");
    CHECK(to_string(home.first()) == "192.168.1.0");
    CHECK(to_string(home.last()) == "192.168.1.255");
    CHECK(home.overlaps(*parse_cidr("192.168.0.0/16")));
    CHECK(parse_cidr("192.168.0.0/16")->overlaps(home));
    CHECK_FALSE(home.overlaps(*parse_cidr("192.168.2.0/24")));
    CHECK(home.overlaps(*parse_cidr("0.0.0.0/0")));
    CHECK(parse_cidr("10.0.0.0/33").ok() == false);
    CHECK(parse_cidr("10.0.0.0").ok() == false);
}

TEST_CASE("the first network of the pool that overlaps nothing is taken") {
    CHECK(to_string(*pick_subnet(default_pools(), {})) == "172.17.0.0/16");
    CHECK(to_string(*pick_subnet(default_pools(),
                                 {*parse_cidr("172.17.5.0/24"), *parse_cidr("172.18.0.0/15")})) ==
          "172.20.0.0/16");
    const auto none = pick_subnet(default_pools(), {*parse_cidr("0.0.0.0/0")});
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().kind() == ErrorKind::Busy);
    CHECK(none.error().help().find("subnet") != std::string::npos);
}

TEST_CASE("addresses are given out from the bottom and kept where they are free") {
    AddressSpace space;
    space.subnet = *parse_cidr("10.9.0.0/29");  // .1 gateway, .2 to .6, .7 broadcast
    space.taken = {*parse_ip("10.9.0.1")};
    CHECK(to_string(*pick_address(space, std::nullopt)) == "10.9.0.2");
    CHECK(to_string(*pick_address(space, *parse_ip("10.9.0.5"))) == "10.9.0.5");
    CHECK(to_string(*pick_address(space, *parse_ip("10.9.0.1"))) == "10.9.0.2");
    space.range = *parse_cidr("10.9.0.4/30");
    CHECK(to_string(*pick_address(space, std::nullopt)) == "10.9.0.4");
    CHECK(to_string(*pick_address(space, *parse_ip("10.9.0.3"))) == "10.9.0.3");
    space.range.reset();
    for (int i = 2; i <= 6; ++i) {
        const auto ip = pick_address(space, std::nullopt);
        REQUIRE(ip.ok());
        space.taken.insert(*ip);
    }
    CHECK(space.taken.size() == 6);
    const auto full = pick_address(space, std::nullopt);
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().to_string() == "network 10.9.0.0/29 has no free address left (6 are taken)");
    space.range = *parse_cidr("10.9.0.4/30");
    CHECK(pick_address(space, std::nullopt).error().to_string() ==
          "network 10.9.0.0/29 has no free address left in the range 10.9.0.4/30 (6 are taken)");
}

TEST_CASE("IPv6 addresses are read printed counted and given out") {
    CHECK(to_string(*parse_ip("FD00:0:0::1")) == "fd00::1");
    CHECK(to_string(*parse_ip("::ffff:1.2.3.4")) == "::ffff:1.2.3.4");
    CHECK_FALSE(parse_ip("fd00:::1").ok());
    CHECK_FALSE(parse_ipv4("::1").ok());
    const Cidr subnet = *parse_cidr("fd00:1:2:3::/64");
    CHECK(to_string(subnet.last()) == "fd00:1:2:3:ffff:ffff:ffff:ffff");
    CHECK(to_string(gateway_of(subnet)) == "fd00:1:2:3::1");
    CHECK(subnet.overlaps(*parse_cidr("fd00:1:2::/48")));
    CHECK_FALSE(subnet.overlaps(*parse_cidr("0.0.0.0/0")));
    CHECK_FALSE(parse_cidr("fd00::/129").ok());
    CHECK(to_string(*parse_cidr("::/0")) == "::/0");
    CHECK(parse_cidr("::/0")->contains(subnet.last()));
    CHECK(to_string(*pick_address({.subnet = subnet, .taken = {gateway_of(subnet)}},
                                  std::nullopt)) == "fd00:1:2:3::2");
    const std::string bytes = parse_ip("fd00::1")->bytes();
    CHECK(Ip::from_bytes(bytes.data(), bytes.size()) == *parse_ip("fd00::1"));
    const Pool pool = local_pool("a-host");
    CHECK(pool.base.prefix == 48);
    CHECK(to_string(pool.base).starts_with("fd"));
    CHECK(pool != local_pool("another"));
    const Cidr first = *pick_subnet({pool}, {});
    CHECK(first.prefix == 64);
    CHECK_FALSE(pick_subnet({pool}, {first})->overlaps(first));
}

TEST_CASE("pools of the host are cut into networks of their size") {
    const std::vector<Pool> pools = {{*parse_cidr("10.1.0.0/23"), 24},
                                     {*parse_cidr("10.9.0.0/24"), 24}};
    std::vector<Cidr> taken;
    for (const char* expected : {"10.1.0.0/24", "10.1.1.0/24", "10.9.0.0/24"}) {
        const auto subnet = pick_subnet(pools, taken);
        REQUIRE(subnet.ok());
        CHECK(to_string(*subnet) == expected);
        taken.push_back(*subnet);
    }
    CHECK(pick_subnet(pools, taken).error().to_string().starts_with("none of the 3 networks"));
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

TEST_CASE("a container with a name server of its own asks it alone") {
    const std::string host = "nameserver 10.0.0.1\nsearch corp.example\n";
    CHECK(render_guarded_resolv_conf(host, {}, "127.0.0.11") ==
          "nameserver 127.0.0.11\nsearch corp.example\noptions ndots:0\n");
    CHECK(render_guarded_resolv_conf(host, {{"9.9.9.9"}, {"."}, {"ndots:2"}}, "127.0.0.11") ==
          "nameserver 127.0.0.11\noptions ndots:2\n");
}
