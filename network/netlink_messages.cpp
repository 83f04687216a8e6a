#include "network/netlink.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/ether.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <new>

namespace davit::network {
namespace {

NlMsg new_request(int type, int flags) {
    NlMsg message(nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags));
    if (!message) throw std::bad_alloc();
    return message;
}

template <typename Header>
void append(NlMsg& message, Header header) {
    if (nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0)
        throw std::bad_alloc();
}

NlMsg new_link_request(int type, int flags, unsigned ifi_flags = 0, int index = 0) {
    NlMsg message = new_request(type, flags);
    ifinfomsg info{};
    info.ifi_family = AF_UNSPEC;
    info.ifi_index = index;
    info.ifi_flags = ifi_flags;
    info.ifi_change = ifi_flags;
    append(message, info);
    return message;
}

void put_mac(NlMsg& message, const std::string& mac) {
    ether_addr address{};
    if (::ether_aton_r(mac.c_str(), &address) != nullptr)
        nla_put(message.get(), IFLA_ADDRESS, sizeof address, &address);
}

void put_ip(NlMsg& message, int attribute, const Ip& ip) {
    const std::string bytes = ip.bytes();
    nla_put(message.get(), attribute, static_cast<int>(bytes.size()), bytes.data());
}

unsigned char family_of(bool v6) { return v6 ? AF_INET6 : AF_INET; }

std::uint32_t macvlan_mode(const std::string& name) {
    if (name == "private") return MACVLAN_MODE_PRIVATE;
    if (name == "vepa") return MACVLAN_MODE_VEPA;
    return name == "passthru" ? MACVLAN_MODE_PASSTHRU : MACVLAN_MODE_BRIDGE;
}

std::uint16_t ipvlan_mode(const std::string& name) {
    if (name == "l3") return IPVLAN_MODE_L3;
    return name == "l3s" ? IPVLAN_MODE_L3S : IPVLAN_MODE_L2;
}

/// A nested attribute that ends with the scope.
class Nest {
public:
    Nest(NlMsg& message, int type)
        : message_(message), start_(nla_nest_start(message.get(), type)) {}
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    ~Nest() { nla_nest_end(message_.get(), start_); }

private:
    NlMsg& message_;
    nlattr* start_;
};

/// What is the same for a bridge that is made and one that is there.
void put_bridge(NlMsg& message, const BridgeRequest& request) {
    nla_put_u32(message.get(), IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
    put_mac(message, request.mac);
    const Nest info(message, IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, "bridge");
    const Nest data(message, IFLA_INFO_DATA);
    nla_put_u32(message.get(), IFLA_BR_FORWARD_DELAY, 0);
    nla_put_u32(message.get(), IFLA_BR_STP_STATE, 0);
    nla_put_u8(message.get(), IFLA_BR_MCAST_SNOOPING, 0);
}

NlMsg address_request(int type, int flags, int index, const Cidr& address) {
    NlMsg message = new_request(type, flags);
    ifaddrmsg info{};
    info.ifa_family = family_of(address.address.v6);
    // Nobody else gives these addresses out: asking around would cost a second.
    if (address.address.v6) info.ifa_flags = IFA_F_NODAD;
    info.ifa_prefixlen = static_cast<unsigned char>(address.prefix);
    info.ifa_index = static_cast<unsigned>(index);
    append(message, info);
    put_ip(message, IFA_LOCAL, address.address);
    put_ip(message, IFA_ADDRESS, address.address);
    return message;
}

}  // namespace

NlMsg new_bridge(const BridgeRequest& request) {
    NlMsg message = new_link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    nla_put_string(message.get(), IFLA_IFNAME, request.name.c_str());
    put_bridge(message, request);
    return message;
}

NlMsg set_bridge(int index, const BridgeRequest& request) {
    NlMsg message = new_link_request(RTM_NEWLINK, 0, IFF_UP, index);
    const std::size_t length = std::min<std::size_t>(request.alias.size(), IFALIASZ - 1);
    // Without the closing zero, which the kernel would keep as a part of the alias.
    nla_put(message.get(), IFLA_IFALIAS, static_cast<int>(length), request.alias.data());
    nla_put_u32(message.get(), IFLA_GROUP, group_of_bridge(index));
    put_bridge(message, request);
    return message;
}

std::uint32_t group_of_bridge(int index) {
    // An index is never given to a second link of a namespace. The high bit keeps clear of the
    // small numbers that people give to groups of their own.
    return 0x40000000U | static_cast<std::uint32_t>(index);
}

NlMsg new_veth(const VethRequest& request) {
    NlMsg message = new_link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, IFF_UP);
    nla_put_string(message.get(), IFLA_IFNAME, request.name.c_str());
    nla_put_u32(message.get(), IFLA_MASTER, static_cast<std::uint32_t>(request.master));
    nla_put_u32(message.get(), IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
    nla_put_u32(message.get(), IFLA_GROUP, group_of_bridge(request.master));
    nla_put_u32(message.get(), IFLA_NUM_TX_QUEUES, 1);
    nla_put_u32(message.get(), IFLA_NUM_RX_QUEUES, 1);
    const Nest info(message, IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, "veth");
    const Nest data(message, IFLA_INFO_DATA);
    const Nest peer(message, VETH_INFO_PEER);
    append(message, ifinfomsg{});  // not up: its other end must exist first
    nla_put_string(message.get(), IFLA_IFNAME, request.peer.c_str());
    nla_put_u32(message.get(), IFLA_NET_NS_FD, static_cast<std::uint32_t>(request.peer_netns));
    nla_put_u32(message.get(), IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
    nla_put_u32(message.get(), IFLA_NUM_TX_QUEUES, 1);
    nla_put_u32(message.get(), IFLA_NUM_RX_QUEUES, 1);
    put_mac(message, request.peer_mac);
    return message;
}

NlMsg set_up(const std::string& name) {
    NlMsg message = new_link_request(RTM_NEWLINK, 0, IFF_UP);
    nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
    return message;
}

NlMsg new_shared_link(const SharedLinkRequest& request) {
    NlMsg message = new_link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    nla_put_string(message.get(), IFLA_IFNAME, request.name.c_str());
    nla_put_u32(message.get(), IFLA_LINK, static_cast<std::uint32_t>(request.parent));
    nla_put_u32(message.get(), IFLA_NET_NS_FD, static_cast<std::uint32_t>(request.netns));
    if (request.mtu != 0)
        nla_put_u32(message.get(), IFLA_MTU, static_cast<std::uint32_t>(request.mtu));
    const bool macvlan = request.kind == "macvlan";
    if (macvlan) put_mac(message, request.mac);
    const Nest info(message, IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, request.kind.c_str());
    const Nest data(message, IFLA_INFO_DATA);
    if (macvlan)
        nla_put_u32(message.get(), IFLA_MACVLAN_MODE, macvlan_mode(request.mode));
    else
        nla_put_u16(message.get(), IFLA_IPVLAN_MODE, ipvlan_mode(request.mode));
    return message;
}

NlMsg new_parent(const ParentRequest& request) {
    NlMsg message = new_link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, IFF_UP);
    nla_put_string(message.get(), IFLA_IFNAME, request.name.c_str());
    if (request.parent != 0)
        nla_put_u32(message.get(), IFLA_LINK, static_cast<std::uint32_t>(request.parent));
    const Nest info(message, IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, request.parent != 0 ? "vlan" : "dummy");
    if (request.parent == 0) return message;
    const Nest data(message, IFLA_INFO_DATA);
    nla_put_u16(message.get(), IFLA_VLAN_ID, request.id);
    return message;
}

NlMsg set_alias(const std::string& name, const std::string& alias) {
    NlMsg message = new_link_request(RTM_NEWLINK, 0, IFF_UP);
    nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
    const std::size_t length = std::min<std::size_t>(alias.size(), IFALIASZ - 1);
    nla_put(message.get(), IFLA_IFALIAS, static_cast<int>(length), alias.data());
    return message;
}

NlMsg set_port(int index, bool isolated) {
    NlMsg message = new_request(RTM_SETLINK, 0);
    ifinfomsg info{};
    info.ifi_family = AF_BRIDGE;
    info.ifi_index = index;
    append(message, info);
    const Nest port(message, IFLA_PROTINFO | NLA_F_NESTED);
    nla_put_u8(message.get(), IFLA_BRPORT_MODE, 1);
    nla_put_u8(message.get(), IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
    return message;
}

NlMsg remove_link(const std::string& name) {
    NlMsg message = new_link_request(RTM_DELLINK, 0);
    nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
    return message;
}

NlMsg remove_group(std::uint32_t group) {
    NlMsg message = new_link_request(RTM_DELLINK, 0);
    nla_put_u32(message.get(), IFLA_GROUP, group);
    return message;
}

NlMsg new_address(int index, const Cidr& address) {
    NlMsg message = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
    if (!address.address.v6 && address.prefix < 31) put_ip(message, IFA_BROADCAST, address.last());
    return message;
}

NlMsg remove_address(int index, const Cidr& address) {
    return address_request(RTM_DELADDR, 0, index, address);
}

NlMsg new_default_route(int index, const std::optional<Ip>& gateway, bool v6) {
    NlMsg message = new_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
    rtmsg info{};
    info.rtm_family = family_of(v6);
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = RTPROT_BOOT;
    info.rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    info.rtm_type = RTN_UNICAST;
    append(message, info);
    if (gateway) put_ip(message, RTA_GATEWAY, *gateway);
    nla_put_u32(message.get(), RTA_OIF, static_cast<std::uint32_t>(index));
    return message;
}

}  // namespace davit::network
