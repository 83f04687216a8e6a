#pragma once

#include "base/result.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace davit::network {

/// An IPv4 address. The number is in host byte order, so that addresses count upward.
struct Ipv4 {
    std::uint32_t value = 0;
    auto operator<=>(const Ipv4&) const = default;
};

/// A network or an interface's address: the address with the length of its prefix.
struct Cidr4 {
    Ipv4 address = {};
    int prefix = 0;  ///< 0..32
    auto operator<=>(const Cidr4&) const = default;

    Ipv4 first() const;  ///< The network's own address.
    Ipv4 last() const;   ///< The broadcast address.
    bool contains(Ipv4 ip) const { return first() <= ip && ip <= last(); }
    bool overlaps(const Cidr4& other) const {
        return contains(other.first()) || other.contains(first());
    }
};

/// @errors InvalidInput
Result<Ipv4> parse_ipv4(std::string_view text);
Result<Cidr4> parse_cidr4(std::string_view text);
std::string to_string(Ipv4 ip);
std::string to_string(const Cidr4& cidr);

}  // namespace davit::network
