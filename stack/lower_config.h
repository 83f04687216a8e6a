#pragma once

#include "base/json.h"
#include "stack/records.h"
#include "stack/users.h"

#include <cstdint>
#include <string>
#include <vector>

/// The parts of an OCI configuration, each from the record of a container. Pure.
/// @source OCI runtime-spec config.md, config-linux.md; defaults as in docs/security.md
namespace davit::stack {

Json process_json(const ContainerRecord& record, const ResolvedUser& user,
                  std::uint64_t capabilities);

/// /proc, /dev, /sys and their neighbours, the three files of `run_dir`, then the record's mounts.
Json mounts_json(const ContainerRecord& record, const std::string& run_dir);

/// Namespaces, id maps, cgroup and limits, filter, masked paths.
Json linux_json(const ContainerRecord& record, std::uint64_t capabilities);

/// What OCI has no word for; `layers` top first.
/// @errors InvalidInput for a stop signal or log option that means nothing
Result<Json> annotations_json(const ContainerRecord& record,
                              const std::vector<std::string>& layers);

}  // namespace davit::stack
