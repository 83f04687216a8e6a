#include "network/ipam.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::network {

std::vector<Cidr4> default_pool() {
    std::vector<Cidr4> pool;
    for (std::uint32_t second = 17; second <= 31; ++second)
        pool.push_back({{172U << 24U | second << 16U}, 16});
    for (std::uint32_t third = 0; third < 256; third += 16)
        pool.push_back({{192U << 24U | 168U << 16U | third << 8U}, 20});
    return pool;
}

Result<Cidr4> pick_subnet(const std::vector<Cidr4>& pool, const std::vector<Cidr4>& taken) {
    for (const Cidr4& candidate : pool) {
        const bool overlaps = std::any_of(taken.begin(), taken.end(), [&](const Cidr4& other) {
            return candidate.overlaps(other);
        });
        if (!overlaps) return candidate;
    }
    return Error(ErrorKind::Busy, fmt::format("none of the {} networks of the pool is free: each "
                                              "overlaps a route or network of this host",
                                              pool.size()))
        .help("give the network a subnet: networks.default.ipam.config[0].subnet");
}

Ipv4 gateway_of(const Cidr4& subnet) { return {subnet.first().value + 1}; }

Result<Ipv4> pick_address(const Cidr4& subnet, const std::set<Ipv4>& taken,
                          std::optional<Ipv4> preferred) {
    const Ipv4 gateway = gateway_of(subnet);
    const Ipv4 last = subnet.last();
    const auto usable = [&](Ipv4 ip) {
        return subnet.first() < ip && ip < last && ip != gateway && !taken.contains(ip);
    };
    if (preferred && usable(*preferred)) return *preferred;
    for (Ipv4 ip{subnet.first().value + 1}; ip < last; ++ip.value) {
        if (usable(ip)) return ip;
    }
    return Error(ErrorKind::Busy, fmt::format("network {} has no free address left ({} are taken)",
                                              to_string(subnet), taken.size()))
        .help("remove containers, or give the network a larger subnet");
}

std::string mac_for(Ipv4 ip) {
    return fmt::format("02:42:{:02x}:{:02x}:{:02x}:{:02x}", ip.value >> 24U, ip.value >> 16U & 255U,
                       ip.value >> 8U & 255U, ip.value & 255U);
}

std::string link_name(std::string_view prefix, std::string_view of) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : of) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return fmt::format("{}{:010x}", prefix, hash >> 24U);
}

}  // namespace davit::network
