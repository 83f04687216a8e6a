#pragma once

#include "base/sys.h"
#include "network/ipam.h"
#include "network/links.h"
#include "network/netns.h"
#include "network/ruleset.h"
#include "tests/support/own_namespaces.h"
#include "tests/support/skip.h"
#include "tests/support/tcp.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <string>

/// Containers, bridges and other machines as network namespaces, for tests that run inside
/// namespaces of their own.
namespace davit::network::testing {

using davit::testing::listen_on;
using davit::testing::reaches;

constexpr int kNoNftables = 78;

/// A network namespace without anything in it.
inline UniqueFd new_netns() {
    UniqueFd home = *sys::open("/proc/thread-self/ns/net", O_RDONLY);
    if (::unshare(CLONE_NEWNET) != 0) return {};
    UniqueFd made = *sys::open("/proc/thread-self/ns/net", O_RDONLY);
    if (::setns(home.get(), CLONE_NEWNET) != 0) return {};
    return made;
}

inline bool done(const Result<void>& result) {
    if (!result) std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
    return result.ok();
}

inline BridgeSpec bridge(const char* name, const char* cidr) {
    return {.name = name, .addresses = {*parse_cidr(cidr)}, .alias = std::string("net ") + name};
}

inline AttachSpec attachment(const char* bridge_name, const char* link, const char* cidr,
                             const char* gateway) {
    AttachSpec spec;
    spec.bridge = bridge_name;
    spec.host_link = link;
    spec.addresses = {*parse_cidr(cidr)};
    spec.gateways = {*parse_ip(gateway)};
    spec.mac = mac_for(spec.addresses.front().address);
    return spec;
}

inline UniqueFd listen_in(const UniqueFd& netns, std::uint16_t port) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    return listen_on("0.0.0.0", port);
}

inline bool reaches_from(const UniqueFd& netns, const char* ip, std::uint16_t port,
                         const UniqueFd& listener, int timeout_ms = 2000) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    return reaches(ip, port, listener, timeout_ms);
}

/// Loads the rules. Ends the test's process where this kernel can't.
inline bool load(const Ruleset& rules) {
    const Result<void> loaded = apply(rules);
    if (!loaded && loaded.error().kind() == ErrorKind::Unsupported) std::_Exit(kNoNftables);
    return done(loaded);
}

/// Two bridges, two containers on the first, one on the second; c1:80 published as 8080.
struct Lab {
    UniqueFd c1 = new_netns();
    UniqueFd c2 = new_netns();
    UniqueFd c3 = new_netns();
    UniqueFd lan = new_netns();  ///< Another machine, after `add_lan`.
    UniqueFd web;
    UniqueFd other;

    bool up() {
        if (!done(loopback_up(*sys::open("/proc/thread-self/ns/net", O_RDONLY)))) return false;
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16"))) ||
            !done(ensure_bridge(bridge("dvb-b", "172.18.0.1/16"))) ||
            !done(attach(c1, {attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1")})) ||
            !done(attach(c2, {attachment("dvb-a", "dvv-2", "172.17.0.3/16", "172.17.0.1")})) ||
            !done(attach(c3, {attachment("dvb-b", "dvv-3", "172.18.0.2/16", "172.18.0.1")})))
            return false;
        web = listen_in(c1, 80);
        other = listen_in(c3, 80);
        return web && other && load(rules());
    }
    /// Connects another machine, 192.0.2.9, that routes through this host, 192.0.2.1. Its link is
    /// no business of the rules.
    bool add_lan() {
        return done(ensure_bridge(bridge("lan0", "192.0.2.1/24"))) &&
               done(attach(lan, {attachment("lan0", "lan-1", "192.0.2.9/24", "192.0.2.1")}));
    }
    static Ruleset rules() {
        return {
            .networks = {{"dvb-a", {*parse_cidr("172.17.0.0/16")}},
                         {"dvb-b", {*parse_cidr("172.18.0.0/16")}}},
            .ports = {{.host_port = 8080, .target = *parse_ipv4("172.17.0.2"), .target_port = 80},
                      {.host_ip = *parse_ipv4("127.0.0.1"),
                       .host_port = 9090,
                       .target = *parse_ipv4("172.18.0.2"),
                       .target_port = 80}}};
    }
};

}  // namespace davit::network::testing

/// Runs `body` inside namespaces of its own: 0 is success, any other number says where it failed.
#define IN_OWN_NAMESPACES(...)                                                    \
    do {                                                                          \
        const int status = davit::testing::in_own_namespaces(__VA_ARGS__);        \
        if (status == 77) SKIP_TEST("no user namespaces for the test's network"); \
        if (status == davit::network::testing::kNoNftables)                       \
            SKIP_TEST("this kernel has no nf_tables");                            \
        CHECK(status == 0);                                                       \
    } while (false)
