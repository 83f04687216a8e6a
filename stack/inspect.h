#pragma once

#include "base/json.h"
#include "stack/status.h"

namespace davit::stack {

/// `view` as `docker inspect` shows a container: the same names, nesting and types, so that scripts
/// and templates written for it work. What davit does not have is left out. `config`: its OCI
/// configuration, or null where there is none yet. Pure.
/// @source Docker Engine API v1.45, ContainerInspect
Json inspect(const Paths& paths, const ContainerView& view, const Json& config);

/// The labels of a container as other Compose tools expect them: its own, and
/// com.docker.compose.project, .service, .container-number, .config-hash and so on.
std::map<std::string, std::string> compose_labels(const ContainerRecord& record);

}  // namespace davit::stack
