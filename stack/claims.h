#pragma once

#include "base/result.h"
#include "network/ruleset.h"
#include "stack/records.h"

#include <cstdint>
#include <map>
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
/// Given out under the host lock, RUN ROOT/host.lock. The rule set is made from these files alone.
namespace davit::stack {

/// What a container holds in one network.
struct EndpointClaim {
    std::string bridge = {};  ///< The network, see NetworkRecord.
    std::vector<std::string> addresses = {};
    std::vector<std::string> names = {};  ///< The container's own first.
    bool operator==(const EndpointClaim&) const = default;
};

struct ContainerClaims {
    std::uint32_t uid_base = 0;
    std::vector<network::RulePort> ports = {};
    bool published = false;  ///< Its address answers: ports belong into the rule set, names too.
    std::vector<EndpointClaim> endpoints = {};
    /// Its ports of bridges, as far as others are guarded from what comes from them.
    std::vector<network::GuardedPort> guarded = {};
};

/// What a container holds, from its record. Not published yet. `networks` has those of its
/// endpoints. One that may configure its network (NET_ADMIN) has no guarded ports: it may give
/// itself addresses, or forward for others.
Result<ContainerClaims> claims_of(const ContainerRecord& record,
                                  const std::map<std::string, NetworkRecord>& networks);

/// Waits for the lock under which things are given out, and under which the rule set is loaded.
Result<FileLock> lock_host(const Paths& paths);

Result<void> write_claims(const std::string& run_dir, const ContainerClaims& claims);
/// Empty claims where there is no file.
Result<ContainerClaims> read_claims(const std::string& run_dir);

/// Notes a network of `project` whose bridge is up, or forgets it.
Result<void> write_network_claim(const Paths& paths, const NetworkRecord& record);
/// The bridges that the run root says `project` has, as far as they are there and not in `known`:
/// their records were removed by hand, or damaged. Only name, project and bridge are set.
Result<std::vector<NetworkRecord>> stray_bridges(const Paths& paths, const std::string& project,
                                                 const std::map<std::string, NetworkRecord>& known);
/// Writes claims of `project` anew that can't be read, from its records. What can't be mended
/// stays, and is told by whoever needs it. Under the project's lock.
void mend_claims(const Paths& paths, const std::string& project);
Result<void> remove_network_claim(const Paths& paths, const NetworkRecord& record);

/// Notes that `project` has things on this host, and where its records are.
Result<void> write_project_claim(const Paths& paths, const std::string& project);

/// Everything that the rule set of this host must say. A container whose guard and process are gone
/// has no ports, whatever its claims say.
Result<network::Ruleset> gather_rules(const Paths& paths);

/// Addresses in use, by bridge, of all containers of this host but those of `project`.
Result<std::map<std::string, std::set<network::Ip>>> claimed_addresses(const Paths& paths,
                                                                       const std::string& project);

/// Who holds a published port that overlaps `port`: "project/container", or empty.
Result<std::string> holder_of_port(const Paths& paths, const network::RulePort& port);

/// Names of the containers of other projects that are on the network `bridge` and live.
Result<std::vector<std::string>> guests_of(const Paths& paths, const std::string& bridge,
                                           const std::string& project);

// --- Names, as guards read them; see runtime/dns_zone.h ---

/// Folder of the zone files of a network: one file for each container that answers.
std::string zone_folder(const Paths& paths, const std::string& bridge);
/// Writes or removes the container's zone file in each of its networks.
Result<void> write_zones(const Paths& paths, const std::string& project,
                         const std::string& container, const ContainerClaims& claims);
void remove_zones(const Paths& paths, const std::string& project, const std::string& container,
                  const ContainerClaims& claims);
/// Removes what writers of zone files had not finished when they were killed.
void sweep_zones(const Paths& paths);
/// The zone file of a container in `zone_folder`.
std::string zone_file(const std::string& project, const std::string& container);

/// First ids of all ranges in use on this host.
Result<std::set<std::uint32_t>> used_id_ranges(const Paths& paths);

/// Subnets of all networks that are up, whatever data root they belong to, but not of the network
/// `except` (its bridge).
Result<std::vector<network::Cidr>> claimed_subnets(const Paths& paths,
                                                   const std::string& except = "");

/// For a project whose networks are gone: removes its folder in the run root where nothing is left
/// in it, and with the last project the run root itself.
Result<void> tidy_run_root(const Paths& paths, const std::string& project);

}  // namespace davit::stack
