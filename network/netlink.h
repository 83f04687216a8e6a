#pragma once

#include "base/result.h"
#include "network/address.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct nl_msg;
struct nl_sock;

namespace davit::network {

struct NlSockFree {
    void operator()(nl_sock* socket) const noexcept;
};
struct NlMsgFree {
    void operator()(nl_msg* message) const noexcept;
};
using NlSock = std::unique_ptr<nl_sock, NlSockFree>;
using NlMsg = std::unique_ptr<nl_msg, NlMsgFree>;

/// Opens a NETLINK_ROUTE socket in the network namespace of the calling thread.
Result<NlSock> open_route_socket();

// Requests as values: making one touches nothing. Links are named, or given by index where one is
// known. @source rtnetlink(7), linux/if_link.h

struct BridgeRequest {
    std::string name = {};
    std::string alias = {};  ///< The kernel takes 255 bytes: the rest is cut.
    std::string mac = {};
    int mtu = 1500;
};
/// A bridge without spanning tree and forward delay: its ports forward at once.
NlMsg new_bridge(const BridgeRequest& request);
/// Brings the bridge `index` to the state of `request`, and up. Needed after `new_bridge` as well:
/// the kernel ignores an alias in the message that makes a link.
NlMsg set_bridge(int index, const BridgeRequest& request);

/// The link group of the bridge `index` and of the ports that davit puts on it, for `remove_group`.
std::uint32_t group_of_bridge(int index);

struct VethRequest {
    std::string name = {};
    int master = 0;  ///< Index of the bridge.
    std::string peer = {};
    int peer_netns = -1;  ///< Descriptor of the namespace in which the peer appears.
    std::string peer_mac = {};
    int mtu = 1500;
};
/// A veth pair whose near end is up on its bridge and whose far end is born in another namespace.
/// One queue each way: the default, one a CPU, costs twice the time and memory.
NlMsg new_veth(const VethRequest& request);

/// A link that shares the wire of `parent`: macvlan with a MAC address of its own, or ipvlan.
/// It is born inside `netns`. @source linux/if_link.h, IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE
struct SharedLinkRequest {
    std::string kind = "macvlan";  ///< or "ipvlan"
    std::string mode = {};         ///< "bridge", "private", "vepa", "passthru"; "l2", "l3", "l3s"
    int parent = 0;                ///< Index.
    std::string name = {};
    int netns = -1;
    std::string mac = {};  ///< macvlan only.
    int mtu = 1500;        ///< 0: the parent's.
};
NlMsg new_shared_link(const SharedLinkRequest& request);

/// A link that others share: "vlan", a part of the wire of `parent` with a number of its own, or
/// "dummy", which leads nowhere. @source linux/if_link.h, IFLA_VLAN_ID
struct ParentRequest {
    std::string name = {};
    int parent = 0;        ///< Index; 0: a dummy.
    std::uint16_t id = 0;  ///< Of the VLAN, 1 to 4094.
};
NlMsg new_parent(const ParentRequest& request);
/// The kernel ignores an alias in the message that makes a link. Also sets it up.
NlMsg set_alias(const std::string& name, const std::string& alias);

NlMsg set_up(const std::string& name);
/// Settings of a bridge port. Hairpin lets the bridge send a frame back through the port it came
/// from (a container reaching itself by its published port while br_netfilter is on). An isolated
/// port exchanges frames with the bridge itself only, not with other isolated ports.
NlMsg set_port(int index, bool isolated);
NlMsg remove_link(const std::string& name);
/// Removes all links of a group at once: one by one each costs 16 ms.
NlMsg remove_group(std::uint32_t group);
/// One that is there already is fine.
NlMsg new_address(int index, const Cidr& address);
NlMsg remove_address(int index, const Cidr& address);
/// `gateway` absent: everything is on the link itself, as with ipvlan in mode l3.
NlMsg new_default_route(int index, const std::optional<Ip>& gateway, bool v6);

/// Several route requests in one send(2).
///
/// Not a transaction: the kernel works through the requests in order and goes on after one
/// fails, so `commit` reports every failure and the caller undoes what did succeed.
class Batch {
public:
    /// `what` completes "cannot ..." in the error: "create bridge 'br-shop'".
    void add(NlMsg request, std::string what) {
        requests_.push_back({std::move(request), std::move(what)});
    }

    /// Sends all requests and waits for the answer to each.
    /// @errors the first failure; the others stand in its help text.
    Result<void> commit(nl_sock& socket) &&;

private:
    struct Request {
        NlMsg message;
        std::string what;
    };
    std::vector<Request> requests_;
};

/// A link as the kernel describes it.
struct LinkFacts {
    int index = 0;
    std::string name = {};
    std::string kind = {};  ///< "bridge", "veth"; empty: a device without a kind.
    std::string alias = {};
    int mtu = 0;
    bool operational = false;  ///< Up, with a carrier, and the kernel has taken notice of both.
    int port_state = -1;       ///< IFLA_BRPORT_STATE; -1: not a bridge port.
};
/// One link by index. @errors NotFound
Result<LinkFacts> look_up_link(nl_sock& socket, int index);

/// A route, of any table.
struct RouteFacts {
    Cidr destination = {};
    int link = 0;
    bool operator==(const RouteFacts&) const = default;
};
/// An address of a link.
struct AddressFacts {
    Cidr address = {};
    int link = 0;
    bool operator==(const AddressFacts&) const = default;
};
/// All of the socket's namespace, as of one moment; where they change faster than they can be read,
/// also what has gone meanwhile.
Result<std::vector<RouteFacts>> dump_routes(nl_sock& socket);
Result<std::vector<AddressFacts>> dump_addresses(nl_sock& socket);

}  // namespace davit::network
