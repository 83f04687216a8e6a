#include "network/links.h"

#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "network/ipam.h"
#include "network/netlink.h"
#include "network/netns.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <linux/if_bridge.h>
#include <net/if.h>
#include <poll.h>

namespace davit::network {
namespace {

constexpr std::size_t kLongestName = 15;

/// libnl and the kernel cut longer names without a word.
Result<void> check_name(const std::string& name) {
    if (!name.empty() && name.size() <= kLongestName) return {};
    return Error(
        ErrorKind::InvalidInput,
        fmt::format("link name '{}' does not have 1 to {} characters", name, kLongestName));
}

/// A setting that may be missing in this kernel or forbidden in this container of davit's own.
void set_if_possible(const std::string& path, std::string_view value) {
    if (!exists(path)) return;
    if (const Result<void> done = write_control_file(path, value); !done)
        log::debug("network", "{}, ignoring", done.error().to_string());
}

Result<void> set_needed(const std::string& path, std::string_view value) {
    const Result<std::string> now = read_file(path);
    if (now && now->starts_with(value)) return {};  // also where /proc/sys is read-only
    return write_control_file(path, value);
}

Result<void> set_bridge_sysctls(const std::string& bridge) {
    TRY(set_needed("/proc/sys/net/ipv4/ip_forward", "1"));
    // 127.0.0.1 of the host reaches containers by destination NAT; see docs/network.md.
    TRY(set_needed(fmt::format("/proc/sys/net/ipv4/conf/{}/route_localnet", bridge), "1"));
    // Nothing that a container says may configure the host.
    const std::string v6 = fmt::format("/proc/sys/net/ipv6/conf/{}/", bridge);
    for (const char* name : {"accept_ra", "accept_dad", "autoconf"})
        set_if_possible(v6 + name, "0");
    return {};
}

/// An IPv4 network has no use for IPv6 in its containers. @source CVE-2024-32473
void turn_ipv6_off() {
    for (const char* scope : {"all", "default"})
        set_if_possible(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", scope), "1");
    // The loopback keeps ::1, which programs take for granted.
    set_if_possible("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0");
}

/// Waits until the bridge forwards what comes from this port, and, at its first port, until the
/// host can answer through it: an ARP request that is sent earlier is lost, or its answer is, and
/// the next one follows after a second.
Result<void> await_forwarding(nl_sock& socket, int index, int bridge, const std::string& name) {
    constexpr int kTries = 2000;
    bool forwards = false;
    for (int i = 0; i < kTries; ++i) {
        forwards = forwards || TRY(look_up_link(socket, index)).port_state == BR_STATE_FORWARDING;
        if (forwards && TRY(look_up_link(socket, bridge)).operational) return {};
        // The state changes within microseconds of the far end coming up; half a millisecond a try.
        const timespec pause{0, 500000};
        ::ppoll(nullptr, 0, &pause, nullptr);
    }
    return Error(ErrorKind::TimedOut, fmt::format("bridge port '{}' does not forward", name));
}

/// The inside of a container's network namespace, on a socket of that namespace.
Result<void> configure_inside(const UniqueFd& netns, const AttachSpec& spec) {
    const NetnsScope inside = TRY(NetnsScope::enter(netns));
    const NlSock socket = TRY(open_route_socket());
    turn_ipv6_off();
    const auto index = static_cast<int>(::if_nametoindex(spec.interface.c_str()));
    if (index == 0)
        return Error(ErrorKind::Internal,
                     fmt::format("'{}' is not in the container", spec.interface));
    Batch batch;
    batch.add(set_up("lo"), "set 'lo' up");
    batch.add(new_address(index, spec.address),
              fmt::format("give {} to '{}'", to_string(spec.address), spec.interface));
    batch.add(set_up(spec.interface), fmt::format("set '{}' up", spec.interface));
    batch.add(new_default_route(index, spec.gateway),
              fmt::format("route through {}", to_string(spec.gateway)));
    return std::move(batch).commit(*socket);
}

/// Sends one removal. What is gone already is fine.
Result<void> remove(nl_sock& socket, NlMsg request, std::string what) {
    Batch batch;
    batch.add(std::move(request), std::move(what));
    Result<void> removed = std::move(batch).commit(socket);
    if (!removed && removed.error().kind() == ErrorKind::NotFound) return {};
    return removed;
}

Result<void> remove_by_name(nl_sock& socket, const std::string& name) {
    return remove(socket, remove_link(name), fmt::format("remove link '{}'", name));
}

/// Makes the bridge, or makes sure that what has its name is one. Returns its index.
Result<int> find_or_make_bridge(nl_sock& socket, const BridgeRequest& request) {
    Batch create;
    create.add(new_bridge(request), fmt::format("create bridge '{}'", request.name));
    const Result<void> created = std::move(create).commit(socket);
    if (!created && created.error().kind() != ErrorKind::AlreadyExists) return created.error();
    const auto index = static_cast<int>(::if_nametoindex(request.name.c_str()));
    if (index == 0)
        return Error(ErrorKind::Busy, fmt::format("bridge '{}' is being removed", request.name))
            .help("try again");
    if (!created && TRY(look_up_link(socket, index)).kind != "bridge")
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("there is a link '{}' that is not a bridge", request.name))
            .help(fmt::format("remove it: ip link delete {}", request.name));
    return index;
}

}  // namespace

Result<void> ensure_bridge(const BridgeSpec& spec) {
    TRY(check_name(spec.name));
    const NlSock socket = TRY(open_route_socket());
    const BridgeRequest request{.name = spec.name,
                                .alias = spec.alias,
                                .mac = mac_for(spec.address.address),
                                .mtu = spec.mtu};
    const int index = TRY(find_or_make_bridge(*socket, request));
    TRY(set_bridge_sysctls(spec.name));
    const std::vector<AddressFacts> addresses = TRY(dump_addresses(*socket));
    Batch configure;
    // Of a network that has had another subnet: its route would catch what is meant for others.
    for (const AddressFacts& old : addresses) {
        if (old.link == index && old.address != spec.address)
            configure.add(remove_address(index, old.address),
                          fmt::format("take {} from '{}'", to_string(old.address), spec.name));
    }
    configure.add(new_address(index, spec.address),
                  fmt::format("give {} to bridge '{}'", to_string(spec.address), spec.name));
    configure.add(set_bridge(index, request), fmt::format("set bridge '{}' up", spec.name));
    return std::move(configure).commit(*socket);
}

Result<void> remove_bridge(const std::string& name) {
    TRY(check_name(name));
    const auto index = static_cast<int>(::if_nametoindex(name.c_str()));
    if (index == 0) return {};
    const NlSock socket = TRY(open_route_socket());
    const Result<LinkFacts> link = look_up_link(*socket, index);
    if (!link && link.error().kind() == ErrorKind::NotFound) return {};
    if (!link) return link.error();
    if (link->kind != "bridge")
        return Error(ErrorKind::InvalidInput, fmt::format("link '{}' is not a bridge", name));
    TRY(remove(*socket, remove_group(group_of_bridge(index)),
               fmt::format("remove bridge '{}' and its ports", name)));
    // Where davit was killed between making the bridge and giving it its group.
    return remove_by_name(*socket, name);
}

Result<bool> link_exists(const std::string& name) {
    if (name.empty()) return false;
    if (::if_nametoindex(name.c_str()) != 0) return true;
    if (errno == ENODEV) return false;
    const int error_number = errno;
    return Error::from_errno(error_number, "if_nametoindex(3)").doing("look for link '{}'", name);
}

Result<void> attach(const UniqueFd& netns, const AttachSpec& spec) {
    TRY(check_name(spec.bridge));
    TRY(check_name(spec.host_link));
    TRY(check_name(spec.interface));
    const auto bridge = static_cast<int>(::if_nametoindex(spec.bridge.c_str()));
    if (bridge == 0)
        return Error(ErrorKind::NotFound, fmt::format("bridge '{}' does not exist", spec.bridge));
    const NlSock socket = TRY(open_route_socket());
    VethRequest veth;
    veth.name = spec.host_link;
    veth.master = bridge;
    veth.peer = spec.interface;
    veth.peer_netns = netns.get();
    veth.peer_mac = spec.mac;
    veth.mtu = spec.mtu;
    const auto create = [&] {
        Batch batch;
        batch.add(new_veth(veth), fmt::format("create veth pair '{}'", spec.host_link));
        return std::move(batch).commit(*socket);
    };
    Result<void> created = create();
    if (!created && created.error().kind() == ErrorKind::AlreadyExists) {
        // Of the last run: the kernel takes a dead namespace's links away some 50 ms later.
        TRY(remove_by_name(*socket, spec.host_link));
        created = create();
    }
    if (!created) return created;
    ScopeGuard undo([&] { (void)remove_by_name(*socket, spec.host_link); });

    const auto port = static_cast<int>(::if_nametoindex(spec.host_link.c_str()));
    set_if_possible(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", spec.host_link), "1");
    Batch configure;
    configure.add(set_hairpin(port), fmt::format("set hairpin mode of '{}'", spec.host_link));
    TRY(std::move(configure).commit(*socket));
    TRY_DOING(configure_inside(netns, spec), "configure '{}' in the container", spec.interface);
    TRY(await_forwarding(*socket, port, bridge, spec.host_link));
    undo.commit();
    return {};
}

Result<void> loopback_up(const UniqueFd& netns) {
    const NetnsScope inside = TRY(NetnsScope::enter(netns));
    const NlSock socket = TRY(open_route_socket());
    Batch batch;
    batch.add(set_up("lo"), "set 'lo' up");
    return std::move(batch).commit(*socket);
}

Result<std::vector<Cidr4>> used_subnets() {
    const NlSock socket = TRY(open_route_socket());
    std::vector<Cidr4> used;
    const std::vector<AddressFacts> addresses = TRY(dump_addresses(*socket));
    for (const AddressFacts& one : addresses) used.push_back(one.address);
    const std::vector<RouteFacts> routes = TRY(dump_routes(*socket));
    for (const RouteFacts& route : routes) {
        // The default route covers everything and means nothing here; so do a VPN's two halves.
        if (route.destination.prefix > 1) used.push_back(route.destination);
    }
    return used;
}

Result<int> uplink_mtu() {
    constexpr int kUsual = 1500;
    const NlSock socket = TRY(open_route_socket());
    const std::vector<RouteFacts> routes = TRY(dump_routes(*socket));
    const auto uplink = std::find_if(routes.begin(), routes.end(), [](const RouteFacts& route) {
        return route.destination.prefix == 0 && route.link != 0;
    });
    if (uplink == routes.end()) return kUsual;
    const LinkFacts link = TRY(look_up_link(*socket, uplink->link));
    return link.mtu >= 576 && link.mtu <= 65535 ? link.mtu : kUsual;
}

}  // namespace davit::network
