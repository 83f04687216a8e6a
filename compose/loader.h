#pragma once

#include "base/diagnostic.h"
#include "compose/project.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// What the command line and the environment say about which files to read.
struct LoadOptions {
    std::vector<std::string> files = {};  ///< -f; empty: COMPOSE_FILE, else looked for upward.
    std::string working_dir = {};         ///< Absolute; where the search and relative -f begin.
    std::string project_directory = {};   ///< --project-directory; empty: the first file's folder.
    std::string project_name = {};        ///< -p; empty: COMPOSE_PROJECT_NAME, `name:`, the folder.
    std::vector<std::string> env_files = {};  ///< --env-file; empty: .env of the project folder.
    std::map<std::string, std::string> environment = {};  ///< Of the calling process.
};

struct LoadedProject {
    Project project = {};
    SourceMap places = {};
};

/// Reads, interpolates, validates and decodes the files. All mistakes go to `diagnostics`; where
/// one of them is an error there is no project. Touches nothing but the files it reads.
std::optional<LoadedProject> load_project(const LoadOptions& options, Diagnostics& diagnostics);

/// The compose file that `options` mean, without reading it; nothing where there is none. Looks
/// for compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml in the working folder and
/// then in each one above it.
std::optional<std::string> find_compose_file(const LoadOptions& options);

/// A folder's or user's name as a project name: lower case, only [a-z0-9_-], beginning with a
/// letter or digit. @source Compose spec, "name"
std::string normalize_project_name(const std::string& name);

}  // namespace davit::compose
