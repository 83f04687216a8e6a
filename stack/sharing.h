#pragma once

#include "base/result.h"
#include "compose/project.h"
#include "compose/state.h"
#include "stack/records.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Containers that share namespaces with others.
namespace davit::stack {

/// What a container takes from the ones that it joins.
struct Joins {
    /// Run folders of the containers joined, by OCI's word for the namespace: "pid", "ipc".
    std::map<std::string, std::string> run_dirs = {};
    std::uint32_t uid_base = 0;          ///< Of their id range, which is the container's too.
    std::string shm_dir = {};            ///< On the host, for /dev/shm; empty: one of its own.
    std::string network_container = {};  ///< "project/name" of the one whose network it has.
    std::string network_id = {};         ///< Id of that container.
    std::string hostname = {};           ///< Of that container.
};

/// Whether `service` joins another container at all.
bool joins_others(const compose::Service& service);

/// Whom `service` joins. `project` are the records of its own project, chosen or found.
/// @errors NotFound where one isn't there; InvalidInput where it may not be joined, or where two
/// that are joined have different users
Result<Joins> find_joins(const Paths& paths, const compose::Service& service,
                         const std::map<std::string, ContainerRecord>& project);

/// `names` so that every container comes after those that it joins.
std::vector<std::string> joined_first(
    const std::vector<std::string>& names,
    const std::map<std::string, compose::DesiredContainer>& containers);

}  // namespace davit::stack
