#pragma once

#include "base/result.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace davit::network {

/// Wide enough for an address of either family.
__extension__ typedef unsigned __int128 AddressBits;

/// An IPv4 or IPv6 address. The number is in host byte order, so that addresses count upward.
struct Ip {
    bool v6 = false;
    AddressBits value = 0;
    auto operator<=>(const Ip&) const = default;

    int bits() const { return v6 ? 128 : 32; }
    /// 4 or 16 bytes in network order, as packets and netlink have them.
    std::string bytes() const;
    /// @param size 4 or 16
    static Ip from_bytes(const void* bytes, std::size_t size);
};

/// A network or an interface's address: the address with the length of its prefix.
struct Cidr {
    Ip address = {};
    int prefix = 0;  ///< 0..32, or 0..128
    auto operator<=>(const Cidr&) const = default;

    Ip first() const;  ///< The network's own address.
    Ip last() const;   ///< Of IPv4: the broadcast address.
    bool contains(const Ip& ip) const {
        return ip.v6 == address.v6 && first() <= ip && ip <= last();
    }
    bool overlaps(const Cidr& other) const {
        return contains(other.first()) || other.contains(first());
    }
};

/// An address of either family. @errors InvalidInput
Result<Ip> parse_ip(std::string_view text);
Result<Cidr> parse_cidr(std::string_view text);
/// @errors InvalidInput for an address of the other family as well
Result<Ip> parse_ipv4(std::string_view text);
std::string to_string(const Ip& ip);
std::string to_string(const Cidr& cidr);

}  // namespace davit::network
