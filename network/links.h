#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "network/address.h"

#include <string>
#include <utility>
#include <vector>

/// Links, addresses and routes through rtnetlink. All calls act in the network namespace of the
/// calling thread unless they take a namespace.
namespace davit::network {

struct BridgeSpec {
    std::string name = {};             ///< At most 15 characters.
    std::vector<Cidr> addresses = {};  ///< The gateways, with the prefixes of their networks.
    std::string alias = {};            ///< The network's full name, kept as IFLA_IFALIAS.
    int mtu = 1500;
};

/// Makes the bridge with its addresses, up, forwarding at once; one that is there already is
/// brought to the same state, and loses other addresses. Sets route_localnet (127.0.0.1 publishing)
/// and turns IPv6 autoconfiguration off on it, and turns forwarding of its families on.
/// @errors AlreadyExists where the name belongs to a link that is no bridge, or to a bridge that is
/// the host's or another network's: it is neither called "dvb-…" nor has the alias
Result<void> ensure_bridge(const BridgeSpec& spec);

/// Removes the bridge and all ports that davit has put on it, in one go. One that is gone already
/// is fine, and one that is not davit's stays, as in `ensure_bridge`. Links that somebody else has
/// put on it are let go, not removed. @errors InvalidInput where it is no bridge
Result<void> remove_bridge(const std::string& name, const std::string& alias = {});

/// The link that macvlan and ipvlan networks share.
struct ParentSpec {
    std::string name = {};   ///< "eth0"; "eth0.20": the VLAN 20 of eth0.
    std::string alias = {};  ///< The network's full name.
    bool dummy = false;      ///< It leads nowhere: the containers reach each other only.
};

/// Makes sure that the link is there. A VLAN, or a dummy, that is missing is made, and marked with
/// the network's name. @errors NotFound where the link is missing; Unsupported where the kernel
/// has no such links
Result<void> ensure_parent(const ParentSpec& spec);

/// Removes the link if `ensure_parent` has made it.
Result<void> remove_parent(const ParentSpec& spec);

/// Whether a link of that name is there.
Result<bool> link_exists(const std::string& name);

/// One interface of a container.
struct AttachSpec {
    std::string driver = "bridge";   ///< or "macvlan", "ipvlan"
    std::string bridge = {};         ///< For a shared link: the parent.
    std::string mode = {};           ///< Of a shared link, see SharedLinkRequest.
    std::string host_link = {};      ///< Name of the veth end on the bridge.
    std::string interface = "eth0";  ///< Name inside the container.
    std::vector<Cidr> addresses = {};
    /// The container's default routes go through these; at most one a family.
    std::vector<Ip> gateways = {};
    bool default_on_link = false;  ///< A default route without a gateway (ipvlan, mode l3).
    std::string mac = {};
    /// Settings inside the container, as "net.ipv4.conf.IFNAME.log_martians" and value.
    std::vector<std::pair<std::string, std::string>> sysctls = {};
    bool isolated = false;  ///< From the other isolated ports of its bridge.
    int mtu = 1500;         ///< 0: the parent's, of a shared link.
};

/// Connects the network namespace `netns`: a veth pair (one queue each) for each bridge, loopback
/// up, addresses, default routes. Returns when the bridge ports forward, so that the container's
/// first packet is not lost. On failure nothing is left behind.
/// @errors NotFound where a bridge or parent is missing
Result<void> attach(const UniqueFd& netns, const std::vector<AttachSpec>& specs);

/// Brings the loopback device of `netns` up; for containers without a network.
Result<void> loopback_up(const UniqueFd& netns);

/// Every network that the host's routes and addresses know, of both families, the default route
/// left out; nor what belongs to the link `except`.
Result<std::vector<Cidr>> used_subnets(const std::string& except = "");

/// The MTU of the link that the default route goes through, or 1500.
Result<int> uplink_mtu();

}  // namespace davit::network
