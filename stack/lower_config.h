#pragma once

#include "base/json.h"
#include "image/store.h"
#include "runtime/health.h"
#include "stack/lower.h"
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

/// /proc, /dev, /sys and their neighbours, the three files of `run_dir`, then devices and the
/// record's mounts.
Json mounts_json(const ContainerInputs& inputs, const ContainerRecord& record,
                 const std::string& run_dir);

/// Namespaces, id maps, cgroup and limits, filter, masked paths.
/// @errors InvalidInput for a seccomp profile that is none
Result<Json> linux_json(const ContainerInputs& inputs, const ContainerRecord& record,
                        std::uint64_t capabilities);

/// `linux.resources`, with the device rules.
Json resources_json(const ContainerInputs& inputs);

/// `linux.devices`: those that the runtime makes.
Json devices_json(const ContainerInputs& inputs);

/// The capabilities that a service asks for: Docker's 14, less `cap_drop`, and `cap_add`.
/// @errors InvalidInput for a name that is none
Result<std::uint64_t> capabilities_of(const compose::Service& service);

/// Whether names that only the kernel knows mean something: capabilities, sysctls, ulimits.
/// The error says which attribute it is about, as "cap_add: …".
struct AttributeProblem {
    std::string attribute = {};
    std::string message = {};
    std::string help = {};
};
std::optional<AttributeProblem> kernel_problem(const compose::Service& service);

/// The health check of a container: the service's, and what that leaves open from the image; absent
/// where there is none, or it is switched off.
std::optional<runtime::HealthCheck> health_check_of(const compose::Service& service,
                                                    const image::ImageConfig& image);

/// What OCI has no word for.
/// @errors InvalidInput for a stop signal or log option that means nothing
Result<Json> annotations_json(const ContainerInputs& inputs, const ContainerRecord& record);

}  // namespace davit::stack
