#pragma once

#include "base/result.h"
#include "network/ruleset.h"

#include <cstddef>
#include <vector>

namespace davit::network {

/// Makes the kernel forget the UDP flows to the published ports among `ports` whose place is not
/// that of `ports` now: a client that goes on sending from one port would be led where the port was
/// published before, or nowhere, for as long as it goes on. Flows that only pass through are left
/// alone. Acts in the network namespace of the calling thread. Returns how many were forgotten.
/// @errors Unsupported where the kernel tells of no flows; System
Result<std::size_t> forget_udp_flows(const std::vector<RulePort>& ports);

}  // namespace davit::network
