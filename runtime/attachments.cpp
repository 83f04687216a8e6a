#include "runtime/attachments.h"

#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace davit::runtime {
namespace {

constexpr std::size_t kMostQueued = 1 << 20;
constexpr std::size_t kMostPending = 1 << 18;

}  // namespace

Attachments::Attachments(EventLoop& loop, Callbacks callbacks)
    : loop_(loop), callbacks_(std::move(callbacks)) {}

Attachments::~Attachments() {
    close_input();
    for (const auto& [fd, client] : clients_) loop_.forget(fd);
}

Result<void> Attachments::add(int fd, bool input, bool all_output) {
    Client& client = clients_[fd];
    client.input = input;
    client.all_output = all_output;
    const Result<void> watched =
        loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t events) { on_event(fd, events); });
    if (!watched) clients_.erase(fd);
    return watched;
}

void Attachments::remove(int fd) {
    const bool was_full = full();
    loop_.forget(fd);
    clients_.erase(fd);
    if (was_full && !full()) callbacks_.room();
}

void Attachments::let_go(int fd) {
    const auto client = clients_.find(fd);
    const bool ends = client != clients_.end() && client->second.input && !keep_open_;
    remove(fd);
    if (ends) end_input();
    callbacks_.gone(fd);
}

/// What is pending is passed on first.
void Attachments::end_input() {
    input_ended_ = true;
    write_input();
}

void Attachments::set_input(UniqueFd input, bool keep_open) {
    close_input();
    input_ = std::move(input);
    keep_open_ = keep_open;
    input_ended_ = false;
}

void Attachments::close_input() {
    pending_.clear();
    if (!input_) return;
    loop_.forget(input_.get());
    input_.reset();
}

bool Attachments::full() const {
    return std::any_of(clients_.begin(), clients_.end(), [](const auto& entry) {
        return entry.second.all_output && entry.second.queued >= kMostQueued;
    });
}

void Attachments::watch(int fd, const Client& client) {
    const bool reads = !client.input || pending_.size() < kMostPending;
    const std::uint32_t events = (reads ? std::uint32_t{EPOLLIN} : 0U) |
                                 (client.queue.empty() ? 0U : std::uint32_t{EPOLLOUT});
    (void)loop_.watch(fd, events, [this, fd](std::uint32_t ready) { on_event(fd, ready); });
}

void Attachments::send(AttachPacket kind, std::string_view bytes) {
    std::vector<int> leaving;
    for (auto& [fd, client] : clients_) {
        for (std::string_view rest = bytes; !rest.empty();) {
            const std::string_view part = rest.substr(0, kAttachBytes);
            std::string packet(1, static_cast<char>(kind));
            packet += part;
            client.queued += packet.size();
            client.queue.push_back(std::move(packet));
            rest.remove_prefix(part.size());
        }
        flush(fd, client);
        const bool slow = client.queued > kMostQueued && !client.all_output;
        if (slow || (client.leaves && client.queue.empty())) leaving.push_back(fd);
    }
    for (const int fd : leaving) let_go(fd);
}

void Attachments::flush(int fd, Client& client) {
    while (!client.queue.empty()) {
        const std::string& packet = client.queue.front();
        const ssize_t sent = sys::retry_on_eintr(
            [&] { return ::send(fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
        if (sent == -1 && errno == EAGAIN) break;
        if (sent == -1) {  // gone: its end is seen when it is read from
            client.queue.clear();
            client.queued = 0;
            break;
        }
        client.queued -= packet.size();
        client.queue.pop_front();
    }
    watch(fd, client);
}

void Attachments::on_event(int fd, std::uint32_t events) {
    Client& client = clients_.at(fd);
    if ((events & EPOLLOUT) != 0) {
        const bool was_full = full();
        flush(fd, client);
        if (was_full && !full()) callbacks_.room();
        if (client.leaves && client.queue.empty()) return let_go(fd);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) on_packet(fd, client);
}

void Attachments::on_packet(int fd, Client& client) {
    std::array<char, kAttachBytes + 1> buffer{};
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT); });
    if (got == -1 && errno == EAGAIN) return;
    if (got <= 0) return let_go(fd);
    const std::string_view text(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
    switch (static_cast<AttachPacket>(buffer.front())) {
        case AttachPacket::Input:
            if (!client.input || !input_ || input_ended_) return;
            pending_ += text;
            write_input();
            break;
        case AttachPacket::Closed:
            if (!client.input || keep_open_) return;
            end_input();
            break;
        case AttachPacket::Resize: {
            const std::vector<std::string> parts = split(text, ' ');
            const auto rows = parse_integer(parts.front());
            const auto columns = parse_integer(parts.back());
            if (rows && columns && *rows > 0 && *columns > 0 && *rows < 65536 && *columns < 65536)
                callbacks_.resize(static_cast<unsigned>(*rows), static_cast<unsigned>(*columns));
            break;
        }
        case AttachPacket::Output:
        case AttachPacket::Error:
        case AttachPacket::Ended: break;
    }
}

/// As much as the program takes now; the rest when it reads on. Clients wait meanwhile.
void Attachments::write_input() {
    if (!input_) return;
    bool waits = false;
    while (!pending_.empty()) {
        const ssize_t put = sys::retry_on_eintr(
            [&] { return ::write(input_.get(), pending_.data(), pending_.size()); });
        if (put == -1 && errno == EAGAIN) {
            waits = true;
            break;
        }
        if (put <= 0) return close_input();  // nobody reads it any more
        pending_.erase(0, static_cast<std::size_t>(put));
    }
    if (waits)
        (void)loop_.watch(input_.get(), EPOLLOUT, [this](std::uint32_t) { write_input(); });
    else
        loop_.forget(input_.get());
    if (!waits && input_ended_) close_input();
    for (const auto& [fd, client] : clients_) watch(fd, client);
}

void Attachments::end(int exit_code) {
    for (auto& [fd, client] : clients_) client.leaves = true;
    send(AttachPacket::Ended, std::to_string(exit_code));
}

}  // namespace davit::runtime
