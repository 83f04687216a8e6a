#include "runtime/dns_server.h"

#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

using std::chrono::seconds;

constexpr const char* kAddress = "127.0.0.11";
constexpr const char* kHostFile = "/etc/resolv.conf";
constexpr std::uint16_t kPort = 53;
constexpr std::size_t kMostPending = 256;
constexpr std::size_t kMostConnections = 32;
constexpr std::size_t kLargest = 65535;
constexpr seconds kServerTimeout{2};
constexpr seconds kIdleTimeout{30};

/// Runs `body` with the calling thread in `netns`. Coming back must succeed: a guard in the wrong
/// namespace would be worse than none.
template <typename Body>
Result<void> inside(const UniqueFd& netns, Body body) {
    const UniqueFd home = TRY(sys::open("/proc/thread-self/ns/net", O_RDONLY));
    if (::setns(netns.get(), CLONE_NEWNET) == -1)
        return Error::from_errno(errno, "setns(2)").doing("enter the container's network");
    Result<void> done = body();
    if (::setns(home.get(), CLONE_NEWNET) == -1) ::abort();
    return done;
}

/// Brings the loopback of the calling thread's network up, before davit connects the container.
/// With IP_FREEBIND alone the kernel would forget the address, and answer from 127.0.0.1.
Result<void> loopback_up() {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error::from_errno(errno, "socket(2)");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    if (::ioctl(fd.get(), SIOCGIFFLAGS, &request) == -1)
        return Error::from_errno(errno, "ioctl(2)");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) == -1)
        return Error::from_errno(errno, "ioctl(2)");
    return {};
}

struct Address {
    sockaddr_storage storage = {};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// An address of a name server, which may say its link: "fe80::1%eth0".
Address address_of(const std::string& server, std::uint16_t port) {
    Address address;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    const std::size_t percent = server.find('%');
    const std::string plain = server.substr(0, percent);
    if (::inet_pton(AF_INET, plain.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.length = sizeof *v4;
    } else if (::inet_pton(AF_INET6, plain.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        if (percent != std::string::npos)
            v6->sin6_scope_id = ::if_nametoindex(server.c_str() + percent + 1);
        address.length = sizeof *v6;
    }
    return address;
}

bool is_loopback(const std::string& server) {
    return server.starts_with("127.") || server == "::1";
}

std::uint16_t random_id() {
    std::uint16_t id = 0;
    (void)!::getrandom(&id, sizeof id, 0);  // an id of 0 serves as well as any
    return id;
}

std::string framed(const std::string& packet) {
    std::string frame;
    frame.push_back(static_cast<char>(packet.size() >> 8U & 0xffU));
    frame.push_back(static_cast<char>(packet.size() & 0xffU));
    return frame + packet;
}

/// Takes the next whole packet out of a TCP stream.
std::optional<std::string> next_packet(std::string& stream) {
    if (stream.size() < 2) return std::nullopt;
    const std::size_t length =
        static_cast<std::size_t>(static_cast<unsigned char>(stream[0])) * 256 +
        static_cast<unsigned char>(stream[1]);
    if (stream.size() < 2 + length) return std::nullopt;
    std::string packet = stream.substr(2, length);
    stream.erase(0, 2 + length);
    return packet;
}

/// 4 or 16 bytes as text.
std::string text_of(const std::string& bytes) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(bytes.size() == 16 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof text);
    return text;
}

/// The record of an address, as text, for a question of `type`; none where it is of the other
/// family.
std::optional<dns::Record> record_of(const std::string& address, std::uint16_t type) {
    char bytes[16];
    if (type != dns::kTypeAaaa && ::inet_pton(AF_INET, address.c_str(), bytes) == 1)
        return dns::Record{dns::kTypeA, std::string(bytes, 4)};
    if (type != dns::kTypeA && ::inet_pton(AF_INET6, address.c_str(), bytes) == 1)
        return dns::Record{dns::kTypeAaaa, std::string(bytes, 16)};
    return std::nullopt;
}

}  // namespace

DnsServer::DnsServer(DnsSettings settings, UniqueFd netns, EventLoop& loop, Timer timer)
    : settings_(settings),
      netns_(std::move(netns)),
      loop_(loop),
      timer_(std::move(timer)),
      names_(std::move(settings)) {}

DnsServer::~DnsServer() {
    for (const auto& [fd, pending] : pending_) loop_.forget(fd);
    for (const auto& [fd, connection] : connections_) loop_.forget(fd);
    for (const UniqueFd* fd : {&udp_, &tcp_})
        if (*fd) loop_.forget(fd->get());
    loop_.forget(timer_.fd());
}

Result<std::unique_ptr<DnsServer>> DnsServer::open(DnsSettings settings, const UniqueFd& netns,
                                                   EventLoop& loop) {
    Timer timer = TRY(Timer::create());
    UniqueFd own(::fcntl(netns.get(), F_DUPFD_CLOEXEC, 0));
    if (!own) return Error::from_errno(errno, "fcntl(2)");
    std::unique_ptr<DnsServer> server(
        new DnsServer(std::move(settings), std::move(own), loop, std::move(timer)));
    TRY_DOING(server->bind(netns), "open the container's name server");
    DnsServer* self = server.get();
    TRY(loop.watch(self->udp_.get(), EPOLLIN, [self](std::uint32_t) { self->on_datagrams(); }));
    TRY(loop.watch(self->tcp_.get(), EPOLLIN, [self](std::uint32_t) { self->on_connect(); }));
    TRY(loop.watch(self->timer_.fd(), EPOLLIN, [self](std::uint32_t) { self->on_timer(); }));
    return server;
}

Result<void> DnsServer::bind(const UniqueFd& netns) {
    return inside(netns, [&]() -> Result<void> {
        TRY(loopback_up());
        const Address address = address_of(kAddress, settings_.port);
        for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
            UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            if (!fd) return Error::from_errno(errno, "socket(2)");
            const int on = 1;
            if (type == SOCK_STREAM)
                ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (::bind(fd.get(), address.get(), address.length) == -1)
                return Error::from_errno(errno, "bind(2)");
            if (type == SOCK_STREAM && ::listen(fd.get(), 16) == -1)
                return Error::from_errno(errno, "listen(2)");
            (type == SOCK_DGRAM ? udp_ : tcp_) = std::move(fd);
        }
        return {};
    });
}

void DnsServer::withdraw() const {
    for (const DnsSettings::Network& network : settings_.networks)
        ::unlink((network.folder + "/" + settings_.own_zone).c_str());
}

// --- Clients ---

void DnsServer::on_datagrams() {
    constexpr int kMostAtOnce = 64;  // a guard has other work too
    for (int i = 0; i < kMostAtOnce; ++i) {
        char buffer[kLargest];
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        const ssize_t got = ::recvfrom(udp_.get(), buffer, sizeof buffer, MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr*>(&from), &length);
        if (got < 0) return;
        Asker asker;
        asker.address.assign(reinterpret_cast<const char*>(&from), length);
        handle(std::string(buffer, static_cast<std::size_t>(got)), asker);
    }
}

void DnsServer::on_connect() {
    UniqueFd socket(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket || connections_.size() >= kMostConnections) return;
    const int fd = socket.get();
    Connection& connection = connections_[fd];
    connection.socket = std::move(socket);
    connection.id = ++next_connection_;
    connection.deadline = Clock::now() + kIdleTimeout;
    if (!loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t events) { on_stream(fd, events); }))
        drop_connection(fd);
    rearm();
}

void DnsServer::on_stream(int fd, std::uint32_t events) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    const unsigned long long id = connection.id;
    if ((events & EPOLLOUT) != 0) {
        flush(connection);
        if (!connections_.contains(fd)) return;
    }
    char buffer[16384];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return drop_connection(fd);
    if (got < 0) return;
    connection.deadline = Clock::now() + kIdleTimeout;
    connection.in.append(buffer, static_cast<std::size_t>(got));
    Asker asker;
    asker.connection = fd;
    asker.connection_id = id;
    for (;;) {
        // An answer that can't be sent ends the connection.
        const auto now = connections_.find(fd);
        if (now == connections_.end() || now->second.id != id) return;
        const std::optional<std::string> packet = next_packet(now->second.in);
        if (!packet) return;
        handle(*packet, asker);
    }
}

void DnsServer::drop_connection(int fd) {
    loop_.forget(fd);
    connections_.erase(fd);
}

void DnsServer::flush(Connection& connection) {
    const int fd = connection.socket.get();
    while (!connection.out.empty()) {
        const ssize_t put =
            ::send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN) return drop_connection(fd);
        if (put <= 0) break;
        connection.out.erase(0, static_cast<std::size_t>(put));
    }
    const std::uint32_t events = connection.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
    (void)loop_.watch(fd, events, [this, fd](std::uint32_t ready) { on_stream(fd, ready); });
}

void DnsServer::reply(const Asker& asker, const std::string& packet) {
    if (packet.empty()) return;
    if (!asker.address.empty()) {
        (void)::sendto(udp_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                       reinterpret_cast<const sockaddr*>(asker.address.data()),
                       static_cast<socklen_t>(asker.address.size()));
        return;
    }
    const auto found = connections_.find(asker.connection);
    if (found == connections_.end() || found->second.id != asker.connection_id) return;
    constexpr std::size_t kMostWaiting = 1U << 20U;  // somebody who asks and never reads
    if (found->second.out.size() > kMostWaiting) return drop_connection(asker.connection);
    found->second.out += framed(packet);
    flush(found->second);
}

// --- Answers of our own ---

void DnsServer::handle(const std::string& packet, const Asker& asker) {
    dns::Parsed parsed = dns::parse_query(packet);
    if (!parsed.query) {
        if (parsed.problem != dns::Rcode::NoError)
            reply(asker, dns::make_refusal(packet, parsed.problem));
        return;
    }
    const std::size_t limit = asker.address.empty() ? kLargest : parsed.query->payload;
    if (const auto answer = answer_locally(*parsed.query, limit)) return reply(asker, *answer);
    if (!settings_.forward)
        return reply(asker, dns::make_answer(*parsed.query, dns::Rcode::NxDomain, {}, limit));
    forward(*std::move(parsed.query), packet, asker);
}

std::optional<std::string> DnsServer::answer_locally(const dns::Query& query, std::size_t limit) {
    constexpr std::uint16_t kInternet = 1;
    if (query.klass != kInternet) return std::nullopt;
    if (query.type == dns::kTypePtr) {
        const std::string bytes = dns::address_of_reverse_name(query.name);
        const std::string name = bytes.empty() ? std::string() : names_.name_of(text_of(bytes));
        if (name.empty()) return std::nullopt;
        return dns::make_answer(query, dns::Rcode::NoError, {{dns::kTypePtr, name}}, limit);
    }
    std::optional<std::vector<std::string>> addresses = names_.find(query.name);
    if (!addresses) return std::nullopt;
    return addresses_answer(query, *std::move(addresses), limit);
}

/// A name that is known has no other records: AAAA of an IPv4 container is answered at once with
/// nothing, and never asked of the world.
std::string DnsServer::addresses_answer(const dns::Query& query, std::vector<std::string> addresses,
                                        std::size_t limit) {
    if (!addresses.empty())
        std::rotate(addresses.begin(),
                    addresses.begin() + static_cast<std::ptrdiff_t>(turn_++ % addresses.size()),
                    addresses.end());
    std::vector<dns::Record> records;
    const bool wanted =
        query.type == dns::kTypeA || query.type == dns::kTypeAaaa || query.type == dns::kTypeAny;
    for (const std::string& address : addresses) {
        if (!wanted) break;
        if (auto record = record_of(address, query.type)) records.push_back(*std::move(record));
    }
    return dns::make_answer(query, dns::Rcode::NoError, records, limit);
}

// --- The world ---

/// The host's servers, read again when the file has changed.
const std::vector<std::string>& DnsServer::world_servers() {
    if (!settings_.servers.empty()) return settings_.servers;
    struct stat info {};
    const bool there = ::stat(kHostFile, &info) == 0;
    const bool same = there && info.st_ino == host_inode_ &&
                      info.st_mtim.tv_sec == host_changed_.tv_sec &&
                      info.st_mtim.tv_nsec == host_changed_.tv_nsec;
    if (same && !host_servers_.empty()) return host_servers_;
    const Result<std::string> text = read_file(kHostFile, 1U << 20U);
    host_servers_ = servers_of(text ? *text : std::string());
    host_inode_ = info.st_ino;
    host_changed_ = info.st_mtim;
    return host_servers_;
}

void DnsServer::forward(dns::Query query, const std::string& packet, const Asker& asker) {
    if (pending_.size() >= kMostPending)
        return reply(asker, dns::make_answer(query, dns::Rcode::ServFail, {}, query.payload));
    Pending pending;
    pending.tcp = asker.address.empty();
    pending.query = std::move(query);
    pending.packet = packet;
    pending.asker = asker;
    pending.servers = world_servers();
    (void)ask_next(std::move(pending));
    rearm();
}

/// Sends the question to the next server that can be reached at all; tells the client where none
/// is left.
bool DnsServer::ask_next(Pending pending) {
    for (; pending.server < pending.servers.size(); ++pending.server) {
        const std::string& server = pending.servers[pending.server];
        const Address address = address_of(server, kPort);
        if (address.length == 0) continue;
        const int type = pending.tcp ? SOCK_STREAM : SOCK_DGRAM;
        const auto make = [&]() -> Result<void> {
            pending.socket.reset(
                ::socket(address.storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            return {};
        };
        // The file's own server on a loopback address is the container's; the host's is the host's.
        const bool own = !settings_.servers.empty() && is_loopback(server);
        if (own ? !inside(netns_, make) : !make()) continue;
        // Connected: the kernel lets nobody else answer, and chooses a port that can't be guessed.
        if (!pending.socket ||
            (::connect(pending.socket.get(), address.get(), address.length) == -1 &&
             errno != EINPROGRESS))
            continue;
        const int fd = pending.socket.get();
        pending.id = random_id();
        const std::string packet = dns::with_id(pending.packet, pending.id);
        if (pending.tcp)
            pending.out = framed(packet);
        else if (::send(fd, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
            continue;
        pending.in.clear();
        pending.deadline = Clock::now() + kServerTimeout;
        const std::uint32_t events = pending.tcp ? EPOLLIN | EPOLLOUT : EPOLLIN;
        pending_[fd] = std::move(pending);
        if (loop_.watch(fd, events, [this, fd](std::uint32_t ready) { on_answer(fd, ready); }))
            return true;
        pending = std::move(pending_[fd]);
        pending_.erase(fd);
    }
    give_up(pending);
    return false;
}

void DnsServer::give_up(const Pending& pending) {
    reply(pending.asker,
          dns::make_answer(pending.query, dns::Rcode::ServFail, {}, pending.query.payload));
}

void DnsServer::finish(int fd, std::string answer) {
    const auto found = pending_.find(fd);
    Pending pending = std::move(found->second);
    loop_.forget(fd);
    pending_.erase(found);
    const dns::Rcode code = dns::code_of(answer);
    const bool useless = answer.empty() || code == dns::Rcode::ServFail ||
                         code == dns::Rcode::Refused || code == dns::Rcode::NotImp;
    const bool more = pending.server + 1 < pending.servers.size();
    if (answer.empty() || (useless && more)) {
        ++pending.server;
        (void)ask_next(std::move(pending));
        return rearm();
    }
    answer = dns::with_id(std::move(answer), pending.query.id);
    if (!pending.asker.address.empty())
        answer = dns::cut(std::move(answer), pending.query, pending.query.payload);
    reply(pending.asker, answer);
}

void DnsServer::on_answer(int fd, std::uint32_t events) {
    const auto found = pending_.find(fd);
    if (found == pending_.end()) return;
    Pending& pending = found->second;
    if (pending.tcp && (events & EPOLLOUT) != 0) {
        const ssize_t put =
            ::send(fd, pending.out.data(), pending.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN) return finish(fd, {});
        if (put > 0) pending.out.erase(0, static_cast<std::size_t>(put));
        if (pending.out.empty() &&
            !loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t ready) { on_answer(fd, ready); }))
            return finish(fd, {});
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0) return;
    char buffer[kLargest];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return finish(fd, {});  // refused: nobody serves names there
    std::string packet(buffer, static_cast<std::size_t>(got));
    if (pending.tcp) {
        pending.in += packet;
        const std::optional<std::string> whole = next_packet(pending.in);
        if (!whole) return;
        packet = *whole;
    }
    // What answers another question is somebody's guess, and is waited past.
    if (dns::answers(packet, pending.query, pending.id)) finish(fd, std::move(packet));
}

// --- Time ---

void DnsServer::on_timer() {
    timer_.disarm();
    const Clock::time_point now = Clock::now();
    std::vector<int> late;
    for (const auto& [fd, pending] : pending_)
        if (pending.deadline <= now) late.push_back(fd);
    for (const int fd : late) finish(fd, {});
    late.clear();
    for (const auto& [fd, connection] : connections_)
        if (connection.deadline <= now) late.push_back(fd);
    for (const int fd : late) drop_connection(fd);
    rearm();
}

void DnsServer::rearm() {
    Clock::time_point next = Clock::time_point::max();
    for (const auto& [fd, pending] : pending_) next = std::min(next, pending.deadline);
    for (const auto& [fd, connection] : connections_) next = std::min(next, connection.deadline);
    if (next == Clock::time_point::max()) return timer_.disarm();
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now());
    timer_.arm(std::max(wait, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1));
}

}  // namespace davit::runtime
