#pragma once

#include "base/result.h"
#include "network/address.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace davit::network {

/// One bridge in the rule set.
struct RuleNetwork {
    std::string bridge = {};
    std::vector<Cidr> subnets = {};
    bool internal = false;   ///< No way out, and no way in.
    bool masquerade = true;  ///< What leaves gets an address of the host.
    bool icc = true;         ///< Its containers may talk to each other.
    bool operator==(const RuleNetwork&) const = default;
};

/// One published port.
struct RulePort {
    std::string protocol = "tcp";    ///< "tcp", "udp" or "sctp"
    std::optional<Ip> host_ip = {};  ///< Absent: every local address of the target's family.
    std::uint16_t host_port = 0;
    Ip target = {};  ///< Of the host address's family.
    std::uint16_t target_port = 0;
    bool operator==(const RulePort&) const = default;
};

/// A port of a bridge, and what the container behind it may say that it is.
struct GuardedPort {
    std::string link = {};  ///< The veth end on the bridge.
    std::string mac = {};   ///< "02:42:ac:11:00:02"
    /// All of the container's, those in its other networks too: Linux answers for any of its
    /// addresses on every link. The link-local one that comes of the MAC address is known.
    std::vector<Ip> addresses = {};
    bool operator==(const GuardedPort&) const = default;
};

/// Everything that the tables of this network namespace must say: `inet davit`, and `bridge davit`
/// about the guarded ports.
struct Ruleset {
    std::vector<RuleNetwork> networks = {};
    std::vector<RulePort> ports = {};
    std::vector<GuardedPort> guarded = {};
    bool empty() const { return networks.empty() && ports.empty(); }
};

/// The nft script that makes the table `inet davit` exactly `rules`, in one transaction, whatever
/// stood there before; an empty rule set removes the table. Pure; documented and golden-tested.
/// @source docs/network.md
std::string render(const Ruleset& rules);

/// Whether the kernel can take `rules`: names that are link names, known protocols, no port that
/// goes to two places. Pure.
/// @errors InvalidInput; Busy where a port is published twice, naming both targets
Result<void> check(const Ruleset& rules);

/// Loads `render(rules)` and `render_guard(rules)` in one transaction through libnftables, which is
/// opened only here (dlopen): commands that change no rules don't pay for loading it. Where the
/// kernel has no nf_tables for bridges, the guard is left out. May be called from several threads.
/// @errors as `check`; Unsupported where libnftables or the kernel's nf_tables is missing;
/// PermissionDenied; System
Result<void> apply(const Ruleset& rules);

/// Loads an nft script, in the network namespace of the calling thread. @errors as `apply`
Result<void> load_script(const std::string& script);

}  // namespace davit::network
