#include "network/links.h"

#include "network/netlink.h"
#include "tests/network/lab.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <doctest/doctest.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <thread>
#include <vector>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

namespace {

sockaddr as_sockaddr(const char* ip) {
    const sockaddr_in address = davit::testing::socket_address(ip, 0);
    sockaddr plain{};
    static_assert(sizeof plain == sizeof address);
    std::memcpy(&plain, &address, sizeof plain);
    return plain;
}

/// A route of the host, made without the code under test.
bool add_route(const char* to, const char* mask, const char* link) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::string device = link;
    rtentry route{};
    route.rt_dst = as_sockaddr(to);
    route.rt_genmask = as_sockaddr(mask);
    route.rt_flags = RTF_UP;
    route.rt_dev = device.data();
    return ::ioctl(fd.get(), SIOCADDRT, &route) == 0;
}

}  // namespace

TEST_CASE("containers of one network reach each other at their first packet [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        return reaches_from(lab.c2, "172.17.0.2", 80, lab.web, 500) ? 0 : 2;
    });
}

TEST_CASE("a failed attachment leaves no link behind [ns]") {
    IN_OWN_NAMESPACES([] {
        const UniqueFd netns = new_netns();
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        AttachSpec bad =
            attachment("dvb-a", "dvv-1", "172.17.0.2/16", "10.0.0.1");  // no such route
        if (attach(netns, {bad}).ok()) return 2;
        if (if_nametoindex("dvv-1") != 0) return 3;
        bad.bridge = "dvb-none";
        const Result<void> refused = attach(netns, {bad});
        if (refused.ok() || refused.error().kind() != ErrorKind::NotFound) return 4;
        bad.host_link = "a-name-that-is-too-long";
        return attach(netns, {bad}).ok() ? 5 : 0;
    });
}

TEST_CASE("the link of a run that has just ended gives way to the next [ns]") {
    IN_OWN_NAMESPACES([] {
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        const AttachSpec spec = attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1");
        const UniqueFd first = new_netns();
        if (!done(attach(first, {spec}))) return 2;
        const UniqueFd second = new_netns();
        if (!done(attach(second, {spec}))) return 3;
        const UniqueFd web = listen_in(second, 80);
        return reaches("172.17.0.2", 80, web) ? 0 : 4;
    });
}

TEST_CASE("a MAC address on a shared wire is waited for until the last run's link is gone [ns]") {
    IN_OWN_NAMESPACES([] {
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        AttachSpec spec = attachment("dvb-a", "", "172.17.0.2/16", "172.17.0.1");
        spec.driver = "macvlan";
        UniqueFd first = new_netns();
        const Result<void> made = attach(first, {spec});
        if (!made.ok() && made.error().kind() == ErrorKind::Unsupported)
            return kNoNftables;  // nor macvlan: skipped
        if (!done(made)) return 2;
        std::thread ends([&first] {
            // As long as a busy kernel takes with a dead namespace; nothing is waited for here.
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            first.reset();
        });
        const UniqueFd second = new_netns();
        const Result<void> again = attach(second, {spec});
        ends.join();
        if (!done(again)) return 3;
        const UniqueFd third = new_netns();
        const Result<void> never = attach(third, {spec});
        return !never.ok() && never.error().kind() == ErrorKind::Busy &&
                       never.error().to_string().find(spec.mac) != std::string::npos
                   ? 0
                   : 4;
    });
}

TEST_CASE("a bridge is made once and removed with its ports [ns]") {
    IN_OWN_NAMESPACES([] {
        const UniqueFd netns = new_netns();
        const BridgeSpec spec = bridge("dvb-a", "172.17.0.1/16");
        if (!done(ensure_bridge(spec)) || !done(ensure_bridge(spec))) return 1;
        if (!done(attach(netns, {attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1")})))
            return 2;
        const auto used = used_subnets();
        if (!used) return 3;
        bool seen = false;
        for (const Cidr& one : *used) seen = seen || one.overlaps(*parse_cidr("172.17.0.0/16"));
        if (!seen) return 4;
        if (!done(remove_bridge("dvb-a")) || !done(remove_bridge("dvb-a"))) return 5;
        if (*link_exists("dvb-a") || *link_exists("dvv-1")) return 6;
        return 0;
    });
}

TEST_CASE("a container on a new bridge reaches the host at its first packet [ns]") {
    IN_OWN_NAMESPACES([] {
        // The bridge has no carrier before its first port; what is sent through it earlier is lost.
        for (std::uint16_t port = 7000; port < 7010; ++port) {
            const UniqueFd netns = new_netns();
            const UniqueFd host = listen_on("0.0.0.0", port);
            if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16"))) ||
                !done(attach(netns, {attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1")})))
                return 1;
            if (!reaches_from(netns, "172.17.0.1", port, host, 500)) return 2;
            if (!done(remove_bridge("dvb-a"))) return 3;
        }
        return 0;
    });
}

TEST_CASE("a bridge that is there is brought to the state that is asked for [ns]") {
    IN_OWN_NAMESPACES([] {
        BridgeSpec spec = bridge("dvb-a", "172.17.0.1/16");
        if (!done(ensure_bridge(spec))) return 1;
        spec.addresses = {*parse_cidr("172.19.0.1/16")};
        spec.mtu = 1400;
        spec.alias = "shop_default";
        if (!done(ensure_bridge(spec))) return 2;
        const auto socket = open_route_socket();
        const auto link =
            look_up_link(**socket, static_cast<int>(::if_nametoindex(spec.name.c_str())));
        if (!link || link->mtu != 1400 || link->alias != "shop_default") return 3;
        const auto addresses = dump_addresses(**socket);
        if (!addresses || addresses->size() != 1) return 4;
        return addresses->front().address == spec.addresses.front() ? 0 : 5;
    });
}

TEST_CASE("a link that is no bridge is neither taken over nor removed [ns]") {
    IN_OWN_NAMESPACES([] {
        const UniqueFd netns = new_netns();
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16"))) ||
            !done(attach(netns, {attachment("dvb-a", "dvv-1", "172.17.0.2/16", "172.17.0.1")})))
            return 1;
        const Result<void> made = ensure_bridge(bridge("dvv-1", "172.18.0.1/16"));
        if (made.ok() || made.error().kind() != ErrorKind::AlreadyExists) return 2;
        if (remove_bridge("dvv-1").ok()) return 3;
        return *link_exists("dvv-1") ? 0 : 4;
    });
}

TEST_CASE("a bridge of the host or of another network is neither taken over nor removed [ns]") {
    IN_OWN_NAMESPACES([] {
        const BridgeSpec host = bridge("br0", "192.0.2.1/24");
        BridgeSpec wanted = bridge("br0", "172.18.0.1/16");
        wanted.alias = "shop_default";
        if (!done(ensure_bridge(host))) return 1;
        const Result<void> made = ensure_bridge(wanted);
        if (made.ok() || made.error().kind() != ErrorKind::AlreadyExists) return 2;
        const auto socket = open_route_socket();
        const auto addresses = dump_addresses(**socket);
        if (!addresses || addresses->size() != 1) return 3;
        if (addresses->front().address != host.addresses.front()) return 4;
        if (!done(remove_bridge("br0", wanted.alias)) || !*link_exists("br0")) return 5;
        // Its own network has it again, and may remove it.
        if (!done(ensure_bridge(host)) || !done(remove_bridge("br0", host.alias))) return 6;
        return *link_exists("br0") ? 7 : 0;
    });
}

TEST_CASE("removing a bridge leaves the ports of another alone [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !done(remove_bridge("dvb-a"))) return 1;
        if (*link_exists("dvv-1") || *link_exists("dvv-2")) return 2;
        return reaches("172.18.0.2", 80, lab.other) ? 0 : 3;
    });
}

TEST_CASE("containers are attached from several threads at once [ns]") {
    IN_OWN_NAMESPACES([] {
        constexpr unsigned kThreads = 4;
        constexpr unsigned kContainers = 12;
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        std::vector<UniqueFd> namespaces;
        for (unsigned i = 0; i < kContainers; ++i) namespaces.push_back(new_netns());
        std::atomic<int> failed{0};
        const auto address_of = [](unsigned i) { return "172.17.0." + std::to_string(i + 2); };
        const auto attach_some = [&](unsigned first) {
            for (unsigned i = first; i < kContainers; i += kThreads) {
                const std::string link = "dvv-" + std::to_string(i);
                const std::string cidr = address_of(i) + "/16";
                if (!done(attach(namespaces[i],
                                 {attachment("dvb-a", link.c_str(), cidr.c_str(), "172.17.0.1")})))
                    ++failed;
            }
        };
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back(attach_some, i);
        for (std::thread& thread : threads) thread.join();
        if (failed != 0) return 2;
        for (unsigned i = 0; i < kContainers; ++i) {
            const UniqueFd web = listen_in(namespaces[i], 80);
            if (!reaches(address_of(i), 80, web, 500)) return 3;
        }
        return 0;
    });
}

TEST_CASE("routes of the host count as used and the way out gives the MTU [ns]") {
    IN_OWN_NAMESPACES([] {
        BridgeSpec spec = bridge("dvb-a", "172.17.0.1/16");
        spec.mtu = 1400;
        if (!done(ensure_bridge(spec)) || *uplink_mtu() != 1500) return 1;
        if (!add_route("10.20.0.0", "255.255.0.0", "dvb-a")) return 2;
        if (!add_route("0.0.0.0", "0.0.0.0", "dvb-a")) return 3;
        if (*uplink_mtu() != 1400) return 4;
        const std::vector<Cidr> used = *used_subnets();
        if (std::count(used.begin(), used.end(), *parse_cidr("10.20.0.0/16")) != 1) return 5;
        const bool all =
            std::any_of(used.begin(), used.end(), [](const Cidr& one) { return one.prefix == 0; });
        return all ? 6 : 0;
    });
}

TEST_CASE("addresses are listed while others come and go [ns]") {
    IN_OWN_NAMESPACES([] {
        if (!done(ensure_bridge(bridge("dvb-a", "172.17.0.1/16")))) return 1;
        const auto index = static_cast<int>(::if_nametoindex("dvb-a"));
        const auto add = [index](nl_sock& socket, std::uint32_t ip) {
            Batch batch;
            batch.add(new_address(index, {{false, ip}, 24}), "add an address");
            return std::move(batch).commit(socket);
        };
        // More than one message of the kernel holds, so that a list can change halfway.
        const auto socket = open_route_socket();
        for (std::uint32_t i = 0; i < 400; ++i) {
            if (!done(add(**socket, (10U << 24U) + i * 256 + 1))) return 2;
        }
        std::atomic<bool> stop{false};
        std::thread other([&] {
            const auto own = open_route_socket();
            const Cidr guest{{false, 11U << 24U}, 24};
            while (!stop) {
                Batch batch;
                batch.add(new_address(index, guest), "add an address");
                batch.add(remove_address(index, guest), "remove an address");
                (void)std::move(batch).commit(**own);
                ::usleep(500);
            }
        });
        bool whole = true;
        for (int i = 0; i < 50; ++i) {
            const auto used = used_subnets();
            whole = whole && done(used ? Result<void>() : used.error()) && used->size() > 400;
        }
        stop = true;
        other.join();
        return whole ? 0 : 3;
    });
}
