#pragma once

#include "base/json.h"

namespace davit::stack {

/// Adds to Docker's `HostConfig` what only the OCI configuration of a container says: its limits of
/// processes, its memory file systems, its sysctls, and so on. Pure; `config` may be null, where
/// the container is half made.
/// @source Docker Engine API v1.45, ContainerInspect
void add_host_config(const Json& config, Json& host_config);

}  // namespace davit::stack
