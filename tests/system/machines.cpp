#include "tests/system/machines.h"

#include "base/strings.h"
#include "base/sys.h"
#include "tests/support/command.h"

#include <arpa/inet.h>
#include <chrono>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace davit::testing {
namespace {

using Clock = std::chrono::steady_clock;

UniqueFd current_netns() {
    Result<UniqueFd> fd = sys::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd.ok());
    return *std::move(fd);
}

/// Inside a machine's namespace until the end of the scope; for this thread alone.
class Inside {
public:
    explicit Inside(const Machine& machine) : home_(current_netns()) {
        REQUIRE(::setns(machine.netns().get(), CLONE_NEWNET) == 0);
    }
    ~Inside() { ::setns(home_.get(), CLONE_NEWNET); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

private:
    UniqueFd home_;
};

struct Address {
    sockaddr_storage storage = {};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const std::string& ip, std::uint16_t port) {
    Address address;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.length = sizeof *v4;
        return address;
    }
    REQUIRE_MESSAGE(::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1, ip);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
    return address;
}

/// IPv4 addresses as such, also where an IPv6 socket has seen them.
std::string shown(const sockaddr_in6& peer) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text);
    const std::string ip = text;
    return ip.starts_with("::ffff:") ? ip.substr(7) : ip;
}

UniqueFd start_probe(const Machine& from, const Probe& probe) {
    const Inside inside(from);
    const Address to = address_of(probe.ip, probe.port);
    UniqueFd fd(::socket(to.storage.ss_family,
                         (probe.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    REQUIRE(fd);
    if (::connect(fd.get(), to.get(), to.length) == -1 && errno != EINPROGRESS) return {};
    if (probe.udp && ::send(fd.get(), "?", 1, MSG_DONTWAIT) != 1) return {};
    return fd;
}

}  // namespace

Machine Machine::here() { return Machine(current_netns()); }

Machine Machine::alone() {
    const Machine home = here();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    Machine made = here();
    REQUIRE(::setns(home.netns_.get(), CLONE_NEWNET) == 0);
    made.run("ip link set lo up");
    return made;
}

Machine Machine::of_process(const std::string& pid) {
    Result<UniqueFd> fd = sys::open("/proc/" + pid + "/ns/net", O_RDONLY | O_CLOEXEC);
    REQUIRE_MESSAGE(fd.ok(), pid);
    return Machine(*std::move(fd));
}

Machine Machine::again() const {
    UniqueFd fd(::fcntl(netns_.get(), F_DUPFD_CLOEXEC, 3));
    REQUIRE(fd);
    return Machine(std::move(fd));
}

std::string Machine::path() const {
    return fmt::format("/proc/{}/fd/{}", ::getpid(), netns_.get());
}

std::string Machine::run(const std::string& words) const {
    std::vector<std::string> argv = {"nsenter", "--net=" + path()};
    for (const std::string& word : split(words, ' ')) argv.push_back(word);
    const Outcome outcome = testing::run({.argv = std::move(argv)});
    REQUIRE_MESSAGE(outcome.status == 0, words, ": ", outcome.err);
    return outcome.out;
}

Responder::Responder() {
    thread_ = std::thread([this] {
        for (; !stop_; ++rounds_) {
            std::vector<pollfd> waiting;
            {
                const std::lock_guard lock(mutex_);
                for (const Service& service : services_)
                    waiting.push_back({service.fd.get(), POLLIN, 0});
            }
            // Not under the lock: others add services meanwhile.
            if (::poll(waiting.data(), waiting.size(), 20) <= 0) continue;
            const std::lock_guard lock(mutex_);
            for (const pollfd& one : waiting)
                for (const Service& service : services_)
                    if (one.revents != 0 && service.fd.get() == one.fd) answer(service);
        }
    });
}

Responder::~Responder() {
    stop_ = true;
    thread_.join();
}

void Responder::answer(const Service& service) {
    sockaddr_in6 peer{};
    socklen_t length = sizeof peer;
    auto* plain = reinterpret_cast<sockaddr*>(&peer);
    if (service.udp) {
        char byte = 0;
        if (::recvfrom(service.fd.get(), &byte, 1, MSG_DONTWAIT, plain, &length) < 0) return;
        const std::string words = service.words + shown(peer);
        (void)::sendto(service.fd.get(), words.data(), words.size(), MSG_DONTWAIT, plain, length);
        return;
    }
    const UniqueFd client(::accept4(service.fd.get(), plain, &length, SOCK_CLOEXEC));
    if (!client) return;
    const std::string words = service.words + shown(peer);
    (void)::send(client.get(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Responder::serve(const Machine& machine, const std::string& name, std::uint16_t port) {
    const Inside inside(machine);
    const Address all = address_of("::", port);
    for (const bool udp : {false, true}) {
        UniqueFd fd(
            ::socket(AF_INET6, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int off = 0;
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        // What was answered a moment ago is still remembered.
        if (!udp) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        REQUIRE(::bind(fd.get(), all.get(), all.length) == 0);
        if (!udp) REQUIRE(::listen(fd.get(), 128) == 0);
        const std::lock_guard lock(mutex_);
        services_.push_back({std::move(fd), udp, fmt::format("{} {} ", name, port)});
    }
}

void Responder::forget_all() {
    {
        const std::lock_guard lock(mutex_);
        services_.clear();
    }
    // A socket that is waited for is not closed before the waiting ends.
    for (const int now = rounds_; rounds_ < now + 2;) ::poll(nullptr, 0, 1);
}

std::vector<std::string> ask_all(const std::map<std::string, Machine>& machines,
                                 const std::vector<Probe>& probes, int patience_ms) {
    std::vector<UniqueFd> sockets;
    for (const Probe& probe : probes)
        sockets.push_back(start_probe(machines.at(probe.from), probe));
    std::vector<std::string> answers(probes.size());
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(patience_ms);
    for (;;) {
        std::vector<pollfd> waiting;
        bool any = false;
        for (const UniqueFd& fd : sockets) {
            waiting.push_back({fd ? fd.get() : -1, POLLIN, 0});
            any = any || fd;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        if (!any || left <= 0 ||
            ::poll(waiting.data(), waiting.size(), static_cast<int>(left)) <= 0)
            return answers;
        for (std::size_t i = 0; i < sockets.size(); ++i) {
            if (waiting[i].revents == 0) continue;
            char buffer[256];
            const ssize_t got = ::recv(sockets[i].get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0) answers[i].assign(buffer, static_cast<std::size_t>(got));
            sockets[i].reset();
        }
    }
}

}  // namespace davit::testing
