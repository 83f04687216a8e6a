#pragma once

#include "compose/document.h"
#include "compose/interpolate.h"
#include "compose/loader.h"

#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// The name of the project: -p, else COMPOSE_PROJECT_NAME, else `name:` of the last document that
/// has one, else the project folder's. The first two must be well-formed, the others are made so.
/// @source compose-go cli/options.go, loader.go projectName
std::optional<std::string> project_name(const LoadOptions& options, const Variables& environment,
                                        const std::vector<std::vector<Node>>& documents,
                                        const std::string& project_directory,
                                        Diagnostics& diagnostics);

}  // namespace davit::compose
