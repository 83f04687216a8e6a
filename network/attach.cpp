#include "base/failpoint.h"
#include "base/scope_guard.h"
#include "network/link_parts.h"
#include "network/links.h"
#include "network/netlink.h"
#include "network/netns.h"
#include "network/sysctl.h"

#include <algorithm>
#include <fmt/format.h>
#include <linux/if_bridge.h>
#include <net/if.h>
#include <poll.h>

namespace davit::network {
namespace {

using Specs = std::vector<AttachSpec>;

bool has_v6(const AttachSpec& spec) {
    return std::any_of(spec.addresses.begin(), spec.addresses.end(),
                       [](const Cidr& one) { return one.address.v6; });
}

/// A network without IPv6 has no use for it in its containers, and nobody may configure them by
/// router advertisements. @source CVE-2024-32473, CVE-2020-13401
void set_ipv6(const Specs& specs) {
    for (const char* scope : {"all", "default"}) {
        const std::string conf = fmt::format("ipv6/conf/{}/", scope);
        set_if_possible(conf + "disable_ipv6", "1");
        set_if_possible(conf + "accept_ra", "0");
        set_if_possible(conf + "autoconf", "0");
    }
    // The loopback keeps ::1, which programs take for granted.
    set_if_possible("ipv6/conf/lo/disable_ipv6", "0");
    for (const AttachSpec& spec : specs) {
        if (!has_v6(spec)) continue;
        const std::string conf = fmt::format("ipv6/conf/{}/", spec.interface);
        // addr_gen_mode 0: the link-local address is made of the MAC address, as the guard expects.
        for (const char* name :
             {"accept_ra", "autoconf", "accept_dad", "addr_gen_mode", "disable_ipv6"})
            set_if_possible(conf + name, "0");
    }
}

/// "net.ipv4.conf.IFNAME.x" as the path below /proc/sys/net; only settings of the interface itself.
/// @errors InvalidInput
Result<std::string> sysctl_path(const std::string& name, const std::string& interface) {
    for (const char* family : {"ipv4", "ipv6", "mpls"}) {
        for (const char* kind : {"conf", "neigh"}) {
            const std::string front = fmt::format("net.{}.{}.IFNAME.", family, kind);
            const std::string rest = name.substr(std::min(front.size(), name.size()));
            if (name.starts_with(front) && rest.find('/') == std::string::npos && !rest.empty())
                return fmt::format("{}/{}/{}/{}", family, kind, interface, rest);
        }
    }
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is no setting of an interface", name))
        .help("write it as net.ipv4.conf.IFNAME.log_martians=1");
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

Result<void> add_inside(const AttachSpec& spec, Batch& batch) {
    const auto index = static_cast<int>(::if_nametoindex(spec.interface.c_str()));
    if (index == 0)
        return Error(ErrorKind::Internal,
                     fmt::format("'{}' is not in the container", spec.interface));
    for (const Cidr& address : spec.addresses)
        batch.add(new_address(index, address),
                  fmt::format("give {} to '{}'", to_string(address), spec.interface));
    if (spec.driver != "macvlan")  // it is already, see set_up_shared
        batch.add(set_up(spec.interface), fmt::format("set '{}' up", spec.interface));
    for (const Ip& gateway : spec.gateways)
        batch.add(new_default_route(index, gateway, gateway.v6),
                  fmt::format("route through {}", to_string(gateway)));
    if (!spec.default_on_link) return {};
    for (const bool v6 : {false, true}) {
        if (!v6 || has_v6(spec))
            batch.add(new_default_route(index, std::nullopt, v6),
                      fmt::format("route through '{}'", spec.interface));
    }
    return {};
}

/// Sets up a link that shares the wire of others. The last run of the container may have had its
/// MAC address: the kernel takes the links of a dead namespace away some 50 ms later, or more.
Result<void> set_up_shared(nl_sock& socket, const AttachSpec& spec) {
    constexpr int kTries = 150;
    constexpr timespec kPause{0, 20'000'000};
    for (int i = 0;; ++i) {
        Batch batch;
        batch.add(set_up(spec.interface), fmt::format("set '{}' up", spec.interface));
        Result<void> done = std::move(batch).commit(socket);
        if (done || done.error().kind() != ErrorKind::Busy) return done;
        if (i == kTries)
            return Error(ErrorKind::Busy, fmt::format("another link on '{}' has the MAC address {}",
                                                      spec.bridge, spec.mac))
                .help("give the service another 'mac_address' on this network");
        ::ppoll(nullptr, 0, &kPause, nullptr);
    }
}

/// The inside of a container's network namespace, on a socket of that namespace: one batch for all
/// interfaces.
Result<void> configure_inside(const UniqueFd& netns, const Specs& specs) {
    const NetnsScope inside = TRY(NetnsScope::enter(netns));
    const NlSock socket = TRY(open_route_socket());
    set_ipv6(specs);
    for (const AttachSpec& spec : specs) {
        for (const auto& [name, value] : spec.sysctls) {
            const std::string path = TRY(sysctl_path(name, spec.interface));
            TRY(set_needed(path, value));
        }
    }
    for (const AttachSpec& spec : specs)
        if (spec.driver == "macvlan") TRY(set_up_shared(*socket, spec));
    Batch batch;
    batch.add(set_up("lo"), "set 'lo' up");
    for (const AttachSpec& spec : specs) TRY(add_inside(spec, batch));
    return std::move(batch).commit(*socket);
}

/// An interface on its way into the container.
struct Port {
    const AttachSpec* spec = nullptr;
    int master = 0;  ///< Index of the bridge or parent.
    bool is_bridged() const { return spec->driver == "bridge"; }
};

Result<std::vector<Port>> find_masters(const Specs& specs) {
    std::vector<Port> ports;
    for (const AttachSpec& spec : specs) {
        TRY(check_link_name(spec.bridge));
        if (spec.driver == "bridge") TRY(check_link_name(spec.host_link));
        TRY(check_link_name(spec.interface));
        const auto master = static_cast<int>(::if_nametoindex(spec.bridge.c_str()));
        if (master == 0)
            return Error(ErrorKind::NotFound,
                         spec.driver == "bridge"
                             ? fmt::format("bridge '{}' does not exist", spec.bridge)
                             : fmt::format("link '{}' does not exist", spec.bridge));
        ports.push_back({&spec, master});
    }
    return ports;
}

void add_links(const std::vector<Port>& ports, const UniqueFd& netns, Batch& batch) {
    for (const Port& port : ports) {
        const AttachSpec& spec = *port.spec;
        if (port.is_bridged()) {
            VethRequest veth;
            veth.name = spec.host_link;
            veth.master = port.master;
            veth.peer = spec.interface;
            veth.peer_netns = netns.get();
            veth.peer_mac = spec.mac;
            veth.mtu = spec.mtu;
            batch.add(new_veth(veth), fmt::format("create veth pair '{}'", spec.host_link));
            continue;
        }
        SharedLinkRequest link;
        link.kind = spec.driver;
        link.mode = spec.mode;
        link.parent = port.master;
        link.name = spec.interface;
        link.netns = netns.get();
        link.mac = spec.mac;
        link.mtu = spec.mtu;
        batch.add(new_shared_link(link), fmt::format("create {} link '{}' on '{}'", spec.driver,
                                                     spec.interface, spec.bridge));
    }
}

void remove_links(nl_sock& socket, const std::vector<Port>& ports) {
    for (const Port& port : ports)
        if (port.is_bridged()) (void)remove_link_by_name(socket, port.spec->host_link);
}

Result<void> create_links(nl_sock& socket, const std::vector<Port>& ports, const UniqueFd& netns) {
    const auto create = [&] {
        Batch batch;
        add_links(ports, netns, batch);
        return std::move(batch).commit(socket);
    };
    Result<void> created = create();
    if (created || created.error().kind() != ErrorKind::AlreadyExists) return created;
    // Of the last run: the kernel takes a dead namespace's links away some 50 ms later.
    remove_links(socket, ports);
    return create();
}

}  // namespace

Result<void> attach(const UniqueFd& netns, const Specs& specs) {
    const std::vector<Port> ports = TRY(find_masters(specs));
    const NlSock socket = TRY(open_route_socket());
    ScopeGuard undo([&] { remove_links(*socket, ports); });
    FAILPOINT("link.make");
    TRY(create_links(*socket, ports, netns));
    FAILPOINT("link.configure");
    Batch configure;
    for (const Port& port : ports) {
        if (!port.is_bridged()) continue;
        const std::string& link = port.spec->host_link;
        set_if_possible(fmt::format("ipv6/conf/{}/disable_ipv6", link), "1");
        configure.add(
            set_port(static_cast<int>(::if_nametoindex(link.c_str())), port.spec->isolated),
            fmt::format("set up bridge port '{}'", link));
    }
    TRY(std::move(configure).commit(*socket));
    FAILPOINT("link.inside");
    TRY_DOING(configure_inside(netns, specs), "configure the container's interfaces");
    for (const Port& port : ports) {
        if (!port.is_bridged()) continue;
        const std::string& link = port.spec->host_link;
        TRY(await_forwarding(*socket, static_cast<int>(::if_nametoindex(link.c_str())), port.master,
                             link));
    }
    undo.commit();
    return {};
}

}  // namespace davit::network
