#pragma once

#include "base/diagnostic.h"
#include "compose/dotenv.h"
#include "compose/loader.h"

#include <string>

/// The variables that a project is read with.
namespace davit::compose {

/// The environment of the process over that of the env files: those of --env-file or
/// COMPOSE_ENV_FILES, or else .env of the working folder and of `project_directory`.
/// @source docker/compose cmd/compose, compose-go cli/options.go
Variables project_environment(const LoadOptions& options, const std::string& project_directory,
                              Diagnostics& diagnostics);

}  // namespace davit::compose
