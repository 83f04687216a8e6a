#include "base/file.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/tcp.h"
#include "tests/support/text.h"
#include "tests/system/network_services.h"

#include <atomic>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <thread>

using namespace davit;
using davit::testing::address;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::fetch;
using davit::testing::fetches;
using davit::testing::Outcome;
using davit::testing::said;
using davit::testing::Sandbox;
using davit::testing::server;

// Networks as their users see them; the packets' ways are tested in tests/network.

namespace {

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

namespace {

/// What dig, in the network namespace of the container, gets from its name server.
std::string dig(const Sandbox& box, const std::string& container, std::vector<std::string> words) {
    std::vector<std::string> argv = {
        "nsenter", "-n",          "-t",       box.inspect(container, "{{.State.Pid}}"),
        "dig",     "@127.0.0.11", "+tries=1", "+time=5"};
    argv.insert(argv.end(), words.begin(), words.end());
    return std::string(trim(davit::testing::run({.argv = std::move(argv)}).out));
}

/// A name server of the host that knows 192.0.2.7 for every name, until the end of the scope.
class FakeServer {
public:
    explicit FakeServer(const std::string& ip)
        : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const sockaddr_in address = davit::testing::socket_address(ip, 53);
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        thread_ = std::thread([this] {
            while (!stop_) answer_one();
        });
    }
    ~FakeServer() {
        stop_ = true;
        thread_.join();
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    int asked() const { return asked_; }

private:
    void answer_one() {
        pollfd waiting{fd_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 50) != 1) return;
        char buffer[1024];
        sockaddr_in from{};
        socklen_t length = sizeof from;
        const ssize_t got = ::recvfrom(fd_.get(), buffer, sizeof buffer, 0,
                                       reinterpret_cast<sockaddr*>(&from), &length);
        if (got < 17) return;
        ++asked_;
        std::string packet(buffer, static_cast<std::size_t>(got));
        std::size_t end = 12;
        while (packet[end] != 0) end += static_cast<unsigned char>(packet[end]) + 1U;
        packet.resize(end + 5);
        packet[2] = static_cast<char>(0x81);
        packet[7] = 1;
        packet[9] = packet[11] = 0;
        packet += std::string("\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\7", 16);
        (void)::sendto(fd_.get(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&from), length);
    }
    UniqueFd fd_;
    std::atomic<bool> stop_{false};
    std::atomic<int> asked_{0};
    std::thread thread_;
};

/// /etc/resolv.conf of the host, in this test's mount namespace, until the end of the scope.
class HostResolver {
public:
    HostResolver(const Sandbox& box, const std::string& text)
        : path_(box.folder() + "/resolv.conf") {
        box.write("resolv.conf", text);
        REQUIRE(::mount(path_.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0);
    }
    ~HostResolver() { ::umount2("/etc/resolv.conf", MNT_DETACH); }
    HostResolver(const HostResolver&) = delete;
    HostResolver& operator=(const HostResolver&) = delete;

private:
    std::string path_;
};

}  // namespace

TEST_CASE("names are answered in each container and others are asked of the host's servers [ns]") {
    if (davit::testing::run({.argv = {"dig", "-v"}}).status != 0) SKIP_TEST("there is no dig");
    const Sandbox box("dt-dns");
    box.load_busybox();
    const HostResolver resolver(
        box, "nameserver 127.0.0.52\nnameserver 127.0.0.53\nsearch corp.example\n");
    box.compose(
        "services:\n" +
        server("web",
               "    hostname: webhost\n    networks: {default: {aliases: [Www]}}\n"
               "    links: [\"db:database\"]\n    extra_hosts: [\"up=host-gateway\"]\n"
               "    depends_on: [db]\n") +
        server("db", "    networks: {default: {ipv4_address: 10.79.0.9}, closed: {}}\n") +
        server("lone", "    networks: [closed]\n") + server("own", "    expose: [\"53\"]\n") +
        server("asks", "    dns: [10.79.0.1]\n") +
        "networks: {default: {ipam: {config: [{subnet: 10.79.0.0/24}]}}, closed: {internal: "
        "true}}\n");
    box.davit_ok({"up", "-d"});
    const std::string web = "dt-dns-web-1";
    CHECK(dig(box, web, {"+short", "db"}) == "10.79.0.9");
    for (const char* name : {"DB", "dt-dns-db-1", "db.dt-dns_default", "database"})
        CHECK_MESSAGE(dig(box, web, {"+short", name}) == "10.79.0.9", name);
    CHECK(dig(box, web, {"+short", "+tcp", "db"}) == "10.79.0.9");
    for (const char* name : {"www", "webhost", "web"})
        CHECK_MESSAGE(dig(box, "dt-dns-db-1", {"+short", name}).starts_with("10.79.0."), name);
    CHECK(dig(box, web, {"+short", "-x", "10.79.0.9"}) == "dt-dns-db-1.dt-dns_default.");
    CHECK(dig(box, web, {"+short", "host.docker.internal"}) == "10.79.0.1");
    const std::string none = dig(box, web, {"AAAA", "db"});
    CHECK(contains(none, "status: NOERROR"));
    CHECK(contains(none, "ANSWER: 0"));
    CHECK(
        contains(dig(box, web, {"database.corp.example"}), "status: SERVFAIL"));  // nobody is there
    const std::string file = said(box, "web", "cat /etc/resolv.conf /etc/hosts");
    CHECK(contains(file, "nameserver 127.0.0.11\nsearch corp.example\noptions ndots:0\n"));
    CHECK(contains(file, "10.79.0.1\tup"));
    CHECK(fetches(box, "web", "database", "I am db"));

    {
        // The second server answers where the first is not there.
        const FakeServer world("127.0.0.53");
        CHECK(dig(box, web, {"+short", "example.org"}) == "192.0.2.7");
        CHECK(world.asked() == 1);
        CHECK(contains(dig(box, "dt-dns-lone-1", {"example.org"}), "status: NXDOMAIN"));
        CHECK(world.asked() == 1);
        // A change of the host's file is followed.
        const FakeServer other("127.0.0.54");
        box.write("resolv.conf", "nameserver 127.0.0.54\n");
        CHECK(dig(box, web, {"+short", "example.net"}) == "192.0.2.7");
        CHECK(other.asked() == 1);
    }

    {
        // A service may name a server of its own.
        const FakeServer named("10.79.0.1");
        CHECK(dig(box, "dt-dns-asks-1", {"+short", "example.com"}) == "192.0.2.7");
        CHECK(named.asked() == 1);
        CHECK(dig(box, "dt-dns-asks-1", {"+short", "db"}) == "10.79.0.9");
    }

    // A container that serves names itself may have port 53, and is answered all the same.
    const auto listen = davit::testing::run(
        {.argv = {"nsenter", "-n", "-t", box.inspect("dt-dns-own-1", "{{.State.Pid}}"), "timeout",
                  "1", "busybox", "nc", "-l", "-p", "53"}});
    CHECK_MESSAGE(!contains(listen.err, "in use"), listen.err);
    CHECK(dig(box, "dt-dns-own-1", {"+short", "db"}) == "10.79.0.9");
    CHECK(dig(box, "dt-dns-own-1", {"+short", "+tcp", "db"}) == "10.79.0.9");

    // Who has stopped has no name any more; who comes back has it again.
    box.davit_ok({"stop", "db", "-t", "0"});
    CHECK(contains(dig(box, web, {"db"}), "ANSWER: 0"));
    box.davit_ok({"up", "-d"});
    CHECK(dig(box, web, {"+short", "db"}) == "10.79.0.9");
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
