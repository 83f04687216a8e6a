#pragma once

#include "tests/network/lab.h"

#include <cstring>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

/// Packets that an honest container would not send, and sockets that notice them.
namespace davit::network::testing {

inline UniqueFd udp_in(const UniqueFd& netns) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

inline bool bind_any(const UniqueFd& fd, std::uint16_t port) {
    const sockaddr_in address = davit::testing::socket_address("0.0.0.0", port);
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

inline bool has_mail(const UniqueFd& fd, int timeout_ms) {
    pollfd waiting{fd.get(), POLLIN, 0};
    return ::poll(&waiting, 1, timeout_ms) == 1;
}

inline std::uint16_t checksum_of(const iphdr& header) {
    std::uint16_t words[sizeof header / 2];
    std::memcpy(words, &header, sizeof header);
    std::uint32_t sum = 0;
    for (const std::uint16_t word : words) sum += word;
    sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~(sum + (sum >> 16U)));
}

/// Sends one UDP packet out of `eth0` of `netns` to the gateway's MAC address, past that
/// namespace's own routing, as a container with NET_RAW can.
inline bool forge_packet(const UniqueFd& netns, const char* from, const char* to,
                         std::uint16_t port) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    struct Packet {
        iphdr ip;
        udphdr udp;
    } packet{};
    packet.ip.version = 4;
    packet.ip.ihl = 5;
    packet.ip.ttl = 9;
    packet.ip.protocol = IPPROTO_UDP;
    packet.ip.tot_len = htons(sizeof packet);
    packet.ip.saddr = davit::testing::socket_address(from, 0).sin_addr.s_addr;
    packet.ip.daddr = davit::testing::socket_address(to, 0).sin_addr.s_addr;
    packet.ip.check = checksum_of(packet.ip);
    packet.udp.uh_sport = htons(1234);
    packet.udp.uh_dport = htons(port);
    packet.udp.uh_ulen = htons(sizeof packet.udp);
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_IP);
    link.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    link.sll_halen = 6;
    const unsigned char gateway[] = {0x02, 0x42, 172, 17, 0, 1};
    std::memcpy(link.sll_addr, gateway, sizeof gateway);
    const UniqueFd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ::sendto(fd.get(), &packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&link),
                    sizeof link) == static_cast<ssize_t>(sizeof packet);
}

/// Sends a whole frame out of `eth0` of `netns`, with its header as given.
inline bool send_frame(const UniqueFd& netns, const std::string& frame) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    const UniqueFd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    return ::sendto(fd.get(), frame.data(), frame.size(), 0,
                    reinterpret_cast<const sockaddr*>(&link),
                    sizeof link) == static_cast<ssize_t>(frame.size());
}

/// Says from `eth0` of `netns`, to all of its network, that it is the router for everything.
/// @source RFC 4861 §4.2
inline bool advertise_router(const UniqueFd& netns) {
    const Result<NetnsScope> inside = NetnsScope::enter(netns);
    const UniqueFd fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
    nd_router_advert advert{};
    advert.nd_ra_type = ND_ROUTER_ADVERT;
    advert.nd_ra_router_lifetime = htons(1800);
    // Receivers take none from farther away; the kernel fills the checksum in.
    const int hops = 255;
    const auto link = static_cast<int>(::if_nametoindex("eth0"));
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &link, sizeof link);
    sockaddr_in6 all{};
    all.sin6_family = AF_INET6;
    ::inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
    return ::sendto(fd.get(), &advert, sizeof advert, 0, reinterpret_cast<const sockaddr*>(&all),
                    sizeof all) == static_cast<ssize_t>(sizeof advert);
}

}  // namespace davit::network::testing
