#include "stack/agent_relay.h"

#include "base/sys.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <list>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace davit::stack {
namespace {

constexpr std::size_t kMostConnections = 64;

/// Both ends of one conversation.
struct Pair {
    UniqueFd client;
    UniqueFd agent;
};

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the path of the socket '{}' is too long", path))
            .help("give the agent a shorter one");
    path.copy(address.sun_path, path.size());
    return address;
}

Result<UniqueFd> new_socket() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error::from_errno(errno, "socket(2)");
    return fd;
}

Result<UniqueFd> connect_to(const std::string& path) {
    const sockaddr_un address = TRY(address_of(path));
    UniqueFd fd = TRY(new_socket());
    // Whoever doesn't read its answers holds up the others of the same RUN for so long.
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1)
        return Error::from_errno(errno, "connect(2)")
            .doing("reach the SSH agent at '{}'", path)
            .help("see whether it runs: ssh-add -l");
    return fd;
}

/// Passes on what is there. False where the conversation is over.
bool pass_on(const UniqueFd& from, const UniqueFd& to) {
    std::array<char, 65536> buffer{};
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(from.get(), buffer.data(), buffer.size()); });
    for (ssize_t sent = 0; sent < got;) {
        const ssize_t now = ::send(to.get(), buffer.data() + sent,
                                   static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
        if (now == -1 && errno == EINTR) continue;
        if (now <= 0) return false;
        sent += now;
    }
    return got > 0;
}

void accept_one(const UniqueFd& listener, const std::string& agent, std::list<Pair>& pairs) {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client || pairs.size() >= kMostConnections) return;
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    auto other = connect_to(agent);
    if (other) pairs.push_back({std::move(client), *std::move(other)});
}

}  // namespace

Result<std::unique_ptr<AgentRelay>> AgentRelay::start(const Place& place) {
    (void)TRY(connect_to(place.agent));  // better said now than by ssh(1) in the middle of a RUN
    const UniqueFd folder = TRY(sys::open(place.folder, O_PATH | O_DIRECTORY));
    // The folder's own path may be longer than a socket's address can be.
    const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), place.name);
    const sockaddr_un address = TRY(address_of(path));
    UniqueFd listener = TRY(new_socket());
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1 ||
        ::listen(listener.get(), 16) == -1)
        return Error::from_errno(errno, "bind(2)").doing("make a socket for the SSH agent");
    if (::fchownat(folder.get(), place.name.c_str(), place.uid, place.gid, AT_SYMLINK_NOFOLLOW) ==
            -1 ||
        ::fchmodat(folder.get(), place.name.c_str(), place.mode, 0) == -1)
        return Error::from_errno(errno, "chown(2)").doing("make a socket for the SSH agent");
    UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
    if (!stop) return Error::from_errno(errno, "eventfd(2)");
    return std::unique_ptr<AgentRelay>(
        new AgentRelay(std::move(listener), std::move(stop), place.agent));
}

AgentRelay::AgentRelay(UniqueFd listener, UniqueFd stop, std::string agent)
    : listener_(std::move(listener)),
      stop_(std::move(stop)),
      agent_(std::move(agent)),
      thread_([this] { serve(); }) {}

AgentRelay::~AgentRelay() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

void AgentRelay::serve() const {
    std::list<Pair> pairs;
    for (;;) {
        std::vector<pollfd> fds = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
        for (const Pair& pair : pairs) {
            fds.push_back({pair.client.get(), POLLIN, 0});
            fds.push_back({pair.agent.get(), POLLIN, 0});
        }
        if (::poll(fds.data(), fds.size(), -1) == -1 && errno != EINTR) return;
        if (fds[0].revents != 0) return;
        std::size_t at = 2;
        for (auto pair = pairs.begin(); pair != pairs.end(); at += 2) {
            bool open = true;
            if (fds[at].revents != 0) open = pass_on(pair->client, pair->agent);
            if (open && fds[at + 1].revents != 0) open = pass_on(pair->agent, pair->client);
            pair = open ? std::next(pair) : pairs.erase(pair);
        }
        if (fds[1].revents != 0) accept_one(listener_, agent_, pairs);
    }
}

}  // namespace davit::stack
