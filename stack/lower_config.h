#pragma once

#include "base/json.h"
#include "stack/records.h"
#include "stack/users.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The parts of an OCI configuration, each from the record of a container. Pure.
/// @source OCI runtime-spec config.md, config-linux.md; defaults as in docs/security.md
namespace davit::stack {

Json process_json(const ContainerRecord& record, const ResolvedUser& user,
                  const compose::Service& service, std::uint64_t capabilities);

/// /proc, /dev, /sys and their neighbours, the three files of `run_dir`, then the record's mounts.
/// `runtime_program` is what runs as process 1 where the service asks for one.
Json mounts_json(const ContainerRecord& record, const std::string& run_dir,
                 const compose::Service& service, const std::string& runtime_program);

/// Namespaces, id maps, cgroup and limits, filter, masked paths.
Json linux_json(const ContainerRecord& record, const compose::Service& service,
                std::uint64_t capabilities);

/// The capabilities that a service asks for: Docker's 14, less `cap_drop`, and `cap_add`.
/// @errors InvalidInput for a name that is none
Result<std::uint64_t> capabilities_of(const compose::Service& service, bool own_users);

/// Whether names that only the kernel knows mean something: capabilities, sysctls, ulimits.
/// The error says which attribute it is about, as "cap_add: …".
struct AttributeProblem {
    std::string attribute = {};
    std::string message = {};
    std::string help = {};
};
std::optional<AttributeProblem> kernel_problem(const compose::Service& service);

/// What OCI has no word for; `layers` top first.
/// @errors InvalidInput for a stop signal or log option that means nothing
Result<Json> annotations_json(const ContainerRecord& record,
                              const std::vector<std::string>& layers);

}  // namespace davit::stack
