#pragma once

#include "base/result.h"
#include "network/address.h"

#include <cstdint>
#include <string>
#include <vector>

namespace davit::network {

/// One bridge in the rule set.
struct RuleNetwork {
    std::string bridge = {};
    Cidr4 subnet = {};
    bool operator==(const RuleNetwork&) const = default;
};

/// One published port.
struct RulePort {
    std::string protocol = "tcp";  ///< "tcp" or "udp"
    bool any_address = true;       ///< Every local address of the host; else `host_ip`.
    Ipv4 host_ip = {};
    std::uint16_t host_port = 0;
    Ipv4 target = {};
    std::uint16_t target_port = 0;
    bool operator==(const RulePort&) const = default;
};

/// Everything that the table `inet davit` of this network namespace must say.
struct Ruleset {
    std::vector<RuleNetwork> networks = {};
    std::vector<RulePort> ports = {};
    bool empty() const { return networks.empty() && ports.empty(); }
};

/// The nft script that makes the table exactly `rules`, in one transaction, whatever stood there
/// before; an empty rule set removes the table. Pure; documented and golden-tested.
/// @source docs/network.md
std::string render(const Ruleset& rules);

/// Whether the kernel can take `rules`: names that are link names, known protocols, no port that
/// goes to two places. Pure.
/// @errors InvalidInput; Busy where a port is published twice, naming both targets
Result<void> check(const Ruleset& rules);

/// Loads `render(rules)` through libnftables, which is opened only here (dlopen): commands that
/// change no rules don't pay for loading it. May be called from several threads.
/// @errors as `check`; Unsupported where libnftables or the kernel's nf_tables is missing;
/// PermissionDenied; System
Result<void> apply(const Ruleset& rules);

}  // namespace davit::network
