#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/event_loop.h"
#include "runtime/relay_datagrams.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace davit::runtime {

/// One published port of the container, as the annotation io.davit.listen lists them:
///
///     [{"protocol":"tcp","host_ip":"","host_port":8080,"target_ip":"172.17.0.2","target_port":80}]
struct ListenPort {
    std::string protocol = "tcp";
    std::string host_ip = {};  ///< Empty: 0.0.0.0 and [::].
    std::uint16_t host_port = 0;
    std::string target_ip = {};
    std::uint16_t target_port = 0;
};

/// @errors InvalidInput
Result<std::vector<ListenPort>> parse_listen_ports(const std::string& json);

/// Holds the host's side of published ports. The sockets reserve the ports: a second program, or a
/// second project, gets "address in use". What nftables forwards never reaches them; what the
/// kernel can't forward ([::1], or anything while the rules are flushed) is relayed to the
/// container, TCP and UDP. SCTP sockets only reserve.
class Relay {
public:
    /// Binds all ports or none. @errors Busy, naming the port and who has it
    static Result<std::unique_ptr<Relay>> open(const std::vector<ListenPort>& ports,
                                               EventLoop& loop);
    ~Relay();
    bool holds_any() const { return !listeners_.empty(); }
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

private:
    struct Listener {
        UniqueFd fd;
        ListenPort port;
        std::unique_ptr<DatagramRelay> datagrams;  ///< Of UDP.
    };
    struct Connection;
    explicit Relay(EventLoop& loop);
    void accept(const Listener& listener);
    void refuse_one(const Listener& listener);
    bool watch(Connection& connection, int fd);
    void pump(Connection& connection);
    void close(Connection& connection);

    EventLoop& loop_;
    UniqueFd spare_;  ///< A descriptor to refuse connections with, when there is no other.
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::map<int, std::unique_ptr<Connection>> connections_;  ///< By the client's descriptor.
};

/// Sockets bound to (and, for TCP, listening on) the host's side of `port`.
/// @errors Busy, naming who has the port
Result<std::vector<UniqueFd>> bind_port(const ListenPort& port);

/// A TCP port of the host that nobody listens on, of the kernel's choice.
Result<std::uint16_t> free_port(const std::string& host_ip, const std::string& protocol);

/// Who listens on `port`: "pid 4121, nginx", or empty where that can't be seen.
std::string listener_on(const std::string& protocol, std::uint16_t port);

}  // namespace davit::runtime
