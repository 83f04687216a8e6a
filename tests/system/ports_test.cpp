#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/tcp.h"
#include "tests/support/text.h"
#include "tests/system/machines.h"
#include "tests/system/network_services.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::ask_all;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Machine;
using davit::testing::Outcome;
using davit::testing::Probe;
using davit::testing::Responder;
using davit::testing::Sandbox;

// Published ports: who has them, what is said of them, and who passes them on.

namespace {

std::string sleeper(const std::string& name, const std::string& keys) {
    return fmt::format(
        "  {}:\n    image: local/busybox:1\n    command: sleep 1000\n    stop_signal: "
        "SIGKILL\n{}",
        name, keys);
}

/// A socket of this test that has a port of the host.
UniqueFd take_port(int family, const char* ip, std::uint16_t port, bool udp) {
    UniqueFd fd(::socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET)
        ::inet_pton(family, ip, &v4->sin_addr);
    else
        ::inet_pton(family, ip, &v6->sin6_addr);
    v4->sin_port = htons(port);  // stands where sin6_port does
    const socklen_t length = family == AF_INET ? sizeof *v4 : sizeof *v6;
    const int on = 1;
    if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    if (!udp) REQUIRE(::listen(fd.get(), 1) == 0);
    return fd;
}

/// Another machine at the end of a cable, 192.0.2.9; this host has 192.0.2.1.
class Other {
public:
    Other() : machine_(Machine::alone()) {
        const Machine host = Machine::here();
        host.run("ip link add wire0 type veth peer name eth0 netns " + machine_.path());
        host.run("ip addr add 192.0.2.1/24 dev wire0");
        host.run("ip link set wire0 up");
        for (const char* words : {"ip addr add 192.0.2.9/24 dev eth0", "ip link set eth0 up",
                                  "ip route add default via 192.0.2.1"})
            machine_.run(words);
    }
    ~Other() { (void)davit::testing::run({.argv = {"ip", "link", "delete", "wire0"}}); }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;

    const Machine& machine() const { return machine_; }

private:
    Machine machine_;
};

/// The answer at an address of the host, "" where there is none.
std::string ask(const Machine& from, const std::string& ip, std::uint16_t port, bool udp,
                int patience_ms = 1000) {
    std::map<std::string, Machine> machines;
    machines.emplace("from", from.again());
    return ask_all(machines, {Probe{"from", ip, port, udp}}, patience_ms).front();
}

bool answers(const Machine& from, const std::string& ip, std::uint16_t port, bool udp,
             const std::string& words) {
    return eventually([&] { return ask(from, ip, port, udp).starts_with(words); });
}

Machine machine_of(const Sandbox& box, const std::string& service) {
    return Machine::of_process(
        box.inspect(fmt::format("{}-{}-1", box.project(), service), "{{.State.Pid}}"));
}

}  // namespace

TEST_CASE("a port that somebody has is told before anything is stopped [ns]") {
    const Sandbox box("dt-taken");
    box.load_busybox();
    struct Case {
        const char* name;
        int family;
        const char* ip;
        bool udp;
        const char* port;  ///< That the file asks for.
        bool taken;
    };
    const Case cases[] = {
        {"all addresses", AF_INET, "0.0.0.0", false, "18611:80", true},
        {"one of them", AF_INET, "127.0.0.1", false, "18611:80", true},
        {"of IPv6", AF_INET6, "::1", false, "18611:80", true},
        {"the one asked for", AF_INET, "127.0.0.1", false, "127.0.0.1:18611:80", true},
        {"another one", AF_INET, "127.0.0.2", false, "127.0.0.1:18611:80", false},
        {"a datagram socket", AF_INET, "0.0.0.0", true, "18611:80/udp", true},
        {"of the other protocol", AF_INET, "0.0.0.0", true, "18611:80", false},
        {"one of a range", AF_INET, "0.0.0.0", false, "18611-18612:80", false},
    };
    const std::string usual = "services:\n" + sleeper("web", "    ports: [\"18610:80\"]\n");
    for (const Case& c : cases) {
        CAPTURE(c.name);
        box.compose(usual);
        box.davit_ok({"up", "-d"});
        const std::string pid = box.inspect("dt-taken-web-1", "{{.State.Pid}}");
        const UniqueFd other = take_port(c.family, c.ip, 18611, c.udp);
        box.compose("services:\n" + sleeper("web", fmt::format("    ports: [\"{}\"]\n", c.port)));
        const Outcome up = box.davit({"up", "-d"});
        if (!c.taken) {
            CHECK_MESSAGE(up.status == 0, up.err);
            continue;
        }
        CHECK(up.status == 1);
        CHECK_MESSAGE(contains(up.err, "port 18611/"), up.err);
        CHECK_MESSAGE(contains(up.err, fmt::format("pid {}, test_system", ::getpid())), up.err);
        CHECK(contains(up.err, "compose.yaml:7:"));
        CHECK(box.inspect("dt-taken-web-1", "{{.State.Pid}}") == pid);
    }
    box.davit_ok({"down"});
}

TEST_CASE("a port of another project is told with that project's name [ns]") {
    const Sandbox box("dt-holds");
    box.load_busybox();
    box.compose("services:\n" + sleeper("web", "    ports: [\"18613:80\"]\n"));
    box.davit_ok({"up", "-d"});
    struct Guest {
        const Sandbox& box;
        ~Guest() { (void)box.davit({"-f", "two.yaml", "down", "-t", "0"}); }
    } const cleaner{box};
    const std::string quiet = "name: dt-wants\nservices:\n" + sleeper("app", "");
    box.write("two.yaml", quiet);
    box.davit_ok({"-f", "two.yaml", "up", "-d"});
    const std::string pid = box.inspect("dt-wants-app-1", "{{.State.Pid}}");
    for (const char* port : {"18613:8000", "127.0.0.1:18613:8000"}) {
        CAPTURE(port);
        box.write("two.yaml", quiet + fmt::format("    ports: [\"{}\"]\n", port));
        const Outcome up = box.davit({"-f", "two.yaml", "up", "-d"});
        CHECK(up.status == 1);
        CHECK_MESSAGE(contains(up.err,
                               "port 18613/tcp is published by container "
                               "'dt-holds-web-1' of project 'dt-holds'"),
                      up.err);
        CHECK(box.inspect("dt-wants-app-1", "{{.State.Pid}}") == pid);
    }
    // Nor does a new service of the same project get it, and nothing has begun.
    box.compose("services:\n" + sleeper("late", "    ports: [\"18613:80\"]\n"));
    const Outcome same = box.davit({"up", "-d"});
    CHECK(same.status == 1);
    CHECK_MESSAGE(contains(same.err, "published by container 'dt-holds-web-1'"), same.err);
    CHECK_FALSE(contains(box.davit_ok({"-p", "dt-holds", "ps", "-a"}), "dt-holds-late-1"));
    box.davit_ok({"down", "--remove-orphans"});
    // Free again.
    box.davit_ok({"-f", "two.yaml", "up", "-d"});
}

TEST_CASE("up says from where each port is reachable [ns]") {
    const Sandbox box("dt-reach");
    box.load_busybox();
    box.compose("services:\n" +
                sleeper("web", "    ports: [\"18614:80\", \"127.0.0.1:18615:5432\"]\n") +
                sleeper("bound", "    networks: [local]\n    ports: [\"18616:22\"]\n") +
                sleeper("quiet", "    networks: [closed]\n    ports: [\"18617:80\"]\n") +
                "networks:\n  closed: {internal: true}\n"
                "  local: {driver_opts: {com.docker.network.bridge.host_binding_ipv4: "
                "127.0.0.1}}\n");
    for (int again = 0; again < 2; ++again) {
        const Outcome up = box.davit({"up", "-d"});
        REQUIRE_MESSAGE(up.status == 0, up.err);
        CHECK_MESSAGE(contains(up.err,
                               " web 18614/tcp: http://localhost:18614, from this host "
                               "and other machines\n"),
                      up.err);
        CHECK(contains(up.err, " web 18615/tcp: from this host alone\n"));
        CHECK(contains(up.err, " bound 18616/tcp: from this host alone\n"));
        CHECK(contains(up.err, " quiet: its ports are not published"));
    }
    CHECK(box.davit_ok({"port", "bound", "22"}) == "127.0.0.1:18616\n");
    // It is as it says.
    const Other other;
    Responder responder;
    responder.serve(machine_of(box, "bound"), "bound", 22);
    CHECK(answers(Machine::here(), "127.0.0.1", 18616, false, "bound 22"));
    CHECK(ask(other.machine(), "192.0.2.1", 18616, false, 500).empty());
    responder.forget_all();
    CHECK_FALSE(contains(box.davit({"--progress", "quiet", "up", "-d"}).err, "18614"));
    CHECK_FALSE(contains(box.davit({"--progress", "json", "up", "-d"}).err, "18614"));
    box.davit_ok({"down"});
}

TEST_CASE("with x-davit.publish relay the host's own rules decide [ns]") {
    const Sandbox box("dt-passed");
    box.load_busybox();
    box.compose("services:\n" +
                sleeper("web",
                        "    ports: [\"18618:80\", \"18618:80/udp\"]\n"
                        "    x-davit: {publish: relay}\n") +
                sleeper("other", "    ports: [\"18619:80\"]\n"));
    box.davit_ok({"up", "-d"});
    const Other other;
    const Machine host = Machine::here();
    Responder responder;
    responder.serve(machine_of(box, "web"), "web", 80);
    responder.serve(machine_of(box, "other"), "other", 80);
    for (const bool udp : {false, true}) {
        CAPTURE(udp);
        for (const char* ip : {"127.0.0.1", "::1", "192.0.2.1"})
            CHECK_MESSAGE(answers(host, ip, 18618, udp, "web 80"), ip);
        CHECK(answers(other.machine(), "192.0.2.1", 18618, udp, "web 80"));
        // The guard asks for others, from the gateway's address.
        CHECK(ask(other.machine(), "192.0.2.1", 18618, udp) == ask(host, "127.0.0.1", 18618, udp));
    }
    struct Firewall {
        Firewall() {
            REQUIRE(davit::testing::run({.argv = {"nft",
                                                  "table inet wall { chain input { type filter "
                                                  "hook input priority 0; iifname wire0 drop; }; "
                                                  "}"}})
                        .status == 0);
        }
        ~Firewall() {
            (void)davit::testing::run({.argv = {"nft", "delete", "table", "inet", "wall"}});
        }
    };
    {
        const Firewall firewall;
        for (const bool udp : {false, true})
            CHECK(ask(other.machine(), "192.0.2.1", 18618, udp, 500).empty());
        CHECK(answers(other.machine(), "192.0.2.1", 18619, false, "other 80"));
    }
    CHECK(answers(other.machine(), "192.0.2.1", 18618, false, "web 80"));
    responder.forget_all();
    box.davit_ok({"down"});
}

TEST_CASE("a flow of datagrams follows the container to another address [ns]") {
    const Sandbox box("dt-flow");
    box.load_busybox();
    const auto file = [&](const char* ip) {
        box.compose("services:\n" +
                    sleeper("web", fmt::format("    ports: [\"18620:80/udp\"]\n    networks: "
                                               "{{default: {{ipv4_address: {}}}}}\n",
                                               ip)) +
                    "networks: {default: {ipam: {config: [{subnet: 10.85.0.0/24}]}}}\n");
    };
    file("10.85.0.10");
    box.davit_ok({"up", "-d"});
    Responder responder;
    responder.serve(machine_of(box, "web"), "first", 80);
    // One socket for all: a client that goes on sending from its port.
    const UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = davit::testing::socket_address("127.0.0.1", 18620);
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    const auto asks = [&](const std::string& words) {
        return eventually([&] {
            char buffer[256];
            (void)::send(client.get(), "?", 1, MSG_DONTWAIT);
            pollfd waiting{client.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 200) != 1) return false;
            const ssize_t got = ::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            return got > 0 && std::string(buffer, static_cast<std::size_t>(got)).starts_with(words);
        });
    };
    CHECK(asks("first 80"));
    responder.forget_all();
    file("10.85.0.20");
    box.davit_ok({"up", "-d"});
    responder.serve(machine_of(box, "web"), "second", 80);
    CHECK(asks("second 80"));
    responder.forget_all();
    box.davit_ok({"down"});
}
