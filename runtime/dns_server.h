#pragma once

#include "base/unique_fd.h"
#include "runtime/dns_packet.h"
#include "runtime/dns_zone.h"
#include "runtime/event_loop.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace davit::runtime {

/// The name server of one container: 127.0.0.11 inside its network namespace, by UDP and TCP, so
/// that nobody but the container can ask. Names of its networks are answered here; others are
/// passed to the host's servers, from the host's namespace.
class DnsServer {
public:
    /// Brings the loopback of `netns` up and binds the sockets there. The loop must outlive it.
    /// @errors Busy where the port is taken
    static Result<std::unique_ptr<DnsServer>> open(DnsSettings settings, const UniqueFd& netns,
                                                   EventLoop& loop);
    ~DnsServer();
    DnsServer(const DnsServer&) = delete;
    DnsServer& operator=(const DnsServer&) = delete;

    /// Takes the container's own names away: it has ended, and answers no longer.
    void withdraw() const;

private:
    using Clock = std::chrono::steady_clock;

    /// Who asked: an address for UDP, a connection for TCP.
    struct Asker {
        std::string address = {};  ///< sockaddr bytes; empty: TCP.
        int connection = -1;
        unsigned long long connection_id = 0;
    };
    /// A question that is out with a server of the world.
    struct Pending {
        dns::Query query;
        std::string packet;  ///< As the client sent it.
        Asker asker;
        std::vector<std::string> servers;
        std::size_t server = 0;
        UniqueFd socket = {};
        std::uint16_t id = 0;
        bool tcp = false;
        std::string out = {};  ///< TCP: not yet sent.
        std::string in = {};   ///< TCP: not yet whole.
        Clock::time_point deadline = {};
    };
    struct Connection {
        UniqueFd socket = {};
        unsigned long long id = 0;
        std::string in = {};
        std::string out = {};
        Clock::time_point deadline = {};
    };

    DnsServer(DnsSettings settings, UniqueFd netns, EventLoop& loop, Timer timer);
    Result<void> bind(const UniqueFd& netns);
    void on_datagrams();
    void on_connect();
    void on_stream(int fd, std::uint32_t events);
    void on_answer(int fd, std::uint32_t events);
    void on_timer();
    void rearm();

    void handle(const std::string& packet, const Asker& asker);
    std::optional<std::string> answer_locally(const dns::Query& query, std::size_t limit);
    std::string addresses_answer(const dns::Query& query, std::vector<std::string> addresses,
                                 std::size_t limit);
    void forward(dns::Query query, const std::string& packet, const Asker& asker);
    bool ask_next(Pending pending);
    void give_up(const Pending& pending);
    void finish(int fd, std::string answer);
    void reply(const Asker& asker, const std::string& packet);
    void flush(Connection& connection);
    void drop_connection(int fd);
    const std::vector<std::string>& world_servers();

    DnsSettings settings_;
    UniqueFd netns_;  ///< For servers that are the container's own loopback.
    EventLoop& loop_;
    Timer timer_;
    DnsNames names_;
    UniqueFd udp_;
    UniqueFd tcp_;
    std::map<int, Pending> pending_;         ///< By the upstream socket.
    std::map<int, Connection> connections_;  ///< By descriptor.
    unsigned long long next_connection_ = 0;
    unsigned turn_ = 0;  ///< Which replica comes first in the next answer.
    std::vector<std::string> host_servers_;
    timespec host_changed_ = {};
    ino_t host_inode_ = 0;
};

}  // namespace davit::runtime
