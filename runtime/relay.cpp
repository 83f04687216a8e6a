#include "runtime/relay.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// More connections at once than this are refused: the relay is the exception, not the way.
constexpr std::size_t kMostConnections = 256;
constexpr std::size_t kBufferSize = 16384;

Error in_use(const ListenPort& port, const std::string& ip) {
    const std::string owner = listener_on(port.protocol, port.host_port);
    return Error(ErrorKind::Busy,
                 fmt::format("port {}/{} on {} is in use{}", port.host_port, port.protocol, ip,
                             owner.empty() ? "" : " by " + owner))
        .help("stop the program that listens there, or publish another port");
}

/// Whether a socket that answers so is only not ready yet.
bool waits(int error_number) {
    return error_number == EAGAIN || error_number == EINTR || error_number == ENOTCONN;
}

/// One direction of a connection: bytes read and not yet written.
struct Flow {
    std::string buffer;
    bool ended = false;  ///< The reading side said end of file.
    bool shut = false;   ///< And the writing side was told.
};

enum class Moved { All, Some, Broken };

/// Moves bytes from `from` to `to` as far as both allow, but not for ever (Some): a guard has other
/// work too.
Moved move_bytes(int from, int to, Flow& flow) {
    constexpr int kMostRounds = 16;
    for (int round = 0; round < kMostRounds; ++round) {
        while (!flow.buffer.empty()) {
            const ssize_t put =
                ::send(to, flow.buffer.data(), flow.buffer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put == -1) return waits(errno) ? Moved::All : Moved::Broken;
            flow.buffer.erase(0, static_cast<std::size_t>(put));
        }
        if (flow.ended) {
            if (!flow.shut) ::shutdown(to, SHUT_WR);
            flow.shut = true;
            return Moved::All;
        }
        flow.buffer.resize(kBufferSize);
        const ssize_t got = ::recv(from, flow.buffer.data(), flow.buffer.size(), MSG_DONTWAIT);
        flow.buffer.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        if (got == -1) return waits(errno) ? Moved::All : Moved::Broken;
        if (got == 0) flow.ended = true;
    }
    return Moved::Some;
}

}  // namespace

SocketAddress make_address(const std::string& ip, std::uint16_t port) {
    SocketAddress address;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.length = sizeof *v4;
    } else if (::inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address.length = sizeof *v6;
    }
    return address;
}

struct Relay::Connection {
    UniqueFd client;
    UniqueFd server;
    bool connected = false;
    Flow up;
    Flow down;
};

Result<std::vector<ListenPort>> parse_listen_ports(const std::string& json) {
    std::vector<ListenPort> ports;
    if (json.empty()) return ports;
    const Json list = TRY(parse_json(json, "io.davit.listen"));
    return decode_json(list, "io.davit.listen", [&](const Json& entries) {
        for (const Json& entry : entries)
            ports.push_back({entry.at("protocol").get<std::string>(),
                             entry.at("host_ip").get<std::string>(),
                             entry.at("host_port").get<std::uint16_t>(),
                             entry.at("target_ip").get<std::string>(),
                             entry.at("target_port").get<std::uint16_t>()});
        return ports;
    });
}

Result<std::unique_ptr<Relay>> Relay::open(const std::vector<ListenPort>& ports, EventLoop& loop) {
    std::unique_ptr<Relay> relay(new Relay(loop));
    relay->spare_ = TRY(sys::open("/dev/null", O_RDONLY));
    for (const ListenPort& port : ports) {
        std::vector<UniqueFd> sockets = TRY(bind_port(port));
        for (UniqueFd& fd : sockets)
            relay->listeners_.push_back(
                std::make_unique<Listener>(Listener{std::move(fd), port, {}}));
    }
    for (const auto& listener : relay->listeners_) {
        if (listener->port.protocol == "udp") {
            listener->datagrams = TRY(DatagramRelay::open(
                listener->fd.get(),
                make_address(listener->port.target_ip, listener->port.target_port), loop));
            continue;
        }
        if (listener->port.protocol != "tcp") continue;
        const Listener* one = listener.get();
        Relay* self = relay.get();
        TRY(loop.watch(one->fd.get(), EPOLLIN, [self, one](std::uint32_t) { self->accept(*one); }));
    }
    return relay;
}

Relay::Relay(EventLoop& loop) : loop_(loop) {}

Relay::~Relay() {
    while (!connections_.empty()) close(*connections_.begin()->second);
    for (const auto& listener : listeners_) {
        listener->datagrams.reset();
        loop_.forget(listener->fd.get());
    }
}

Result<std::vector<UniqueFd>> bind_port(const ListenPort& port) {
    std::vector<std::string> addresses = {port.host_ip};
    if (port.host_ip.empty()) addresses = {"0.0.0.0", "::"};
    const int type = port.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    const int protocol = port.protocol == "sctp" ? IPPROTO_SCTP : 0;
    std::vector<UniqueFd> sockets;
    for (const std::string& ip : addresses) {
        const SocketAddress address = make_address(ip, port.host_port);
        if (address.length == 0)
            return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not an address", ip));
        const int family = address.storage.ss_family;
        UniqueFd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
        // SCTP is a module that this host may not have loaded: then nobody else has the port.
        const bool optional = (port.host_ip.empty() && family == AF_INET6) || protocol != 0;
        if (!fd && optional) continue;  // a host without IPv6
        if (!fd) return Error::from_errno(errno, "socket(2)");
        const int on = 1;
        if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        // Connections of the last run in TIME_WAIT don't count as somebody listening.
        if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (::bind(fd.get(), address.get(), address.length) == -1 ||
            (type == SOCK_STREAM && ::listen(fd.get(), 128) == -1)) {
            const int error_number = errno;
            if (error_number == EADDRINUSE) return in_use(port, ip);
            if (optional && error_number == EADDRNOTAVAIL) continue;
            return Error::from_errno(error_number, "bind(2)")
                .doing("listen on {} port {}/{}", ip, port.host_port, port.protocol);
        }
        sockets.push_back(std::move(fd));
    }
    return sockets;
}

Result<std::uint16_t> free_port(const std::string& host_ip, const std::string& protocol) {
    const std::string ip = host_ip.empty() ? "0.0.0.0" : host_ip;
    const std::vector<UniqueFd> sockets =
        TRY(bind_port({.protocol = protocol, .host_ip = ip, .host_port = 0}));
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(sockets.front().get(), reinterpret_cast<sockaddr*>(&bound), &length) == -1)
        return Error::from_errno(errno, "getsockname(2)");
    // sin_port and sin6_port stand at the same place.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

void Relay::accept(const Listener& listener) {
    auto connection = std::make_unique<Connection>();
    connection->client.reset(
        ::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection->client && (errno == EMFILE || errno == ENFILE)) return refuse_one(listener);
    if (!connection->client || connections_.size() >= kMostConnections) return;
    const SocketAddress target = make_address(listener.port.target_ip, listener.port.target_port);
    connection->server.reset(
        ::socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!connection->server ||
        (::connect(connection->server.get(), target.get(), target.length) == -1 &&
         errno != EINPROGRESS))
        return;
    Connection* one = connection.get();
    connections_[one->client.get()] = std::move(connection);
    if (!watch(*one, one->client.get()) || !watch(*one, one->server.get())) close(*one);
}

/// A connection that waits keeps its listener ready: without a descriptor to take it with, the loop
/// would turn for nothing until another one ends.
void Relay::refuse_one(const Listener& listener) {
    spare_.reset();
    UniqueFd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)).reset();
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool Relay::watch(Connection& connection, int fd) {
    // Edge-triggered; watching a descriptor again reports what it is ready for once more.
    constexpr std::uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    return loop_.watch(fd, kEvents, [this, &connection](std::uint32_t) { pump(connection); }).ok();
}

void Relay::pump(Connection& connection) {
    if (!connection.connected) {
        int problem = 0;
        socklen_t size = sizeof problem;
        ::getsockopt(connection.server.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem != 0) return close(connection);
        connection.connected = true;
    }
    const int client = connection.client.get();
    const int server = connection.server.get();
    const Moved up = move_bytes(client, server, connection.up);
    const Moved down = up == Moved::Broken ? up : move_bytes(server, client, connection.down);
    if (down == Moved::Broken || (connection.up.shut && connection.down.shut))
        return close(connection);
    // The rest comes in the next round of the loop.
    if ((up == Moved::Some || down == Moved::Some) && !watch(connection, client)) close(connection);
}

void Relay::close(Connection& connection) {
    loop_.forget(connection.client.get());
    loop_.forget(connection.server.get());
    connections_.erase(connection.client.get());
}

std::string listener_on(const std::string& protocol, std::uint16_t port) {
    // /proc/net/tcp: "sl local_address rem_address st … inode", addresses in hexadecimal.
    std::string inode;
    const std::string wanted = fmt::format(":{:04X}", port);
    for (const char* suffix : {"", "6"}) {
        const Result<std::string> table = read_file("/proc/net/" + protocol + suffix);
        if (!table) continue;
        for (const std::string& line : split(*table, '\n')) {
            std::vector<std::string> fields;
            for (std::string& field : split(line, ' ')) {
                if (!field.empty()) fields.push_back(std::move(field));
            }
            const bool listening = protocol == "udp" || (fields.size() > 3 && fields[3] == "0A");
            if (fields.size() > 9 && listening && fields[1].ends_with(wanted)) inode = fields[9];
        }
    }
    if (inode.empty()) return {};
    const std::string link = fmt::format("socket:[{}]", inode);
    const Result<std::vector<std::string>> processes = list_directory("/proc");
    if (!processes) return {};
    for (const std::string& pid : *processes) {
        if (!parse_integer(pid)) continue;
        const Result<std::vector<std::string>> fds = list_directory("/proc/" + pid + "/fd");
        if (!fds) continue;
        for (const std::string& fd : *fds) {
            char target[64];
            const std::string path = fmt::format("/proc/{}/fd/{}", pid, fd);
            const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
            if (length <= 0 || std::string_view(target, static_cast<std::size_t>(length)) != link)
                continue;
            const Result<std::string> name = read_file("/proc/" + pid + "/comm");
            return fmt::format("pid {}{}", pid,
                               name ? fmt::format(", {}", printable(trim(*name))) : "");
        }
    }
    return {};
}

}  // namespace davit::runtime
