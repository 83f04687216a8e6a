#include "runtime/relay.h"

#include "base/sys.h"
#include "tests/support/own_namespaces.h"
#include "tests/support/skip.h"

#include <arpa/inet.h>
#include <csignal>
#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace davit;
using namespace davit::runtime;
using davit::testing::in_own_namespaces;

namespace {

bool loopback_up() {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    return ::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

UniqueFd connect_v4(std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1)
        return {};
    return fd;
}

/// Fails a check in a forked child with a number that says which.
#define NEED(condition) \
    if (!(condition)) return __LINE__ % 250 + 1

}  // namespace

TEST_CASE("the annotation of listening ports is decoded") {
    CHECK(parse_listen_ports("")->empty());
    const auto ports = parse_listen_ports(
        R"([{"protocol":"udp","host_ip":"10.0.0.1","host_port":53,"target_ip":"172.17.0.2","target_port":5353}])");
    REQUIRE(ports.ok());
    REQUIRE(ports->size() == 1);
    CHECK(ports->front().protocol == "udp");
    CHECK(ports->front().host_ip == "10.0.0.1");
    CHECK(ports->front().host_port == 53);
    CHECK(ports->front().target_ip == "172.17.0.2");
    CHECK(ports->front().target_port == 5353);
}

TEST_CASE("a broken annotation of listening ports is refused") {
    for (const char* text : {"{", "[{}]", R"([{"protocol":5}])", "[5]"}) {
        const auto ports = parse_listen_ports(text);
        REQUIRE_MESSAGE(!ports.ok(), text);
        CHECK(ports.error().kind() == ErrorKind::InvalidInput);
    }
}

TEST_CASE("a port that is taken names who has it [ns]") {
    const int status = in_own_namespaces([] {
        NEED(loopback_up());
        const auto held = bind_port({.protocol = "tcp", .host_ip = "", .host_port = 8080});
        NEED(held.ok());
        const auto second = bind_port({.protocol = "tcp", .host_ip = "", .host_port = 8080});
        NEED(!second.ok());
        NEED(second.error().kind() == ErrorKind::Busy);
        const std::string text = second.error().to_string();
        const std::string wanted = "port 8080/tcp on 0.0.0.0 is in use by pid " +
                                   std::to_string(::getpid()) + ", test_runtime";
        if (text != wanted) ::fprintf(stderr, "%s\n%s\n", text.c_str(), wanted.c_str());
        NEED(text == wanted);
        // Another protocol and another address are other ports.
        NEED(bind_port({.protocol = "udp", .host_ip = "", .host_port = 8080}).ok());
        NEED(bind_port({.protocol = "tcp", .host_ip = "127.0.0.1", .host_port = 8081}).ok());
        NEED(!bind_port({.protocol = "tcp", .host_ip = "127.0.0.1", .host_port = 8080}).ok());
        NEED(!bind_port({.protocol = "tcp", .host_ip = "nonsense", .host_port = 1}).ok());
        const auto elsewhere = bind_port({.protocol = "tcp", .host_ip = "9.9.9.9", .host_port = 1});
        NEED(!elsewhere.ok() && elsewhere.error().kind() != ErrorKind::Busy);
        const auto free = free_port("", "tcp");
        NEED(free.ok() && *free != 0 && *free != 8080);
        return 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces");
    CHECK(status == 0);
}

// UBSan opens a pipe to look at what an object is: without one it takes every object for broken.
#ifndef __SANITIZE_ADDRESS__
TEST_CASE("a connection that no descriptor is left for is closed at once [ns]") {
    const int status = in_own_namespaces([] {
        NEED(loopback_up());
        auto loop = EventLoop::create();
        auto relay = Relay::open({{"tcp", "127.0.0.1", 8000, "127.0.0.1", 9000}}, *loop);
        NEED(relay.ok());
        const pid_t client = ::fork();
        if (client == 0) {
            const UniqueFd one = connect_v4(8000);
            char c = 0;
            ::_exit(one && ::read(one.get(), &c, 1) == 0 ? 0 : 1);
        }
        const auto ended = sys::pidfd_open(client);
        NEED(ended.ok());
        NEED(loop->watch(ended->get(), EPOLLIN, [&](std::uint32_t) { loop->quit(); }).ok());
        // The lowest free number is the first that is not to be had.
        const auto free = static_cast<rlim_t>(UniqueFd(::dup(STDIN_FILENO)).get());
        const rlimit limit{free, free};
        NEED(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
        ::alarm(20);  // else it would turn for ever
        NEED(loop->run().ok());
        int how = 0;
        NEED(::waitpid(client, &how, 0) == client);
        NEED(WIFEXITED(how) && WEXITSTATUS(how) == 0);
        return 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces");
    CHECK(status == 0);
}
#endif

TEST_CASE("the relay carries both directions and their ends [ns]") {
    const int status = in_own_namespaces([] {
        NEED(loopback_up());
        auto target = bind_port({.protocol = "tcp", .host_ip = "127.0.0.1", .host_port = 9000});
        NEED(target.ok());
        // The container's program: says back what it hears, in capitals, until the end.
        const pid_t server = ::fork();
        if (server == 0) {
            UniqueFd one;
            while (!one) one.reset(::accept(target->front().get(), nullptr, nullptr));
            char c = 0;
            while (::read(one.get(), &c, 1) == 1) {
                c = static_cast<char>(c - 'a' + 'A');
                if (::write(one.get(), &c, 1) != 1) ::_exit(1);
            }
            if (::write(one.get(), "!", 1) != 1) ::_exit(1);
            ::_exit(0);
        }
        auto loop = EventLoop::create();
        auto relay = Relay::open({{"tcp", "127.0.0.1", 8000, "127.0.0.1", 9000}}, *loop);
        NEED(relay.ok());
        std::string heard;
        std::thread client([&] {
            const UniqueFd fd = connect_v4(8000);
            if (fd && ::write(fd.get(), "hello", 5) == 5 && ::shutdown(fd.get(), SHUT_WR) == 0) {
                char buffer[16];
                for (;;) {
                    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
                    if (got <= 0) break;
                    heard.append(buffer, static_cast<std::size_t>(got));
                }
            }
            loop->quit();
            (void)connect_v4(8000);  // wakes the loop up
        });
        NEED(loop->run().ok());
        client.join();
        int ended = 0;
        ::waitpid(server, &ended, 0);
        NEED(heard == "HELLO!");
        NEED(ended == 0);
        return 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces");
    CHECK(status == 0);
}

TEST_CASE("the relay carries datagrams of several clients and their answers [ns]") {
    const int status = in_own_namespaces([] {
        NEED(loopback_up());
        const auto target =
            bind_port({.protocol = "udp", .host_ip = "127.0.0.1", .host_port = 9000});
        NEED(target.ok());
        auto loop = EventLoop::create();
        auto relay = Relay::open({{"udp", "::1", 8000, "127.0.0.1", 9000}}, *loop);
        NEED(relay.ok());
        std::string heard[2];
        std::thread clients([&] {
            UniqueFd fds[2];
            sockaddr_in6 to{};
            to.sin6_family = AF_INET6;
            to.sin6_port = htons(8000);
            to.sin6_addr = in6addr_loopback;
            for (UniqueFd& fd : fds) {
                fd.reset(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
            }
            (void)!::write(fds[0].get(), "one", 3);
            (void)!::write(fds[1].get(), "two", 3);
            // The container's program: says back what it hears, and from whom it differs.
            for (int i = 0; i < 2; ++i) {
                char data[16];
                sockaddr_in from{};
                socklen_t length = sizeof from;
                const ssize_t got = ::recvfrom(target->front().get(), data, sizeof data, 0,
                                               reinterpret_cast<sockaddr*>(&from), &length);
                if (got < 0) {
                    pollfd waiting{target->front().get(), POLLIN, 0};
                    (void)::poll(&waiting, 1, 5000);
                    --i;
                    continue;
                }
                (void)::sendto(target->front().get(), data, static_cast<std::size_t>(got), 0,
                               reinterpret_cast<const sockaddr*>(&from), length);
            }
            for (int i = 0; i < 2; ++i) {
                char data[16];
                pollfd waiting{fds[i].get(), POLLIN, 0};
                if (::poll(&waiting, 1, 5000) != 1) continue;
                const ssize_t got = ::read(fds[i].get(), data, sizeof data);
                if (got > 0) heard[i].assign(data, static_cast<std::size_t>(got));
            }
            loop->quit();
            (void)!::write(fds[0].get(), "end", 3);  // wakes the loop up
        });
        NEED(loop->run().ok());
        clients.join();
        NEED(heard[0] == "one");
        NEED(heard[1] == "two");
        return 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces");
    CHECK(status == 0);
}

TEST_CASE("a stream that never pauses does not keep the guard from other work [ns]") {
    const int status = in_own_namespaces([] {
        NEED(loopback_up());
        auto target = bind_port({.protocol = "tcp", .host_ip = "127.0.0.1", .host_port = 9000});
        NEED(target.ok());
        const pid_t server = ::fork();
        if (server == 0) {
            UniqueFd one;
            while (!one) one.reset(::accept(target->front().get(), nullptr, nullptr));
            static char block[1U << 20U];
            while (::write(one.get(), block, sizeof block) > 0) {
            }
            ::_exit(0);
        }
        const pid_t client = ::fork();
        if (client == 0) {
            UniqueFd fd;
            for (int i = 0; i < 500 && !fd; ++i) {
                fd = connect_v4(8000);
                if (!fd) ::usleep(10000);
            }
            static char block[1U << 20U];
            while (::read(fd.get(), block, sizeof block) > 0) {
            }
            ::_exit(0);
        }
        auto loop = EventLoop::create();
        auto relay = Relay::open({{"tcp", "127.0.0.1", 8000, "127.0.0.1", 9000}}, *loop);
        NEED(relay.ok());
        auto timer = Timer::create();
        // The stand-in for everything else that a guard does.
        int ticks = 0;
        auto longest = std::chrono::steady_clock::duration::zero();
        auto last = std::chrono::steady_clock::now();
        NEED(loop->watch(timer->fd(), 1 /* EPOLLIN */,
                         [&](std::uint32_t) {
                             const auto now = std::chrono::steady_clock::now();
                             longest = std::max(longest, now - last);
                             last = now;
                             timer->arm(std::chrono::milliseconds(10));
                             if (++ticks == 50) loop->quit();
                         })
                 .ok());
        timer->arm(std::chrono::milliseconds(10));
        const auto began = std::chrono::steady_clock::now();
        NEED(loop->run().ok());
        const auto took = std::chrono::steady_clock::now() - began;
        ::kill(client, SIGKILL);
        ::kill(server, SIGKILL);
        ::waitpid(client, nullptr, 0);
        ::waitpid(server, nullptr, 0);
        NEED(took < std::chrono::seconds(10));
        NEED(longest < std::chrono::seconds(2));
        return 0;
    });
    if (status == 77) SKIP_TEST("no user namespaces");
    CHECK(status == 0);
}
