#include "network/conntrack.h"

#include "tests/network/lab.h"

#include <doctest/doctest.h>
#include <poll.h>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

// What becomes of UDP flows when a published port leads elsewhere.

namespace {

UniqueFd mailbox(const UniqueFd& netns, std::uint16_t port) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = davit::testing::socket_address("0.0.0.0", port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return {};
    return fd;
}

bool arrives(const UniqueFd& from, const char* ip, std::uint16_t port, const UniqueFd& box,
             int timeout_ms) {
    const sockaddr_in to = davit::testing::socket_address(ip, port);
    if (::sendto(from.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 1)
        return false;
    pollfd waiting{box.get(), POLLIN, 0};
    char got = 0;
    return ::poll(&waiting, 1, timeout_ms) == 1 && ::recv(box.get(), &got, 1, 0) == 1;
}

RulePort published(const char* target) {
    return {.protocol = "udp", .host_port = 5353, .target = *parse_ip(target), .target_port = 53};
}

}  // namespace

TEST_CASE("a UDP flow follows its port to another container once it is forgotten [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        Ruleset rules = Lab::rules();
        rules.ports.push_back(published("172.17.0.2"));
        if (!load(rules)) return 2;
        const UniqueFd first = mailbox(lab.c1, 53);
        const UniqueFd second = mailbox(lab.c2, 53);
        const UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const sockaddr_in own = davit::testing::socket_address("127.0.0.1", 40001);
        if (::bind(client.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
            return 3;
        if (!arrives(client, "127.0.0.1", 5353, first, 2000)) return 4;
        rules.ports.back() = published("172.17.0.3");
        if (!load(rules)) return 5;
        // Shows that it would go on to the first.
        if (!arrives(client, "127.0.0.1", 5353, first, 2000)) return 6;
        const Result<std::size_t> forgotten = forget_udp_flows({rules.ports.back()});
        if (!forgotten) {
            std::fprintf(stderr, "%s\n", forgotten.error().to_string().c_str());
            return 7;
        }
        if (*forgotten != 1) return 9;
        if (!arrives(client, "127.0.0.1", 5353, second, 2000)) return 10;
        // The flow leads where it should: it stays.
        const Result<std::size_t> again = forget_udp_flows({rules.ports.back()});
        return again && *again == 0 ? 0 : 11;
    });
}

TEST_CASE("flows that pass through and those of other protocols are not forgotten [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !lab.add_lan()) return 1;
        if (!load(Lab::rules())) return 2;
        const UniqueFd far = mailbox(lab.lan, 5353);
        const UniqueFd near = mailbox(lab.c1, 40002);
        if (!arrives(near, "192.0.2.9", 5353, far, 2000)) return 3;
        const Result<std::size_t> forgotten = forget_udp_flows({published("172.17.0.2")});
        if (!forgotten || *forgotten != 0) return 4;
        RulePort tcp = published("172.17.0.2");
        tcp.protocol = "tcp";
        const Result<std::size_t> none = forget_udp_flows({tcp});
        return none && *none == 0 ? 0 : 5;
    });
}
