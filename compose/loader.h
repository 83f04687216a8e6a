#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"
#include "compose/interpolate.h"
#include "compose/project.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace davit::compose {

/// What the command line and the environment say about which files to read.
/// A document that is laid over the files, as `davit run` has it for what its flags say.
struct Overlay {
    std::string text = {};     ///< YAML
    std::string service = {};  ///< What it is about; where no file has it, nothing is laid over.

    bool operator==(const Overlay&) const = default;
};

struct LoadOptions {
    std::vector<std::string> files = {};  ///< -f; empty: COMPOSE_FILE, else looked for upward.
    std::string working_dir = {};         ///< Absolute; where the search and relative -f begin.
    std::string project_directory = {};   ///< --project-directory; empty: the first file's folder.
    std::string project_name = {};        ///< -p; empty: COMPOSE_PROJECT_NAME, `name:`, the folder.
    std::vector<std::string> env_files = {};  ///< --env-file; empty: .env of the project folder.
    std::map<std::string, std::string> environment = {};  ///< Of the calling process.

    std::vector<std::string> profiles = {};  ///< --profile; empty: COMPOSE_PROFILES. "*": all.
    std::vector<std::string> activate = {};  ///< Services whose profiles are active, too.
    std::vector<std::string> services = {};  ///< Named ones and what they need; empty: all.
    std::optional<Overlay> overlay = {};     ///< Laid over the files.
    bool all_resources = false;              ///< Keep networks and volumes that no service uses.

    /// What the project is loaded for. To run it, everything in it must be carried out; to show it,
    /// what can't be is said in warnings, and the model is still there.
    enum class Purpose { Run, Show };
    Purpose purpose = Purpose::Run;
    bool interpolate = true;    ///< Replace variables.
    bool normalize = true;      ///< Make defaults explicit.
    bool resolve_env = true;    ///< Read the files of `env_file` and `label_file`.
    bool resolve_paths = true;  ///< Make relative paths absolute.
    bool check = true;          ///< Check references and contradictions.
};

struct LoadedProject {
    Project project = {};
    SourceMap places = {};
    Node model = {};  ///< Canonical: what `davit config` prints.
    /// Names, services that take part or not, and all of their profiles.
    std::vector<std::string> service_names = {};
    std::vector<std::string> profiles = {};
    std::map<std::string, std::string> environment = {};  ///< With the env files.
    VariableUses variables = {};                          ///< The ones that the files refer to.
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
