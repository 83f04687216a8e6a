#pragma once

#include <cstdint>
#include <string>
#include <sys/socket.h>

namespace davit::runtime {

/// An address of either family as the kernel takes it.
struct SocketAddress {
    sockaddr_storage storage = {};
    socklen_t length = 0;  ///< 0: none.
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// "172.17.0.2" or "fd00::2" and a port; none where `ip` is no address.
SocketAddress make_address(const std::string& ip, std::uint16_t port);

}  // namespace davit::runtime
