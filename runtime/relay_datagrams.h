#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/event_loop.h"
#include "runtime/socket_address.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace davit::runtime {

/// Passes the datagrams that come to a socket on to a container, and its answers back: each client
/// has a socket of its own towards the container, as long as something comes and goes.
class DatagramRelay {
public:
    /// `listener` stays the caller's, and must outlive the relay.
    static Result<std::unique_ptr<DatagramRelay>> open(int listener, SocketAddress target,
                                                       EventLoop& loop);
    ~DatagramRelay();
    DatagramRelay(const DatagramRelay&) = delete;
    DatagramRelay& operator=(const DatagramRelay&) = delete;

private:
    using Clock = std::chrono::steady_clock;
    struct Session {
        UniqueFd server;
        std::string client;  ///< Its address, as the kernel writes it.
        std::string local;   ///< The control message that says where it has sent to.
        Clock::time_point used = {};
    };

    DatagramRelay(int listener, SocketAddress target, EventLoop& loop, Timer timer)
        : listener_(listener), target_(target), loop_(loop), timer_(std::move(timer)) {}
    void on_client();
    void on_server(Session& session);
    Session* session_of(const std::string& client);
    void forget_idle();
    void make_room();

    int listener_;
    SocketAddress target_;
    EventLoop& loop_;
    Timer timer_;
    std::map<std::string, std::unique_ptr<Session>> sessions_;  ///< By client.
};

}  // namespace davit::runtime
