#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/machines.h"
#include "tests/system/network_services.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>

using namespace davit;
using davit::testing::address;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::fetches;
using davit::testing::Machine;
using davit::testing::said;
using davit::testing::Sandbox;
using davit::testing::server;

// Containers of one network that pass themselves off as each other, and networks of many subnets.

namespace {

bool nft(const std::string& words) {
    return davit::testing::run({.argv = {"nft", words}}).status == 0;
}

std::string mac_in(const std::string& link) {
    const std::string word = "link/ether ";
    return link.substr(link.find(word) + word.size(), 17);
}

/// A service as its neighbours know it.
struct Neighbour {
    Neighbour(const Sandbox& box, const std::string& service)
        : machine(Machine::of_process(
              box.inspect(box.project() + "-" + service + "-1", "{{.State.Pid}}"))),
          ip(address(box, service, "eth0")),
          mac(mac_in(machine.run("ip -o link show eth0"))) {}
    Machine machine;
    std::string ip;
    std::string mac;
};

/// Says as `speaker` to `victim` that the address of `owner` is at the speaker's MAC address.
void claim(const Neighbour& speaker, const Neighbour& owner, const Neighbour& victim) {
    (void)speaker.machine.run(fmt::format("python3 {}/tests/support/say_arp.py eth0 {} {} {} {}",
                                          DAVIT_SOURCE_DIR, speaker.mac, owner.ip, victim.mac,
                                          victim.ip));
}

/// Whether `victim` comes to believe it. Linux takes no other answer within a second of one.
bool believes(const Neighbour& speaker, const Neighbour& owner, const Neighbour& victim) {
    for (int i = 0; i < 15; ++i) {
        claim(speaker, owner, victim);
        ::poll(nullptr, 0, 100);
        const std::string line = victim.machine.run("ip neigh show " + owner.ip);
        if (contains(line, speaker.mac)) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a container does not take its neighbour's place [ns]") {
    if (!nft("add table bridge davit_try; delete table bridge davit_try"))
        SKIP_TEST("this kernel has no nf_tables for bridges");
    const Sandbox box("dt-guard");
    box.load_busybox();
    box.compose("services:\n" + server("victim", "") + server("web", "") + server("thief", "") +
                server("free", "    cap_add: [NET_ADMIN]\n"));
    box.davit_ok({"up", "-d"});
    REQUIRE(fetches(box, "victim", address(box, "web", "eth0"), "I am web"));
    const Neighbour victim(box, "victim");
    const Neighbour web(box, "web");
    {
        const Neighbour thief(box, "thief");
        CHECK_FALSE(believes(thief, web, victim));
        // Shows that it would have worked.
        REQUIRE(nft("delete table bridge davit"));
        CHECK(believes(thief, web, victim));
        box.davit_ok({"network", "reload"});
        CHECK(believes(web, web, victim));
        CHECK_FALSE(believes(thief, web, victim));
    }
    // One that comes later, or again, is guarded too.
    box.davit_ok({"up", "-d", "--force-recreate", "--no-deps", "thief"});
    CHECK_FALSE(believes(Neighbour(box, "thief"), web, victim));
    box.davit_ok({"restart", "-t", "0", "thief"});
    CHECK_FALSE(believes(Neighbour(box, "thief"), web, victim));
    CHECK(fetches(box, "thief", web.ip, "I am web"));
    // Who may configure the network may have more addresses than davit gave.
    CHECK(believes(Neighbour(box, "free"), web, victim));
    box.davit_ok({"down"});
}

TEST_CASE("a network has several subnets of IPv4 [ns]") {
    const Sandbox box("dt-subnets");
    box.load_busybox();
    box.compose("services:\n" + server("low", "    networks: {wide: {ipv4_address: 10.87.1.9}}\n") +
                server("high",
                       "    networks: {wide: {ipv4_address: 10.87.2.9}}\n"
                       "    ports: [\"18687:80\"]\n") +
                server("any", "    networks: [wide]\n") +
                "networks:\n  wide:\n    ipam:\n      config:\n"
                "        - {subnet: 10.87.1.0/24, ip_range: 10.87.1.128/25}\n"
                "        - {subnet: 10.87.2.0/24, gateway: 10.87.2.254}\n");
    box.davit_ok({"up", "-d"});
    const Machine host = Machine::here();
    const std::string bridge = box.davit_ok(
        {"network", "inspect", "dt-subnets_wide", "--format", "{{json .IPAM.Config}}"});
    CHECK_MESSAGE(contains(bridge, "10.87.1.0/24"), bridge);
    CHECK_MESSAGE(contains(bridge, "10.87.2.254"), bridge);
    // Each is routed through the gateway of its own subnet.
    CHECK(contains(said(box, "low", "ip route"), "default via 10.87.1.1 "));
    CHECK(contains(said(box, "high", "ip route"), "default via 10.87.2.254 "));
    CHECK(address(box, "any", "eth0").starts_with("10.87.1."));
    // By address, by name, from the host, and by the port of another subnet.
    CHECK(fetches(box, "low", "10.87.2.9", "I am high"));
    CHECK(fetches(box, "high", "10.87.1.9", "I am low"));
    CHECK(fetches(box, "any", "high", "I am high"));
    CHECK(contains(davit::testing::http_get("10.87.2.9", 80), "I am high"));
    CHECK(contains(davit::testing::http_get("127.0.0.1", 18687), "I am high"));
    CHECK(
        contains(said(box, "low", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 10.87.1.1 18687"),
                 "I am high"));
    // An address of no subnet is refused, with both of them.
    box.compose("services:\n" + server("low", "    networks: {wide: {ipv4_address: 10.87.3.9}}\n") +
                "networks:\n  wide:\n    ipam:\n      config:\n"
                "        - {subnet: 10.87.1.0/24}\n        - {subnet: 10.87.2.0/24}\n");
    const auto refused = box.davit({"up", "-d", "--remove-orphans"});
    CHECK(refused.status != 0);
    CHECK_MESSAGE(contains(refused.err, "10.87.3.9"), refused.err);
    box.davit_ok({"down", "--remove-orphans"});
}
