#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"
#include "tests/system/machines.h"
#include "tests/system/network_services.h"

#include <algorithm>
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

using namespace davit;
using davit::testing::ask_all;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Machine;
using davit::testing::Probe;
using davit::testing::Responder;
using davit::testing::Sandbox;

// Who reaches whom: every way to a container, for TCP and UDP of both families, at every time of
// its life.

namespace {

/// The host's addresses on a cable to another machine, which has .9.
constexpr const char* kHost[] = {"192.0.2.1", "2001:db8:1::1"};
constexpr const char* kOther[] = {"192.0.2.9", "2001:db8:1::9"};
constexpr const char* kLoopback[] = {"127.0.0.1", "::1"};

/// Published: on all addresses, on loopback alone, of an internal network.
constexpr std::uint16_t kPublished = 18500;
constexpr std::uint16_t kLocal = 18501;
constexpr std::uint16_t kInternal = 18502;

constexpr const char* kFile = R"(services:
  web:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [front]
    ports:
      - "18500:80"
      - "18500:80/udp"
      - "127.0.0.1:18501:80"
      - "127.0.0.1:18501:80/udp"
      - "[::1]:18501:80"
      - "[::1]:18501:80/udp"
  peer: {image: "local/busybox:1", command: sleep 1000, stop_signal: SIGKILL, networks: [front]}
  stranger: {image: "local/busybox:1", command: sleep 1000, stop_signal: SIGKILL, networks: [back]}
  quiet:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [closed]
    ports: ["18502:80", "18502:80/udp"]
  hush: {image: "local/busybox:1", command: sleep 1000, stop_signal: SIGKILL, networks: [closed]}
networks:
  front: {enable_ipv6: true}
  back: {enable_ipv6: true}
  closed: {enable_ipv6: true, internal: true}
)";

/// Where questions go: an address, as "WHOSE:port" says it.
struct Row {
    const char* from;
    const char* to;
    const char* answers;  ///< "NAME PORT", or "" where there must be no way.
};

constexpr Row kRows[] = {
    // The host itself.
    {"host", "loopback:18500", "web 80"},
    {"host", "host:18500", "web 80"},
    {"host", "gateway of web:18500", "web 80"},
    {"host", "loopback:18501", "web 80"},
    {"host", "host:18501", ""},
    {"host", "loopback:81", ""},
    {"host", "host:81", ""},
    {"host", "loopback:18502", ""},
    {"host", "host:18502", ""},
    {"host", "web:80", "web 80"},
    {"host", "web:81", "web 81"},
    {"host", "quiet:80", "quiet 80"},
    {"host", "other:80", "other 80"},
    // Another machine, which sends what is for the containers' addresses to this host.
    {"other", "host:18500", "web 80"},
    {"other", "host:18501", ""},
    {"other", "host:18502", ""},
    {"other", "host:81", ""},
    {"other", "web:80", ""},
    {"other", "web:81", ""},
    {"other", "stranger:80", ""},
    {"other", "quiet:80", ""},
    // The container that publishes, by the host (hairpin) and by its own address.
    {"web", "host:18500", "web 80"},
    {"web", "gateway of web:18500", "web 80"},
    {"web", "web:80", "web 80"},
    {"web", "host:18501", ""},
    {"web", "host:81", ""},
    {"web", "stranger:80", ""},
    {"web", "quiet:80", ""},
    {"web", "host:18502", ""},
    {"web", "other:80", "other 80"},
    {"web", "gateway of web:18503", "host 18503"},
    // Another container of the same network.
    {"peer", "host:18500", "web 80"},
    {"peer", "gateway of web:18500", "web 80"},
    {"peer", "web:80", "web 80"},
    {"peer", "web:81", "web 81"},
    {"peer", "host:18501", ""},
    {"peer", "quiet:80", ""},
    // One of another network.
    {"stranger", "host:18500", "web 80"},
    {"stranger", "gateway of stranger:18500", "web 80"},
    {"stranger", "web:80", ""},
    {"stranger", "web:81", ""},
    {"stranger", "quiet:80", ""},
    {"stranger", "host:18502", ""},
    // An internal network: its own containers, and nothing else.
    {"quiet", "hush:80", "hush 80"},
    {"quiet", "host:18500", ""},
    {"quiet", "gateway of quiet:18500", ""},
    {"quiet", "gateway of quiet:18503", ""},
    {"quiet", "host:18503", ""},
    {"quiet", "web:80", ""},
    {"quiet", "other:80", ""},
};

class Matrix {
public:
    explicit Matrix(const Sandbox& box) : box_(box) {
        machines_.emplace("host", Machine::here());
        machines_.emplace("other", Machine::alone());
        const Machine& other = machines_.at("other");
        const std::string commands[] = {
            "ip link add wire0 type veth peer name eth0 netns " + other.path(),
            fmt::format("ip addr add {}/24 dev wire0", kHost[0]),
            fmt::format("ip addr add {}/64 dev wire0 nodad", kHost[1]), "ip link set wire0 up"};
        for (const std::string& command : commands) machines_.at("host").run(command);
        other.run(fmt::format("ip addr add {}/24 dev eth0", kOther[0]));
        other.run(fmt::format("ip addr add {}/64 dev eth0 nodad", kOther[1]));
        other.run("ip link set eth0 up");
        other.run(fmt::format("ip route add default via {}", kHost[0]));
        other.run(fmt::format("ip -6 route add default via {}", kHost[1]));
        responder_.serve(other, "other", 80);
        responder_.serve(machines_.at("host"), "host", 18503);
    }
    ~Matrix() { (void)davit::testing::run({.argv = {"ip", "link", "delete", "wire0"}}); }
    Matrix(const Matrix&) = delete;
    Matrix& operator=(const Matrix&) = delete;

    /// After the containers have got other namespaces.
    void find_containers() {
        responder_.forget_all();
        responder_.serve(machines_.at("other"), "other", 80);
        responder_.serve(machines_.at("host"), "host", 18503);
        for (const char* name : {"web", "peer", "stranger", "quiet", "hush"}) {
            const std::string container = fmt::format("{}-{}-1", box_.project(), name);
            machines_.erase(name);
            const Machine& machine =
                machines_
                    .emplace(name, Machine::of_process(box_.inspect(container, "{{.State.Pid}}")))
                    .first->second;
            for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{81}})
                responder_.serve(machine, name, port);
            for (const bool v6 : {false, true}) addresses_[v6][name] = address_in(machine, v6);
            for (const bool v6 : {false, true})
                addresses_[v6][std::string("gateway of ") + name] =
                    gateway_of(addresses_[v6][name]);
        }
        for (const bool v6 : {false, true}) {
            addresses_[v6]["host"] = kHost[v6];
            addresses_[v6]["other"] = kOther[v6];
            addresses_[v6]["loopback"] = kLoopback[v6];
        }
    }

    /// Asks every question of the table; what is not as it has to be, a line each.
    std::string differences() {
        std::vector<Probe> probes;
        std::vector<const Row*> rows;
        for (const Row& row : kRows) {
            for (const bool v6 : {false, true}) {
                for (const bool udp : {false, true}) {
                    probes.push_back(probe_of(row, v6, udp));
                    rows.push_back(&row);
                }
            }
        }
        answers_ = ask_all(machines_, probes, 700);
        std::string all;
        for (std::size_t i = 0; i < probes.size(); ++i) {
            const std::string wanted = rows[i]->answers;
            std::string& got = answers_[i];
            // An answer may be late, and a datagram lost, on a busy machine; a way that must not be
            // is no accident.
            for (int again = 0; got.empty() && !wanted.empty() && again < 5; ++again)
                got = ask_all(machines_, {probes[i]}, 1000).front();
            if (wanted.empty() ? got.empty() : got.starts_with(wanted + " ")) continue;
            all += fmt::format("{} -> {} ({} {}): '{}' and not '{}'\n", rows[i]->from, rows[i]->to,
                               probes[i].udp ? "udp" : "tcp", probes[i].ip, got, wanted);
        }
        return all;
    }

    /// As whom `from` is seen that asks at the host's address.
    std::string seen_as(const std::string& from, bool v6, bool udp) {
        const Probe probe{from, kHost[v6], kPublished, udp};
        std::string answer;
        (void)eventually([&] {
            answer = ask_all(machines_, {probe}, 1000).front();
            return !answer.empty();
        });
        return answer.substr(answer.rfind(' ') + 1);
    }

private:
    Probe probe_of(const Row& row, bool v6, bool udp) const {
        const std::string to = row.to;
        const std::size_t colon = to.rfind(':');
        return {row.from, addresses_[v6].at(to.substr(0, colon)),
                static_cast<std::uint16_t>(parse_integer(to.substr(colon + 1)).value_or(0)), udp};
    }

    static std::string address_in(const Machine& machine, bool v6) {
        const std::string text =
            machine.run(fmt::format("ip -o {} addr show dev eth0 scope global", v6 ? "-6" : "-4"));
        const std::string word = v6 ? "inet6 " : "inet ";
        const std::size_t at = text.find(word) + word.size();
        return text.substr(at, text.find('/', at) - at);
    }
    /// The first address of the subnet: a /16, as in the pools of a host without other networks,
    /// and a /64.
    static std::string gateway_of(const std::string& ip) {
        in6_addr six{};
        if (::inet_pton(AF_INET6, ip.c_str(), &six) == 1) {
            std::fill(six.s6_addr + 8, six.s6_addr + 15, std::uint8_t{0});
            six.s6_addr[15] = 1;
            char text[INET6_ADDRSTRLEN] = {};
            return ::inet_ntop(AF_INET6, &six, text, sizeof text);
        }
        const std::vector<std::string> parts = split(ip, '.');
        return fmt::format("{}.{}.0.1", parts.at(0), parts.at(1));
    }

    const Sandbox& box_;
    std::map<std::string, Machine> machines_;
    std::map<std::string, std::string> addresses_[2];
    std::vector<std::string> answers_;
    Responder responder_;
};

/// Of the table that is made anew; the fence has rules like these all the time.
std::string rules() {
    return davit::testing::run({.argv = {"nft", "list", "table", "inet", "davit"}}).out;
}

/// Keeps the guards from loading the rules again, until the end of the scope.
class NobodyHeals {
public:
    explicit NobodyHeals(const Sandbox& box)
        : lock_(*sys::open(box.run_root() + "/rules.lock", O_RDWR | O_CREAT | O_CLOEXEC)) {
        REQUIRE(::flock(lock_.get(), LOCK_EX) == 0);
    }

private:
    UniqueFd lock_;
};

}  // namespace

TEST_CASE("every way to a container is there or is not as the file says [ns]") {
    const Sandbox box("dt-matrix");
    box.load_busybox();
    box.compose(kFile);
    Matrix matrix(box);
    box.davit_ok({"up", "-d"});
    matrix.find_containers();
    CHECK(matrix.differences() == "");
    // Who comes from elsewhere is seen as who he is.
    for (const bool v6 : {false, true})
        for (const bool udp : {false, true}) CHECK(matrix.seen_as("other", v6, udp) == kOther[v6]);

    {
        INFO("while all rules are gone");
        const NobodyHeals lock(box);
        REQUIRE(davit::testing::run({.argv = {"nft", "flush", "ruleset"}}).status == 0);
        CHECK(matrix.differences() == "");
    }
    CHECK(eventually([] { return contains(rules(), "oifname @br drop"); }));
    {
        INFO("when they are back");
        CHECK(matrix.differences() == "");
    }
    box.davit_ok({"restart", "-t", "0"});
    matrix.find_containers();
    {
        INFO("after a restart");
        CHECK(matrix.differences() == "");
    }
    box.davit_ok({"up", "-d", "--force-recreate", "-t", "0"});
    matrix.find_containers();
    {
        INFO("after all have been made anew");
        CHECK(matrix.differences() == "");
    }
    if (write_in_place("/proc/sys/net/bridge/bridge-nf-call-iptables", "1", 0644) &&
        write_in_place("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1", 0644)) {
        INFO("where the kernel shows bridged packets to the rules");
        CHECK(matrix.differences() == "");
    }
    box.davit_ok({"down"});
}
