#pragma once

#include "base/unique_fd.h"

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace davit::testing {

/// Plain sockets with bounded waits, for tests that ask the network itself.
inline sockaddr_in socket_address(const std::string& ip, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
    return address;
}

/// A listening TCP socket in the calling thread's network namespace; closed on failure.
inline UniqueFd listen_on(const std::string& ip, std::uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = socket_address(ip, port);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1 ||
        ::listen(fd.get(), 8) == -1)
        fd.reset();
    return fd;
}

/// Whether a connection to ip:port arrives at `listener` within `timeout_ms`.
inline bool reaches(const std::string& ip, std::uint16_t port, const UniqueFd& listener,
                    int timeout_ms = 2000) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in address = socket_address(ip, port);
    (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    pollfd waiting{listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) != 1) return false;
    const UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(accepted);
}

}  // namespace davit::testing
