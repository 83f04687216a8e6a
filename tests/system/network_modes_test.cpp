#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/network_services.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::fetch;
using davit::testing::fetches;
using davit::testing::http_get;
using davit::testing::Outcome;
using davit::testing::said;
using davit::testing::Sandbox;
using davit::testing::server;

// Containers with the network of the host, of another container, or on a link of the host.

namespace {

std::string network_namespace(const std::string& pid) {
    return std::string(
        trim(davit::testing::run({.argv = {"readlink", fmt::format("/proc/{}/ns/net", pid)}}).out));
}

std::string network_of(const Sandbox& box, const std::string& container) {
    return network_namespace(box.inspect(container, "{{.State.Pid}}"));
}

std::string sleeper(const std::string& name, const std::string& keys) {
    return fmt::format(
        "  {}:\n    image: local/busybox:1\n    command: sleep 1000\n    stop_signal: "
        "SIGKILL\n{}",
        name, keys);
}

/// Waits until the container has been started again.
bool restarted(const Sandbox& box, const std::string& container) {
    return eventually([&] {
        return box.inspect(container, "{{.RestartCount}}") != "0" &&
               box.inspect(container, "{{.State.Status}}") == "running";
    });
}

bool run_ok(std::vector<std::string> argv) {
    return davit::testing::run({.argv = std::move(argv)}).status == 0;
}

}  // namespace

TEST_CASE("a service with the host's network is where the host is [ns]") {
    const Sandbox box("dt-mhost");
    box.load_busybox();
    box.compose("services:\n" + server("web",
                                       "    network_mode: host\n    ports: [\"18181:80\"]\n"
                                       "    extra_hosts: [\"up=192.0.2.8\"]\n"));
    const std::string before = box.world();
    const Outcome up = box.davit({"up", "-d"});
    CHECK(up.status == 0);
    CHECK(contains(up.err, "its 'ports' publish nothing"));
    CHECK(network_of(box, "dt-mhost-web-1") == network_namespace("self"));
    CHECK(eventually([&] { return contains(http_get("127.0.0.1", 80), "I am web"); }));
    CHECK(http_get("127.0.0.1", 18181).empty());
    CHECK(contains(said(box, "web", "ip link"), "lo:"));
    CHECK(said(box, "web", "hostname") == *read_file("/proc/sys/kernel/hostname"));
    CHECK(said(box, "web", "cat /etc/resolv.conf") == *read_file("/etc/resolv.conf"));
    CHECK(contains(said(box, "web", "cat /etc/hosts"), "192.0.2.8\tup"));
    CHECK(box.inspect("dt-mhost-web-1", "{{.HostConfig.NetworkMode}}") == "host");
    // Of one that is run once, too.
    CHECK(contains(box.davit({"run", "--rm", "-T", "web", "readlink", "/proc/self/ns/net"}).out,
                   network_namespace("self")));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("external networks host and none are the modes [ns]") {
    const Sandbox box("dt-mext");
    box.load_busybox();
    box.compose("services:\n" + sleeper("there", "    networks: [h]\n") +
                sleeper("nowhere", "    networks: [n]\n") +
                "networks: {h: {external: true, name: host}, n: {driver: none}}\n");
    box.davit_ok({"up", "-d"});
    CHECK(network_of(box, "dt-mext-there-1") == network_namespace("self"));
    const std::string links = said(box, "nowhere", "ip -o link | wc -l; ip addr");
    CHECK(contains(links, "127.0.0.1"));
    CHECK_FALSE(contains(links, "eth0"));
    box.davit_ok({"down"});
}

TEST_CASE("a service with another one's network keeps it through that one's restarts [ns]") {
    const Sandbox box("dt-mjoin");
    box.load_busybox();
    box.compose("services:\n" +
                server("vpn", "    ports: [\"18182:8000\"]\n    restart: always\n") +
                "  app:\n    image: local/busybox:1\n    network_mode: service:vpn\n"
                "    command: sh -c 'mkdir -p /www; echo I am app >/www/index.html; exec httpd -f "
                "-p 8000 -h /www'\n    stop_signal: SIGKILL\n" +
                server("peer", ""));
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const auto joined = [&] {
        return network_of(box, "dt-mjoin-app-1") == network_of(box, "dt-mjoin-vpn-1");
    };
    const auto reachable = [&] {
        return eventually([&] { return contains(http_get("127.0.0.1", 18182), "I am app"); });
    };
    CHECK(joined());
    // From outside, from a neighbour, and each from the other by the loopback device.
    CHECK(reachable());
    CHECK(eventually([&] {
        return contains(said(box, "peer", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc vpn 8000"),
                        "I am app");
    }));
    CHECK(fetches(box, "app", "127.0.0.1", "I am vpn"));
    CHECK(fetches(box, "app", "peer", "I am peer"));
    CHECK(said(box, "app", "hostname") == said(box, "vpn", "hostname"));
    CHECK(said(box, "app", "cat /etc/hosts") == said(box, "vpn", "cat /etc/hosts"));
    CHECK(box.inspect("dt-mjoin-app-1", "{{.HostConfig.NetworkMode}}") ==
          "container:" + box.inspect("dt-mjoin-vpn-1", "{{.Id}}"));

    // By its restart policy: the network stays what it was.
    const std::string app = box.inspect("dt-mjoin-app-1", "{{.State.Pid}}");
    REQUIRE(::kill(std::stoi(box.inspect("dt-mjoin-vpn-1", "{{.State.Pid}}")), SIGKILL) == 0);
    CHECK(restarted(box, "dt-mjoin-vpn-1"));
    CHECK(joined());
    CHECK(box.inspect("dt-mjoin-app-1", "{{.State.Pid}}") == app);
    CHECK(reachable());
    // By command: the other one is restarted along.
    box.davit_ok({"restart", "-t", "0", "vpn"});
    CHECK(joined());
    CHECK(reachable());
    // Stopped and started: likewise.
    box.davit_ok({"stop", "-t", "0", "vpn"});
    box.davit_ok({"start", "vpn"});
    CHECK(joined());
    CHECK(reachable());
    box.davit_ok({"stop", "-t", "0", "vpn"});
    box.davit_ok({"up", "-d"});
    CHECK(joined());
    CHECK(reachable());
    // Made anew: the other one is, too, since its users are numbered like those of the first.
    box.davit_ok({"up", "-d", "--force-recreate", "vpn"});
    CHECK(joined());
    CHECK(reachable());
    CHECK(box.davit({"up", "-d"}).status == 0);
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a container of another project lends its network [ns]") {
    const Sandbox box("dt-mlend");
    box.load_busybox();
    box.compose("services:\n" + server("web", ""));
    box.davit_ok({"up", "-d"});
    struct Guest {
        const Sandbox& box;
        ~Guest() { (void)box.davit({"-f", "two.yaml", "down", "-t", "0"}); }
    } const cleaner{box};
    box.write("two.yaml", "name: dt-mborrow\nservices:\n" +
                              sleeper("app", "    network_mode: container:dt-mlend-web-1\n"));
    box.davit_ok({"-f", "two.yaml", "up", "-d"});
    CHECK(network_of(box, "dt-mborrow-app-1") == network_of(box, "dt-mlend-web-1"));
    // Made anew, the lender has another network: the next `up` follows it.
    box.davit_ok({"up", "-d", "--force-recreate"});
    CHECK(network_of(box, "dt-mborrow-app-1") != network_of(box, "dt-mlend-web-1"));
    box.davit_ok({"-f", "two.yaml", "up", "-d"});
    CHECK(network_of(box, "dt-mborrow-app-1") == network_of(box, "dt-mlend-web-1"));
    box.davit_ok({"-f", "two.yaml", "down"});
    box.write("two.yaml", "name: dt-mborrow\nservices:\n" +
                              sleeper("app", "    network_mode: container:nobody\n"));
    const Outcome none = box.davit({"-f", "two.yaml", "up", "-d"});
    CHECK(none.status != 0);
    CHECK(contains(none.err, "nobody"));
    box.davit_ok({"down"});
}

TEST_CASE("a macvlan network puts its containers on the wire of a link [ns]") {
    const Sandbox box("dt-macvlan");
    box.load_busybox();
    // Another machine, whose cable ends in this host's link "wire0".
    REQUIRE(run_ok({"ip", "netns", "add", "dt-macvlan-far"}));
    struct Far {
        ~Far() {
            (void)run_ok({"ip", "link", "delete", "wire0"});
            (void)run_ok({"ip", "netns", "delete", "dt-macvlan-far"});
        }
    } const cleaner;
    REQUIRE(run_ok({"ip", "link", "add", "wire0", "mtu", "1400", "type", "veth", "peer", "name",
                    "far0", "netns", "dt-macvlan-far"}));
    REQUIRE(run_ok({"ip", "link", "set", "wire0", "up"}));
    for (const char* words : {"addr add 192.0.2.1/24 dev far0", "link set far0 up"}) {
        std::vector<std::string> argv = {"ip", "-n", "dt-macvlan-far"};
        for (const std::string& word : split(words, ' ')) argv.push_back(word);
        REQUIRE(run_ok(argv));
    }
    // The host's own address on that wire is no reason to refuse its subnet.
    REQUIRE(run_ok({"ip", "addr", "add", "192.0.2.2/24", "dev", "wire0"}));
    box.compose("services:\n" +
                server("one",
                       "    networks: {lan: {ipv4_address: 192.0.2.10, mac_address: "
                       "\"02:00:00:00:00:aa\"}}\n    ports: [\"18183:80\"]\n") +
                server("two", "    networks: {lan: {ipv4_address: 192.0.2.11}}\n") +
                "networks:\n  lan:\n    driver: macvlan\n    driver_opts: {parent: wire0}\n"
                "    ipam: {config: [{subnet: 192.0.2.0/24, gateway: 192.0.2.1}]}\n");
    const std::string before = box.world();
    const Outcome up = box.davit({"up", "-d"});
    if (contains(up.err, "Operation not supported")) SKIP_TEST("this kernel has no macvlan");
    CHECK_MESSAGE(up.status == 0, up.err);
    const std::string links = said(box, "one", "ip addr; ip route");
    CHECK(contains(links, "02:00:00:00:00:aa"));
    CHECK(contains(links, "192.0.2.10/24"));
    CHECK(contains(links, "mtu 1400"));
    CHECK(contains(links, "default via 192.0.2.1 dev eth0"));
    CHECK(fetches(box, "one", "192.0.2.11", "I am two"));
    CHECK(fetches(box, "one", "two", "I am two"));
    CHECK(eventually([&] {
        return contains(
            davit::testing::run({.argv = {"ip", "netns", "exec", "dt-macvlan-far", "busybox", "sh",
                                          "-c", fetch("192.0.2.10", 2)}})
                .out,
            "I am one");
    }));
    // The bytes of a bridge's rules have nothing to say about them.
    const std::string rules = davit::testing::run({.argv = {"nft", "list", "ruleset"}}).out;
    CHECK_FALSE(contains(rules, "192.0.2."));
    box.davit_ok({"up", "-d", "--force-recreate"});
    CHECK(fetches(box, "two", "192.0.2.10", "I am one"));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a macvlan network without its parent is refused [ns]") {
    const Sandbox box("dt-mnolink");
    box.load_busybox();
    box.compose("services:\n" + sleeper("a", "    networks: [lan]\n") +
                "networks: {lan: {driver: macvlan, driver_opts: {parent: nolink0}}}\n");
    const Outcome up = box.davit({"up", "-d"});
    CHECK(up.status != 0);
    CHECK(contains(up.err, "there is no link 'nolink0' on this host"));
    box.davit_ok({"down"});
}
