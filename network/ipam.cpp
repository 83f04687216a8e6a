#include "network/ipam.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::network {
namespace {

std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

/// A pool is at most so many networks: more are never looked at one by one.
constexpr AddressBits kMostNetworks = 65536;

}  // namespace

std::vector<Pool> default_pools() {
    const auto v4 = [](std::uint32_t a, std::uint32_t b, int prefix) {
        return Cidr{{false, a << 24U | b << 16U}, prefix};
    };
    return {{v4(172, 17, 16), 16},
            {v4(172, 18, 15), 16},
            {v4(172, 20, 14), 16},
            {v4(172, 24, 13), 16},
            {v4(192, 168, 16), 20}};
}

Pool local_pool(std::string_view host_id) {
    const AddressBits global = hash_of(host_id) >> 24U;  // 40 bits
    return {{{true, AddressBits{0xfd} << 120U | global << 80U}, 48}, 64};
}

Result<Cidr> pick_subnet(const std::vector<Pool>& pools, const std::vector<Cidr>& taken) {
    std::size_t tried = 0;
    for (const Pool& pool : pools) {
        const auto step = static_cast<unsigned>(pool.base.address.bits() - pool.size);
        const Ip last = pool.base.last();
        Cidr candidate{pool.base.first(), pool.size};
        for (AddressBits count = 0; count < kMostNetworks; ++count) {
            const bool overlaps = std::any_of(taken.begin(), taken.end(), [&](const Cidr& other) {
                return candidate.overlaps(other);
            });
            if (!overlaps) return candidate;
            ++tried;
            if (candidate.last() >= last) break;
            candidate.address.value += AddressBits{1} << step;
        }
    }
    return Error(ErrorKind::Busy, fmt::format("none of the {} networks of the pool is free: each "
                                              "overlaps a route or network of this host",
                                              tried))
        .help(
            "give the network a subnet: networks.default.ipam.config[0].subnet; or name other "
            "pools in /etc/davit/config.yaml: address_pools");
}

Ip gateway_of(const Cidr& subnet) { return {subnet.address.v6, subnet.first().value + 1}; }

bool is_usable(const AddressSpace& space, const Ip& ip) {
    // IPv6 has no broadcast address, but its first one is every router's. @source RFC 4291 §2.6.1
    return space.subnet.contains(ip) && ip != space.subnet.first() &&
           (ip.v6 || ip != space.subnet.last()) && !space.taken.contains(ip);
}

Result<Ip> pick_address(const AddressSpace& space, std::optional<Ip> preferred) {
    if (preferred && is_usable(space, *preferred)) return *preferred;
    const Cidr range = space.range.value_or(space.subnet);
    const Ip last = range.last();
    for (Ip ip = range.first();; ++ip.value) {
        if (is_usable(space, ip)) return ip;
        if (ip >= last) break;
    }
    return Error(ErrorKind::Busy,
                 fmt::format("network {} has no free address left{} ({} are taken)",
                             to_string(space.subnet),
                             space.range ? " in the range " + to_string(*space.range) : "",
                             space.taken.size()))
        .help("remove containers, or give the network a larger subnet");
}

std::string mac_for(const Ip& ip) {
    const auto low = static_cast<std::uint32_t>(ip.value);
    return fmt::format("02:42:{:02x}:{:02x}:{:02x}:{:02x}", low >> 24U, low >> 16U & 255U,
                       low >> 8U & 255U, low & 255U);
}

std::string link_name(std::string_view prefix, std::string_view of) {
    return fmt::format("{}{:010x}", prefix, hash_of(of) >> 24U);
}

}  // namespace davit::network
