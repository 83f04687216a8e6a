#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

// Networks as their users see them; the packets' ways are tested in tests/network.

namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// What `command` prints in the container of `service`.
std::string said(const Sandbox& box, const std::string& service, const std::string& command) {
    return box.davit({"exec", "-T", service, "sh", "-c", command + " 2>&1"}).out;
}

/// A busybox service that answers "I am NAME" on port 80.
std::string server(const std::string& name, const std::string& keys) {
    return fmt::format(
        "  {0}:\n"
        "    image: local/busybox:1\n"
        "    command: sh -c 'mkdir -p /www; echo I am {0} >/www/index.html; exec httpd -f -p 80 -h "
        "/www'\n"
        "    stop_signal: SIGKILL\n{1}",
        name, keys);
}

/// A command that asks the server at `ip`; nc, since a static wget finds no service names.
std::string fetch(const std::string& ip, int seconds) {
    return fmt::format("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {} {} 80", seconds, ip);
}

bool fetches(const Sandbox& box, const std::string& from, const std::string& ip,
             const std::string& words) {
    return eventually([&] { return contains(said(box, from, fetch(ip, 2)), words); });
}

/// The address of an interface in the container of `service`, without its prefix.
std::string address(const Sandbox& box, const std::string& service, const std::string& interface,
                    const char* family = "inet") {
    const std::string text = said(box, service, "ip -o addr show dev " + interface);
    const std::string word = fmt::format(" {} ", family);
    const std::size_t at = text.find(word);
    if (at == std::string::npos) return {};
    return text.substr(at + word.size(), text.find('/', at) - at - word.size());
}

/// Whether there is no way to the address: neither now nor a second later.
bool no_way(const Sandbox& box, const std::string& from, const std::string& ip) {
    return !contains(said(box, from, fetch(ip, 1)), "I am");
}

}  // namespace

TEST_CASE("services of several networks have an interface an address and a route for each [ns]") {
    const Sandbox box("dt-nets");
    box.load_busybox();
    box.compose("services:\n" +
                server("web",
                       "    networks:\n"
                       "      front: {aliases: [www], priority: 5, mac_address: "
                       "\"02:00:00:00:00:09\"}\n"
                       "      back: {ipv4_address: 10.77.2.9, interface_name: back0, gw_priority: "
                       "1}\n") +
                server("db", "    networks: {back: {ipv4_address: 10.77.2.10}}\n") +
                server("lone", "    networks: [closed]\n") +
                "networks:\n"
                "  front: {driver_opts: {com.docker.network.driver.mtu: \"1400\"}}\n"
                "  back:\n"
                "    enable_ipv6: true\n"
                "    ipam: {config: [{subnet: 10.77.2.0/24, gateway: 10.77.2.254, ip_range: "
                "10.77.2.128/25, aux_addresses: {nas: 10.77.2.128}}, {subnet: \"fd77:2::/64\"}]}\n"
                "  closed: {internal: true}\n");
    box.davit_ok({"up", "-d"});
    const std::string links = said(box, "web", "ip addr");
    CHECK(contains(links, "eth0"));
    CHECK(contains(links, "mtu 1400"));
    CHECK(contains(links, "02:00:00:00:00:09"));
    CHECK(contains(links, "back0"));
    CHECK(contains(links, "10.77.2.9/24"));
    CHECK(contains(links, "fd77:2::"));
    const std::string routes = said(box, "web", "ip route; ip -6 route");
    CHECK(contains(routes, "default via 10.77.2.254 dev back0"));
    CHECK(contains(routes, "default via fd77:2::1 dev back0"));
    CHECK(contains(said(box, "web", "ip route | grep -c default"), "1"));
    CHECK_FALSE(contains(said(box, "lone", "ip route"), "default"));
    CHECK(fetches(box, "web", "10.77.2.10", "I am db"));
    const std::string six = address(box, "db", "eth0", "inet6");
    CHECK(fetches(box, "web", six, "I am db"));

    // The same addresses after a restart, a change of the service, and after all has been down.
    const auto addresses = [&] {
        return said(box, "web", "ip -o addr | grep -v fe80 | grep -o ' inet.*/[0-9]*'");
    };
    const std::string before = addresses();
    box.davit_ok({"up", "-d", "--force-recreate"});
    CHECK(addresses() == before);
    box.davit_ok({"down"});
    box.davit_ok({"up", "-d"});
    CHECK(addresses() == before);
}

TEST_CASE("networks are isolated and external ones are shared [ns]") {
    const Sandbox one("dt-neta");
    one.load_busybox();
    one.compose(
        "services:\n" + server("web", "    networks: [shared, own]\n    ports: [\"18090:80\"]\n") +
        server("aside", "    networks: [own]\n") + server("quiet", "    networks: [closed]\n") +
        "networks: {shared: {name: dt-shared}, own: {}, closed: {internal: true}}\n");
    one.davit_ok({"up", "-d"});
    const std::string aside = address(one, "aside", "eth0");
    const std::string quiet = address(one, "quiet", "eth0");
    // Taken down first, whatever becomes of the test.
    struct Guest {
        const Sandbox& box;
        ~Guest() { (void)box.davit({"-f", "two.yaml", "down", "-t", "0"}); }
    } const cleaner{one};
    one.write("two.yaml", "name: dt-netb\nservices:\n" +
                              server("guest", "    networks: [there]\n") +
                              "networks: {there: {external: true, name: dt-shared}}\n");
    one.davit_ok({"-f", "two.yaml", "up", "-d"});
    const auto guest = [&](const std::string& command) {
        return one.davit({"-f", "two.yaml", "exec", "-T", "guest", "sh", "-c", command + " 2>&1"})
            .out;
    };
    const std::string web = address(one, "web", "eth1");
    CHECK(eventually([&] { return contains(guest(fetch(web, 2)), "I am web"); }));
    CHECK_FALSE(contains(guest(fetch(aside, 1)), "I am"));
    CHECK_FALSE(contains(guest(fetch(quiet, 1)), "I am"));
    CHECK(no_way(one, "quiet", aside));
    CHECK(no_way(one, "aside", quiet));
    // A network with a guest on it stays.
    const Outcome down = one.davit({"down"});
    CHECK(down.status != 0);
    CHECK(
        contains(down.err + down.out, "in use by containers of other projects (dt-netb-guest-1)"));
    one.davit_ok({"-f", "two.yaml", "down"});
    one.davit_ok({"down"});
}

TEST_CASE("mistakes about networks are told before anything is made [ns]") {
    const Sandbox box("dt-netx");
    box.load_busybox();
    struct Case {
        const char* service;
        const char* networks;
        const char* words;
    };
    const Case cases[] = {
        {"    networks: [n]\n", "{n: {external: true, name: nowhere}}",
         "external network 'nowhere' does not exist"},
        {"    networks: {n: {ipv4_address: 10.78.0.5}}\n", "{n: {}}",
         "network 'n' has no subnet in the file"},
        {"    networks: {n: {ipv4_address: 10.78.1.5}}\n",
         "{n: {ipam: {config: [{subnet: 10.78.0.0/24}]}}}",
         "10.78.1.5 is not in the subnet of network 'n' (10.78.0.0/24)"},
        {"    networks: {n: {ipv4_address: 10.78.0.1}}\n",
         "{n: {ipam: {config: [{subnet: 10.78.0.0/24}]}}}", "address 10.78.0.1 of network"},
        {"    networks: [n]\n",
         "{n: {ipam: {config: [{subnet: 10.78.0.0/24, gateway: 10.9.0.1}]}}}",
         "10.9.0.1 is not in the subnet 10.78.0.0/24"},
        {"    networks: {n: {interface_name: a}, default: {interface_name: a}}\n", "{n: {}}",
         "two interfaces would be called 'a'"},
        {"    networks: [n]\n", "{n: {ipam: {config: [{subnet: 127.0.0.0/16}]}}}",
         "subnet 127.0.0.0/16 overlaps 127.0.0."},
    };
    const std::string before = box.world();
    for (const Case& c : cases) {
        CAPTURE(c.words);
        box.compose("services:\n" + server("web", c.service) + "networks: " + c.networks + "\n");
        const Outcome up = box.davit({"up", "-d"});
        CHECK(up.status != 0);
        CHECK_MESSAGE(contains(up.err, c.words), up.err);
        CHECK(contains(up.err, "compose.yaml:"));
        CHECK(box.world() == before);
    }
}
