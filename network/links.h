#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "network/address.h"

#include <string>
#include <vector>

/// Links, addresses and routes through rtnetlink. All calls act in the network namespace of the
/// calling thread unless they take a namespace.
namespace davit::network {

struct BridgeSpec {
    std::string name = {};   ///< At most 15 characters.
    Cidr4 address = {};      ///< The gateway's address with the network's prefix.
    std::string alias = {};  ///< The network's full name, kept as IFLA_IFALIAS for recovery.
    int mtu = 1500;
};

/// Makes the bridge with its address, up, forwarding at once; one that is there already is brought
/// to the same state, and loses other addresses. Sets route_localnet (127.0.0.1 publishing) and
/// turns IPv6 autoconfiguration off on it, and turns net.ipv4.ip_forward on.
/// @errors AlreadyExists where the name belongs to a link that is no bridge
Result<void> ensure_bridge(const BridgeSpec& spec);

/// Removes the bridge and all ports that davit has put on it, in one go. One that is gone already
/// is fine. Links that somebody else has put on it are let go, not removed.
/// @errors InvalidInput where it is no bridge
Result<void> remove_bridge(const std::string& name);

/// Whether a link of that name is there.
Result<bool> link_exists(const std::string& name);

struct AttachSpec {
    std::string bridge = {};
    std::string host_link = {};      ///< Name of the veth end on the bridge.
    std::string interface = "eth0";  ///< Name inside the container.
    Cidr4 address = {};
    Ipv4 gateway = {};
    std::string mac = {};
    int mtu = 1500;
};

/// Connects the network namespace `netns` to a bridge: veth pair (one queue each), loopback up,
/// address, default route. Returns when the bridge port forwards, so that the container's first
/// packet is not lost. On failure nothing is left behind.
Result<void> attach(const UniqueFd& netns, const AttachSpec& spec);

/// Brings the loopback device of `netns` up; for containers without a network.
Result<void> loopback_up(const UniqueFd& netns);

/// Every IPv4 network that the host's routes and addresses know, the default route left out.
Result<std::vector<Cidr4>> used_subnets();

/// The MTU of the link that the default route goes through, or 1500.
Result<int> uplink_mtu();

}  // namespace davit::network
