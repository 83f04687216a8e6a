#pragma once

#include "network/foreign_rules.h"
#include "network/ipam.h"
#include "runtime/features.h"
#include "stack/operations.h"

#include <optional>
#include <string>
#include <vector>

/// What is amiss on this host, and what helps: facts are gathered from the kernel, and judged
/// without it.
namespace davit::stack {

/// A network of davit that is up, as the kernel has it.
struct NetworkFacts {
    std::string name = {};
    std::string bridge = {};
    int mtu = 0;
    bool link_there = false;
    bool v6 = false;
    bool internal = false;
};

struct HostFacts {
    bool root = false;
    bool ip_forward = false;
    bool ipv6_forward = false;
    std::optional<bool> rules_there = {};  ///< The table `inet davit`; absent: can't be asked.
    std::string rules_problem = {};        ///< Why rules can't be asked for.
    std::vector<network::DroppingChain> dropping = {};
    std::optional<bool> guards = {};  ///< Against forged addresses; absent: can't be asked.
    /// net.bridge.bridge-nf-call-iptables, -ip6tables: absent where br_netfilter is not loaded.
    std::optional<bool> bridge_filter4 = {};
    std::optional<bool> bridge_filter6 = {};
    std::vector<NetworkFacts> networks = {};
    int uplink_mtu = 1500;
    std::vector<std::string> resolvers = {};         ///< `nameserver` lines of the host.
    std::vector<std::string> silent_resolvers = {};  ///< Those that don't answer.
    int free_subnets = 0;                            ///< IPv4 networks that the pools still have.
    int pool_subnets = 0;                            ///< All that they are.
    runtime::Features kernel = {};
    std::string data_root = {};
};

enum class Health { Good, Warning, Problem };

/// One thing that was looked at.
struct Finding {
    Health health = Health::Good;
    std::string subject = {};  ///< "forwarding"
    std::string message = {};
    std::string cure = {};  ///< What to do, where something is to be done.
    bool operator==(const Finding&) const = default;
};

/// "good", "warning" or "problem"
const char* to_string(Health health);

/// Judges the facts; every subject has a finding. Pure.
std::vector<Finding> examine(const HostFacts& facts);

/// How many networks of `pools` overlap none of `taken`, and how many there are. Pure.
std::pair<int, int> count_free(const std::vector<network::Pool>& pools,
                               const std::vector<network::Cidr>& taken);

/// Asks the kernel. What can't be asked is absent from the facts, or said in them. Name servers are
/// asked for "." and waited for at most a second.
Result<HostFacts> gather_facts(const Environment& environment);

}  // namespace davit::stack
