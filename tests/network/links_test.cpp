#include "network/links.h"

#include "base/sys.h"
#include "network/ipam.h"
#include "network/netns.h"
#include "network/ruleset.h"
#include "tests/support/own_namespaces.h"
#include "tests/support/skip.h"
#include "tests/support/tcp.h"

#include <cstdio>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <net/if.h>

using namespace davit;
using namespace davit::network;
using davit::testing::in_own_namespaces;
using davit::testing::listen_on;
using davit::testing::reaches;

namespace {

/// A network namespace without anything in it.
UniqueFd new_netns() {
    UniqueFd home = *sys::open("/proc/thread-self/ns/net", O_RDONLY);
    if (::unshare(CLONE_NEWNET) != 0) return {};
    UniqueFd made = *sys::open("/proc/thread-self/ns/net", O_RDONLY);
    if (::setns(home.get(), CLONE_NEWNET) != 0) return {};
    return made;
}

bool done(const Result<void>& result) {
    if (!result) std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    return result.ok();
}

BridgeSpec bridge(const char* name, const char* cidr) {
    return {.name = name, .address = *parse_cidr4(cidr), .alias = std::string("net ") + name};
}

AttachSpec attachment(const char* bridge_name, const char* link, const char* cidr,
                      const char* gateway) {
    AttachSpec spec;
    spec.bridge = bridge_name;
    spec.host_link = link;
    spec.address = *parse_cidr4(cidr);
    spec.gateway = *parse_ipv4(gateway);
    spec.mac = mac_for(spec.address.address);
    return spec;
}

UniqueFd listen_in(const UniqueFd& netns, std::uint16_t port) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    return listen_on("0.0.0.0", port);
}

bool reaches_from(const UniqueFd& netns, const char* ip, std::uint16_t port,
                  const UniqueFd& listener, int timeout_ms = 2000) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    return reaches(ip, port, listener, timeout_ms);
}

/// Two bridges, two containers on the first, one on the second; c1:80 published as 8080.
struct Lab {
    UniqueFd c1 = new_netns();
    UniqueFd c2 = new_netns();
    UniqueFd c3 = new_netns();
    UniqueFd web;
    UniqueFd other;

    bool up() {
        if (!done(loopback_up(*sys::open("/proc/thread-self/ns/net", O_RDONLY)))) return false;
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16"))) ||
            !done(ensure_bridge(bridge("dvb-b", "172.18.0.1/16"))) ||
            !done(attach(c1, attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1"))) ||
            !done(attach(c2, attachment("dvb-a", "dvv-2", "172.17.0.3/16", "172.17.0.1"))) ||
            !done(attach(c3, attachment("dvb-b", "dvv-3", "172.18.0.2/16", "172.18.0.1"))))
            return false;
        web = listen_in(c1, 80);
        other = listen_in(c3, 80);
        return web && other && done(apply(rules()));
    }
    static Ruleset rules() {
        return {
            .networks = {{"dvb-a", *parse_cidr4("172.17.0.0/16")},
                         {"dvb-b", *parse_cidr4("172.18.0.0/16")}},
            .ports = {{.host_port = 8080, .target = *parse_ipv4("172.17.0.2"), .target_port = 80},
                      {.any_address = false,
                       .host_ip = *parse_ipv4("127.0.0.1"),
                       .host_port = 9090,
                       .target = *parse_ipv4("172.18.0.2"),
                       .target_port = 80}}};
    }
};

}  // namespace

#define IN_OWN_NAMESPACES(body)                                                   \
    do {                                                                          \
        const int status = in_own_namespaces(body);                               \
        if (status == 77) SKIP_TEST("no user namespaces for the test's network"); \
        CHECK(status == 0);                                                       \
    } while (false)

TEST_CASE("containers of one network reach each other at their first packet [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        return reaches_from(lab.c2, "172.17.0.2", 80, lab.web, 500) ? 0 : 2;
    });
}

TEST_CASE("a published port answers at every address of the host and to its neighbours [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        if (!reaches("127.0.0.1", 8080, lab.web)) return 2;
        if (!reaches("172.17.0.1", 8080, lab.web)) return 3;
        if (!reaches_from(lab.c2, "172.17.0.1", 8080, lab.web)) return 4;
        if (!reaches_from(lab.c1, "172.17.0.1", 8080, lab.web)) return 5;  // hairpin
        if (!reaches_from(lab.c3, "172.18.0.1", 8080, lab.web)) return 6;  // from another network
        return 0;
    });
}

TEST_CASE("a port published on one address answers there alone [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        if (!reaches("127.0.0.1", 9090, lab.other)) return 2;
        return reaches("172.17.0.1", 9090, lab.other, 300) ? 3 : 0;
    });
}

TEST_CASE("networks don't reach each other directly [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        return reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 500) ? 2 : 0;
    });
}

TEST_CASE("without the table the networks would reach each other [ns]") {
    // Shows that the test above can fail.
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !done(apply({}))) return 1;
        return reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 1000) ? 0 : 2;
    });
}

TEST_CASE("loading the same rules again keeps everything working [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !done(apply(Lab::rules())) || !done(apply(Lab::rules()))) return 1;
        return reaches("127.0.0.1", 8080, lab.web) ? 0 : 2;
    });
}

TEST_CASE("a failed attachment leaves no link behind [ns]") {
    IN_OWN_NAMESPACES([] {
        const UniqueFd netns = new_netns();
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        AttachSpec bad =
            attachment("dvb-a", "dvv-1", "172.17.0.2/16", "10.0.0.1");  // no such route
        if (attach(netns, bad).ok()) return 2;
        if (if_nametoindex("dvv-1") != 0) return 3;
        bad.bridge = "dvb-none";
        const Result<void> refused = attach(netns, bad);
        if (refused.ok() || refused.error().kind() != ErrorKind::NotFound) return 4;
        bad.host_link = "a-name-that-is-too-long";
        return attach(netns, bad).ok() ? 5 : 0;
    });
}

TEST_CASE("the link of a run that has just ended gives way to the next [ns]") {
    IN_OWN_NAMESPACES([] {
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        const AttachSpec spec = attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1");
        const UniqueFd first = new_netns();
        if (!done(attach(first, spec))) return 2;
        const UniqueFd second = new_netns();
        if (!done(attach(second, spec))) return 3;
        const UniqueFd web = listen_in(second, 80);
        return reaches("172.17.0.2", 80, web) ? 0 : 4;
    });
}

TEST_CASE("a bridge is made once and removed with its ports [ns]") {
    IN_OWN_NAMESPACES([] {
        const UniqueFd netns = new_netns();
        const BridgeSpec spec = bridge("dvb-a", "172.17.0.1/16");
        if (!done(ensure_bridge(spec)) || !done(ensure_bridge(spec))) return 1;
        if (!done(attach(netns, attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1"))))
            return 2;
        const auto used = used_subnets();
        if (!used) return 3;
        bool seen = false;
        for (const Cidr4& one : *used) seen = seen || one.overlaps(*parse_cidr4("172.17.0.0/16"));
        if (!seen) return 4;
        if (!done(remove_bridge("dvb-a")) || !done(remove_bridge("dvb-a"))) return 5;
        if (*link_exists("dvb-a") || *link_exists("dvv-1")) return 6;
        return 0;
    });
}
