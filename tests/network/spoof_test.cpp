#include "base/file.h"
#include "base/strings.h"
#include "tests/network/forge.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

// What containers say that they are not.

namespace {

bool set(const std::string& name, const char* value) {
    return done(write_control_file("/proc/sys/net/" + name, value));
}

/// Whether this namespace has a default route of IPv6 through `link`. @source proc(5), ipv6_route
bool routes_through(const std::string& link) {
    const std::string nowhere = std::string(32, '0') + " 00 ";
    const Result<std::string> table = read_file("/proc/thread-self/net/ipv6_route");
    for (const std::string& line : split(table ? *table : std::string(), '\n'))
        if (line.starts_with(nowhere) && line.ends_with(link)) return true;
    return false;
}

/// Whether there is such a route soon; or still none after a while.
bool comes_to_route_through(const std::string& link, int patience_ms) {
    for (int waited = 0; waited < patience_ms; waited += 20) {
        if (routes_through(link)) return true;
        ::poll(nullptr, 0, 20);
    }
    return false;
}

}  // namespace

TEST_CASE("a source address of another network is refused [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        // The kernel's own check is off on many hosts, and must not be what helps here.
        if (!lab.up() || !set("ipv4/conf/all/rp_filter", "0") ||
            !set("ipv4/conf/dvb-a/rp_filter", "0"))
            return 1;
        const UniqueFd service = udp_in(*sys::open("/proc/thread-self/ns/net", O_RDONLY));
        if (!bind_any(service, 6000)) return 2;
        for (const char* forged : {"172.18.0.2", "192.0.2.77"})
            if (!forge_packet(lab.c1, forged, "172.17.0.1", 6000)) return 3;
        if (has_mail(service, 300)) return 4;
        if (!forge_packet(lab.c1, "172.17.0.2", "172.17.0.1", 6000)) return 5;
        if (!has_mail(service, 2000)) return 6;  // its own is not
        char byte = 0;
        (void)::recv(service.get(), &byte, 1, MSG_DONTWAIT);
        if (!load({}) || !forge_packet(lab.c1, "172.18.0.2", "172.17.0.1", 6000)) return 7;
        return has_mail(service, 2000) ? 0 : 8;  // shows that the packets would have come
    });
}

TEST_CASE("a container's router advertisement makes it nobody's router [ns]") {
    // CVE-2020-13401.
    IN_OWN_NAMESPACES([] {
        if (!done(loopback_up(*sys::open("/proc/thread-self/ns/net", O_RDONLY))) ||
            !done(ensure_bridge(bridge("dvb-6", "fd77::1/64"))))
            return 1;
        const UniqueFd rogue = new_netns();
        const UniqueFd peer = new_netns();
        if (!done(attach(rogue, {attachment("dvb-6", "dvv-1", "fd77::2/64", "fd77::1")})) ||
            !done(attach(peer, {attachment("dvb-6", "dvv-2", "fd77::3/64", "fd77::1")})))
            return 2;
        const Ruleset rules = {.networks = {{"dvb-6", {*parse_cidr("fd77::/64")}}}};
        // Also where somebody lets the host listen to them.
        if (!load(rules) || !set("ipv6/conf/dvb-6/accept_ra", "2")) return 3;
        const auto advertise = [&] {
            for (int i = 0; i < 50; ++i) {
                // Its own link-local address needs a moment.
                if (advertise_router(rogue)) return true;
                ::poll(nullptr, 0, 50);
            }
            return false;
        };
        if (!advertise()) return 4;
        if (comes_to_route_through("dvb-6", 300)) return 5;
        {
            const Result<NetnsScope> inside = NetnsScope::enter(peer);
            const Result<std::string> table = read_file("/proc/thread-self/net/ipv6_route");
            std::size_t defaults = 0;
            for (const std::string& line : split(*table, '\n'))
                if (line.starts_with(std::string(32, '0') + " 00 ") && line.ends_with("eth0"))
                    ++defaults;
            if (defaults != 1) return 6;  // the one to the gateway
        }
        if (!load({}) || !advertise()) return 7;
        return comes_to_route_through("dvb-6", 2000) ? 0 : 8;  // shows that it would have worked
    });
}
