#include "tests/network/forge.h"
#include "tests/network/lab.h"

#include <atomic>
#include <doctest/doctest.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <thread>

using namespace davit;
using namespace davit::network;
using namespace davit::network::testing;

// What the rules do to packets; their text is tested in ruleset_test.cpp.

namespace {

bool passes(const UniqueFd& from, const UniqueFd& to) {
    char got = 0;
    pollfd waiting{to.get(), POLLIN, 0};
    return ::write(from.get(), "x", 1) == 1 && ::poll(&waiting, 1, 2000) == 1 &&
           ::read(to.get(), &got, 1) == 1 && got == 'x';
}

}  // namespace

TEST_CASE("a published port answers at every address of the host and to its neighbours [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        if (!reaches("127.0.0.1", 8080, lab.web)) return 2;
        if (!reaches("172.17.0.1", 8080, lab.web)) return 3;
        if (!reaches_from(lab.c2, "172.17.0.1", 8080, lab.web)) return 4;
        if (!reaches_from(lab.c1, "172.17.0.1", 8080, lab.web)) return 5;  // hairpin
        if (!reaches_from(lab.c3, "172.18.0.1", 8080, lab.web)) return 6;  // from another network
        return 0;
    });
}

TEST_CASE("a port published on one address answers there alone [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        if (!reaches("127.0.0.1", 9090, lab.other)) return 2;
        return reaches("172.17.0.1", 9090, lab.other, 300) ? 3 : 0;
    });
}

TEST_CASE("networks don't reach each other directly [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        return reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 500) ? 2 : 0;
    });
}

TEST_CASE("without the table the networks would reach each other [ns]") {
    // Shows that the test above can fail.
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !load({})) return 1;
        return reaches_from(lab.c1, "172.18.0.2", 80, lab.other, 1000) ? 0 : 2;
    });
}

TEST_CASE("loading the same rules again keeps everything working [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !load(Lab::rules()) || !load(Lab::rules())) return 1;
        return reaches("127.0.0.1", 8080, lab.web) ? 0 : 2;
    });
}

TEST_CASE("another machine reaches published ports and nothing else [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !lab.add_lan()) return 1;
        if (!reaches_from(lab.lan, "192.0.2.1", 8080, lab.web)) return 2;
        if (reaches_from(lab.lan, "172.17.0.2", 80, lab.web, 300)) return 3;     // published
        if (reaches_from(lab.lan, "172.18.0.2", 80, lab.other, 300)) return 4;   // on 127.0.0.1
        if (reaches_from(lab.lan, "192.0.2.1", 9090, lab.other, 300)) return 5;  // on 127.0.0.1
        if (!load({})) return 6;  // shows that the packets would have come
        return reaches_from(lab.lan, "172.17.0.2", 80, lab.web) ? 0 : 7;
    });
}

TEST_CASE("traffic that passes through is not taken for a published port [ns]") {
    // CVE-2025-67499: a port map without a look at the destination address.
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up() || !lab.add_lan()) return 1;
        const UniqueFd remote = new_netns();
        if (!done(ensure_bridge(bridge("lan1", "198.51.100.1/24"))) ||
            !done(attach(remote, {attachment("lan1", "lan-2", "198.51.100.9/24", "198.51.100.1")})))
            return 2;
        const UniqueFd far = listen_in(remote, 8080);
        if (!reaches_from(lab.lan, "198.51.100.9", 8080, far)) return 3;
        return reaches_from(lab.c1, "198.51.100.9", 8080, far) ? 0 : 4;  // the way out
    });
}

TEST_CASE("a connection lives on while the rules are replaced [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const sockaddr_in address = davit::testing::socket_address("127.0.0.1", 8080);
        if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address))
            return 2;
        const UniqueFd server(::accept4(lab.web.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Ruleset fewer = Lab::rules();
        fewer.ports.clear();
        if (!load(Lab::rules()) || !load(fewer)) return 3;
        return passes(client, server) && passes(server, client) ? 0 : 4;
    });
}

TEST_CASE("there is no moment without rules while they are replaced [ns]") {
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        const UniqueFd inbox = udp_in(lab.c3);
        const UniqueFd outbox = udp_in(lab.c1);
        const sockaddr_in inbox_address = davit::testing::socket_address("172.18.0.2", 5000);
        if (!bind_any(inbox, 5000)) return 2;
        const auto send_one = [&] {
            (void)::sendto(outbox.get(), "x", 1, MSG_DONTWAIT,
                           reinterpret_cast<const sockaddr*>(&inbox_address), sizeof inbox_address);
        };
        std::atomic<bool> stop{false};
        std::thread sender([&] {
            while (!stop) send_one();
        });
        bool loaded = true;
        for (int i = 0; i < 25; ++i) loaded = loaded && load(Lab::rules());
        stop = true;
        sender.join();
        if (!loaded) return 3;
        if (has_mail(inbox, 50)) return 4;
        if (!load({})) return 5;  // shows that the packets would have come
        send_one();
        return has_mail(inbox, 2000) ? 0 : 6;
    });
}

TEST_CASE("a container does not reach services on the host's loopback [ns]") {
    // CVE-2020-8558: what route_localnet lets in without the rule.
    IN_OWN_NAMESPACES([] {
        Lab lab;
        if (!lab.up()) return 1;
        const UniqueFd service = udp_in(*sys::open("/proc/thread-self/ns/net", O_RDONLY));
        if (!bind_any(service, 6000)) return 2;
        if (!forge_packet(lab.c1, "172.17.0.2", "127.0.0.1", 6000)) return 3;
        if (has_mail(service, 300)) return 4;
        if (!load({})) return 5;  // shows that the packet would have come
        if (!forge_packet(lab.c1, "172.17.0.2", "127.0.0.1", 6000)) return 6;
        return has_mail(service, 2000) ? 0 : 7;
    });
}

TEST_CASE("the rules load on a machine that knows no protocol by name [ns]") {
    // Debian without the package netbase has no /etc/protocols.
    IN_OWN_NAMESPACES([] {
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 1;
        for (const char* file : {"/etc/protocols", "/etc/services"})
            if (::access(file, F_OK) == 0 &&
                ::mount("/dev/null", file, nullptr, MS_BIND, nullptr) != 0)
                return 2;
        if (::getprotobyname("tcp") != nullptr) return 3;
        Ruleset rules = Lab::rules();
        rules.networks.push_back(
            {.bridge = "dvb-i", .subnets = {*parse_cidr("172.19.0.0/16")}, .internal = true});
        for (const char* protocol : {"udp", "sctp"})
            rules.ports.push_back({.protocol = protocol,
                                   .host_port = 53,
                                   .target = *parse_ipv4("172.17.0.2"),
                                   .target_port = 53});
        return load(rules) ? 0 : 4;
    });
}

TEST_CASE("without a free descriptor loading rules is an error and not the end [ns]") {
    // libnftables calls exit where it gets no socket.
    IN_OWN_NAMESPACES([] {
        if (!load(Lab::rules())) return 1;
        const int lowest_free = ::dup(0);
        ::close(lowest_free);
        const auto limit = static_cast<rlim_t>(lowest_free);
        const rlimit none{limit, limit};
        if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return 2;
        const Result<void> loaded = apply(Lab::rules());
        return !loaded && loaded.error().error_number() == EMFILE ? 0 : 3;
    });
}

TEST_CASE("rules that the user may not load are refused as forbidden [ns]") {
    IN_OWN_NAMESPACES([] {
        if (!load(Lab::rules()) || ::unshare(CLONE_NEWUSER) != 0) return 1;
        const Result<void> loaded = apply(Lab::rules());
        return !loaded && loaded.error().kind() == ErrorKind::PermissionDenied ? 0 : 2;
    });
}
