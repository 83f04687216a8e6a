#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>
#include <vector>

/// The rules of others on this host, which have a say of their own: the kernel drops a packet that
/// any table drops, whatever ours says.
namespace davit::network {

/// A chain of somebody else through which packets pass, and which drops what its rules don't take.
struct DroppingChain {
    std::string family = {};  ///< "ip", "ip6", "inet"
    std::string table = {};
    std::string chain = {};
    std::string hook = {};    ///< "forward" or "input"
    bool names_us = false;    ///< A rule of its table is about bridges of davit.
    bool for_docker = false;  ///< Its table has the chain DOCKER-USER.
    bool operator==(const DroppingChain&) const = default;
};

/// The chains of the hooks forward and input that drop what no rule takes: by their policy, or by a
/// last rule without a condition. `ruleset` is what `nft -j list ruleset` prints. Pure.
/// @errors InvalidInput
Result<std::vector<DroppingChain>> dropping_chains(const Json& ruleset);

/// What `nft -j list ruleset` prints, through libnftables.
/// @errors Unsupported where libnftables has no JSON, or the kernel no nf_tables; as `load_script`
Result<Json> list_ruleset();

}  // namespace davit::network
