#pragma once

#include "stack/life.h"

#include <set>
#include <string>
#include <vector>

/// What no one uses of a project's containers and networks.
namespace davit::stack {

struct PruneRequest {
    std::string project = {};
    std::set<std::string> containers = {};  ///< By name; of these, those that don't run go.
    std::set<std::string> networks = {};    ///< By name; of these, those without a container go.
};

struct Pruned {
    std::vector<std::string> containers = {};  ///< Ids of those that went.
    std::vector<std::string> networks = {};    ///< Names of those that went.
    Failures failed = {};
};

/// What `prune` would do. Changes nothing, takes no lock.
Result<compose::Plan> preview_prune(const Environment& environment, const PruneRequest& request);

/// Removes them. A project of which nothing is left leaves no folder. Data of anonymous volumes
/// stays, as with `docker container prune`.
Result<Pruned> prune(const Environment& environment, const PruneRequest& request);

}  // namespace davit::stack
