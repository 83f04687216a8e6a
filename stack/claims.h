#pragma once

#include "base/result.h"
#include "network/ruleset.h"
#include "stack/records.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

/// What this host's containers hold of things that must not be given out twice: id ranges, ports,
/// links. Kept in the run root, one file a holder, for all data roots together, and gone at reboot
/// as the things themselves are:
///
///     RUN ROOT/<project>/.project.json              its data root
///     RUN ROOT/<project>/.networks/<name>.json      bridge and subnet
///     RUN ROOT/<project>/<container>/claims.json    id range, addresses, published ports
///
/// Given out under the host lock, RUN ROOT/lock. The rule set is made from these files alone.
namespace davit::stack {

struct ContainerClaims {
    std::uint32_t uid_base = 0;
    std::vector<network::RulePort> ports = {};
    bool published = false;  ///< Its address answers: the ports belong into the rule set.
};

/// What a container holds, from its record. Not published yet.
Result<ContainerClaims> claims_of(const ContainerRecord& record);

/// Waits for the lock under which things are given out, and under which the rule set is loaded.
Result<FileLock> lock_host(const Paths& paths);

Result<void> write_claims(const std::string& run_dir, const ContainerClaims& claims);
/// Empty claims where there is no file.
Result<ContainerClaims> read_claims(const std::string& run_dir);

/// Notes a network of `project` whose bridge is up, or forgets it.
Result<void> write_network_claim(const Paths& paths, const NetworkRecord& record);
Result<void> remove_network_claim(const Paths& paths, const NetworkRecord& record);

/// Notes that `project` has things on this host, and where its records are.
Result<void> write_project_claim(const Paths& paths, const std::string& project);

/// Everything that the rule set of this host must say.
Result<network::Ruleset> gather_rules(const Paths& paths);

/// First ids of all ranges in use on this host.
Result<std::set<std::uint32_t>> used_id_ranges(const Paths& paths);

/// Subnets of all networks that are up, whatever data root they belong to.
Result<std::vector<network::Cidr4>> claimed_subnets(const Paths& paths);

/// For a project whose networks are gone: removes its folder in the run root where nothing is left
/// in it, and with the last project the run root itself.
Result<void> tidy_run_root(const Paths& paths, const std::string& project);

}  // namespace davit::stack
