#include "runtime/relay_datagrams.h"

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <sys/epoll.h>

namespace davit::runtime {
namespace {

constexpr std::size_t kMostSessions = 256;
constexpr std::size_t kLargest = 65536;
/// As long as the kernel remembers a flow that was answered.
/// @source Linux nf_conntrack-sysctl.rst, nf_conntrack_udp_timeout_stream
constexpr std::chrono::seconds kIdle{120};
constexpr std::chrono::milliseconds kRound{10000};
constexpr int kMostAtOnce = 64;  ///< A guard has other work too.

}  // namespace

Result<std::unique_ptr<DatagramRelay>> DatagramRelay::open(int listener, SocketAddress target,
                                                           EventLoop& loop) {
    Timer timer = TRY(Timer::create());
    // Answers leave from the address that was asked.
    const int on = 1;
    ::setsockopt(listener, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    ::setsockopt(listener, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    std::unique_ptr<DatagramRelay> relay(
        new DatagramRelay(listener, target, loop, std::move(timer)));
    DatagramRelay* self = relay.get();
    TRY(loop.watch(listener, EPOLLIN, [self](std::uint32_t) { self->on_client(); }));
    TRY(loop.watch(self->timer_.fd(), EPOLLIN, [self](std::uint32_t) { self->forget_idle(); }));
    return relay;
}

DatagramRelay::~DatagramRelay() {
    loop_.forget(listener_);
    loop_.forget(timer_.fd());
    for (const auto& [client, session] : sessions_) loop_.forget(session->server.get());
}

void DatagramRelay::on_client() {
    for (int i = 0; i < kMostAtOnce; ++i) {
        char data[kLargest];
        char control[256];
        sockaddr_storage from{};
        iovec part{data, sizeof data};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(listener_, &message, MSG_DONTWAIT);
        if (got < 0) return;
        Session* session = session_of({reinterpret_cast<const char*>(&from), message.msg_namelen});
        if (session == nullptr) continue;
        session->local.assign(control, message.msg_controllen);
        (void)::send(session->server.get(), data, static_cast<std::size_t>(got),
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

void DatagramRelay::on_server(Session& session) {
    session.used = Clock::now();
    for (int i = 0; i < kMostAtOnce; ++i) {
        char data[kLargest];
        const ssize_t got = ::recv(session.server.get(), data, sizeof data, MSG_DONTWAIT);
        // Refused: the container doesn't listen yet. The client asks again.
        if (got < 0) return;
        iovec part{data, static_cast<std::size_t>(got)};
        msghdr message{};
        message.msg_name = session.client.data();
        message.msg_namelen = static_cast<socklen_t>(session.client.size());
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = session.local.data();
        message.msg_controllen = session.local.size();
        (void)::sendmsg(listener_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

DatagramRelay::Session* DatagramRelay::session_of(const std::string& client) {
    if (const auto known = sessions_.find(client); known != sessions_.end()) {
        known->second->used = Clock::now();
        return known->second.get();
    }
    make_room();
    auto session = std::make_unique<Session>();
    session->client = client;
    session->used = Clock::now();
    session->server.reset(
        ::socket(target_.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!session->server || ::connect(session->server.get(), target_.get(), target_.length) == -1)
        return nullptr;
    Session* one = session.get();
    if (!loop_.watch(one->server.get(), EPOLLIN, [this, one](std::uint32_t) { on_server(*one); }))
        return nullptr;
    if (sessions_.empty()) timer_.arm(kRound);
    sessions_[client] = std::move(session);
    return one;
}

/// The one that has been silent for the longest time makes room for another.
void DatagramRelay::make_room() {
    if (sessions_.size() < kMostSessions) return;
    const auto oldest = std::min_element(
        sessions_.begin(), sessions_.end(),
        [](const auto& one, const auto& other) { return one.second->used < other.second->used; });
    loop_.forget(oldest->second->server.get());
    sessions_.erase(oldest);
}

void DatagramRelay::forget_idle() {
    timer_.disarm();
    const Clock::time_point now = Clock::now();
    std::erase_if(sessions_, [&](const auto& entry) {
        if (now - entry.second->used < kIdle) return false;
        loop_.forget(entry.second->server.get());
        return true;
    });
    if (!sessions_.empty()) timer_.arm(kRound);
}

}  // namespace davit::runtime
