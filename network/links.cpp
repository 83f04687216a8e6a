#include "network/links.h"

#include "base/failpoint.h"
#include "network/ipam.h"
#include "network/link_parts.h"
#include "network/netlink.h"
#include "network/netns.h"
#include "network/sysctl.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <net/if.h>

// Bridges, and what the host knows of links and routes. Containers are attached in attach.cpp.

namespace davit::network {
namespace {

constexpr std::size_t kLongestName = 15;

Result<void> set_bridge_sysctls(const BridgeSpec& spec, bool v6) {
    TRY(turn_forwarding_on(v6));
    // 127.0.0.1 of the host reaches containers by destination NAT; see docs/network.md.
    TRY(set_needed(fmt::format("ipv4/conf/{}/route_localnet", spec.name), "1"));
    // Nothing that a container says may configure the host.
    const std::string conf = fmt::format("ipv6/conf/{}/", spec.name);
    for (const char* name : {"accept_ra", "accept_dad", "autoconf"})
        set_if_possible(conf + name, "0");
    set_if_possible(conf + "disable_ipv6", v6 ? "0" : "1");
    return {};
}

/// Whether a bridge of that name and alias is davit's. A name may be the user's choice, and then
/// be that of a bridge of the host.
bool is_ours(const LinkFacts& bridge, const std::string& alias) {
    constexpr std::size_t kLongestAlias = 255;  // IFALIASZ, without its zero
    return bridge.name.starts_with("dvb-") ||
           (!alias.empty() && bridge.alias == alias.substr(0, kLongestAlias));
}

/// Makes the bridge, or makes sure that what has its name is one of davit's. Returns its index.
Result<int> find_or_make_bridge(nl_sock& socket, const BridgeRequest& request) {
    Batch create;
    create.add(new_bridge(request), fmt::format("create bridge '{}'", request.name));
    const Result<void> created = std::move(create).commit(socket);
    if (!created && created.error().kind() != ErrorKind::AlreadyExists) return created.error();
    const auto index = static_cast<int>(::if_nametoindex(request.name.c_str()));
    if (index == 0)
        return Error(ErrorKind::Busy, fmt::format("bridge '{}' is being removed", request.name))
            .help("try again");
    if (created) return index;
    const LinkFacts there = TRY(look_up_link(socket, index));
    if (there.kind != "bridge")
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("there is a link '{}' that is not a bridge", request.name))
            .help(fmt::format("remove it: ip link delete {}", request.name));
    // Its addresses would be taken away, and it would be removed with the network.
    if (!is_ours(there, request.alias))
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("there is a bridge '{}' that is not of network '{}'", request.name,
                                 request.alias))
            .help(fmt::format("choose another com.docker.network.bridge.name, or remove it: ip "
                              "link delete {}",
                              request.name));
    return index;
}

/// fe80::/10: each link makes its own.
bool is_link_local(const Ip& ip) { return ip.v6 && ip.value >> 118U == 0x3fa; }

}  // namespace

Result<void> check_link_name(const std::string& name) {
    if (!name.empty() && name.size() <= kLongestName) return {};
    return Error(
        ErrorKind::InvalidInput,
        fmt::format("link name '{}' does not have 1 to {} characters", name, kLongestName));
}

Result<void> remove_link_by_name(nl_sock& socket, const std::string& name) {
    return send_removal(socket, remove_link(name), fmt::format("remove link '{}'", name));
}

Result<void> send_removal(nl_sock& socket, NlMsg request, std::string what) {
    Batch batch;
    batch.add(std::move(request), std::move(what));
    Result<void> removed = std::move(batch).commit(socket);
    if (!removed && (removed.error().kind() == ErrorKind::NotFound ||
                     removed.error().error_number() == EADDRNOTAVAIL))
        return {};
    return removed;
}

Result<void> ensure_bridge(const BridgeSpec& spec) {
    TRY(check_link_name(spec.name));
    const NlSock socket = TRY(open_route_socket());
    BridgeRequest request;
    request.name = spec.name;
    request.alias = spec.alias;
    request.mac = mac_for(spec.addresses.empty() ? Ip{} : spec.addresses.front().address);
    request.mtu = spec.mtu;
    FAILPOINT("bridge.make");
    const int index = TRY(find_or_make_bridge(*socket, request));
    FAILPOINT("bridge.configure");
    const bool v6 = std::any_of(spec.addresses.begin(), spec.addresses.end(),
                                [](const Cidr& one) { return one.address.v6; });
    TRY(set_bridge_sysctls(spec, v6));
    const std::vector<AddressFacts> addresses = TRY(dump_addresses(*socket));
    // Of a network that has had another subnet: its route would catch what is meant for others.
    for (const AddressFacts& old : addresses) {
        const auto& wanted = spec.addresses;
        if (old.link == index && !is_link_local(old.address.address) &&
            std::find(wanted.begin(), wanted.end(), old.address) == wanted.end())
            TRY(send_removal(*socket, remove_address(index, old.address),
                             fmt::format("take {} from '{}'", to_string(old.address), spec.name)));
    }
    Batch configure;
    for (const Cidr& address : spec.addresses)
        configure.add(new_address(index, address),
                      fmt::format("give {} to bridge '{}'", to_string(address), spec.name));
    configure.add(set_bridge(index, request), fmt::format("set bridge '{}' up", spec.name));
    return std::move(configure).commit(*socket);
}

Result<void> remove_bridge(const std::string& name, const std::string& alias) {
    TRY(check_link_name(name));
    const auto index = static_cast<int>(::if_nametoindex(name.c_str()));
    if (index == 0) return {};
    const NlSock socket = TRY(open_route_socket());
    const Result<LinkFacts> link = look_up_link(*socket, index);
    if (!link && link.error().kind() == ErrorKind::NotFound) return {};
    if (!link) return link.error();
    if (link->kind != "bridge")
        return Error(ErrorKind::InvalidInput, fmt::format("link '{}' is not a bridge", name));
    if (!is_ours(*link, alias)) return {};
    FAILPOINT("bridge.remove");
    TRY(send_removal(*socket, remove_group(group_of_bridge(index)),
                     fmt::format("remove bridge '{}' and its ports", name)));
    // Where davit was killed between making the bridge and giving it its group.
    return remove_link_by_name(*socket, name);
}

Result<bool> link_exists(const std::string& name) {
    if (name.empty()) return false;
    if (::if_nametoindex(name.c_str()) != 0) return true;
    if (errno == ENODEV) return false;
    const int error_number = errno;
    return Error::from_errno(error_number, "if_nametoindex(3)").doing("look for link '{}'", name);
}

Result<void> loopback_up(const UniqueFd& netns) {
    const NetnsScope inside = TRY(NetnsScope::enter(netns));
    const NlSock socket = TRY(open_route_socket());
    Batch batch;
    batch.add(set_up("lo"), "set 'lo' up");
    return std::move(batch).commit(*socket);
}

Result<std::vector<Cidr>> used_subnets(const std::string& except) {
    const int own = except.empty() ? 0 : static_cast<int>(::if_nametoindex(except.c_str()));
    const NlSock socket = TRY(open_route_socket());
    std::vector<Cidr> used;
    const std::vector<AddressFacts> addresses = TRY(dump_addresses(*socket));
    for (const AddressFacts& one : addresses)
        if (own == 0 || one.link != own) used.push_back(one.address);
    const std::vector<RouteFacts> routes = TRY(dump_routes(*socket));
    for (const RouteFacts& route : routes) {
        // The default route covers everything and means nothing here; so do a VPN's two halves.
        if (route.destination.prefix > 1 && (own == 0 || route.link != own))
            used.push_back(route.destination);
    }
    return used;
}

Result<int> uplink_mtu() {
    constexpr int kUsual = 1500;
    const NlSock socket = TRY(open_route_socket());
    const std::vector<RouteFacts> routes = TRY(dump_routes(*socket));
    const auto uplink = std::find_if(routes.begin(), routes.end(), [](const RouteFacts& route) {
        return route.destination.prefix == 0 && !route.destination.address.v6 && route.link != 0;
    });
    if (uplink == routes.end()) return kUsual;
    const LinkFacts link = TRY(look_up_link(*socket, uplink->link));
    return link.mtu >= 576 && link.mtu <= 65535 ? link.mtu : kUsual;
}

}  // namespace davit::network
