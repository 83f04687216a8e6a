#include "compose/project_environment.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/model.h"
#include "compose/yaml_reader.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace davit::compose {
namespace {

/// --env-file, else COMPOSE_ENV_FILES, else nothing, which means .env where there is one.
std::vector<std::string> named_env_files(const LoadOptions& options) {
    if (!options.env_files.empty()) return options.env_files;
    const auto list = options.environment.find("COMPOSE_ENV_FILES");
    if (list == options.environment.end() || list->second.empty()) return {};
    return split(list->second, ',');
}

/// The .env files that are read without being asked for: of the working folder, then of the project
/// folder. @source docker/compose cmd/compose, compose-go cli/options.go
std::vector<std::string> found_env_files(const LoadOptions& options,
                                         const std::string& project_directory) {
    const auto disabled = options.environment.find("COMPOSE_DISABLE_ENV_FILE");
    if (disabled != options.environment.end() &&
        (disabled->second == "true" || disabled->second == "1"))
        return {};
    std::vector<std::string> files;
    for (const std::string& folder : {options.working_dir, project_directory}) {
        std::string file = join_path(folder, ".env");
        if (exists(file) && std::find(files.begin(), files.end(), file) == files.end())
            files.push_back(std::move(file));
    }
    return files;
}

}  // namespace

Variables project_environment(const LoadOptions& options, const std::string& project_directory,
                              Diagnostics& diagnostics) {
    const std::vector<std::string> named = named_env_files(options);
    std::vector<std::pair<std::string, std::string>> files;  // path, and what remarks call it
    for (const std::string& name : named)
        files.emplace_back(join_path(options.working_dir, name), name);
    if (named.empty()) {
        for (const std::string& file : found_env_files(options, project_directory))
            files.emplace_back(file,
                               file == join_path(options.working_dir, ".env") ? ".env" : file);
    }
    Variables variables;
    for (const auto& [path, shown] : files) {
        Result<std::string> text =
            named.empty() ? read_regular_file(path, kLongestFile) : read_file(path, kLongestFile);
        if (text) {
            Variables own;
            const Lookup outer = [&](const std::string& name) -> std::optional<std::string> {
                for (const Variables* known : {&options.environment, &std::as_const(variables)})
                    if (const auto found = known->find(name); found != known->end())
                        return found->second;
                return std::nullopt;
            };
            parse_dotenv(make_source(shown, *std::move(text)), outer, own, diagnostics);
            // Named files: the later wins. Found ones: that of the working folder.
            for (const auto& [name, value] : own) {
                if (named.empty())
                    variables.emplace(name, value);
                else
                    variables[name] = value;
            }
        } else if (named.empty() && text.error().error_number() == EISDIR) {
            continue;  // a folder called .env, as Python's virtual environments have it
        } else {
            diagnostics.error(
                fmt::format("read env file '{}': {}", shown, text.error().to_string()), {},
                "name a file that is there with --env-file");
        }
    }
    for (const auto& [name, value] : options.environment) variables[name] = value;
    return variables;
}

}  // namespace davit::compose
