#include "compose/locate.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/project_environment.h"

#include <array>
#include <fmt/format.h>

namespace davit::compose {
namespace {

constexpr std::array<const char*, 4> kNames = {"compose.yaml", "compose.yml", "docker-compose.yml",
                                               "docker-compose.yaml"};
constexpr std::array<const char*, 4> kOverrides = {"compose.override.yml", "compose.override.yaml",
                                                   "docker-compose.override.yml",
                                                   "docker-compose.override.yaml"};

std::string parent(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

/// A variable of the process or of the env files, which may choose the files.
std::optional<std::string> variable(const Variables& known, const std::string& name) {
    const auto there = known.find(name);
    if (there == known.end()) return std::nullopt;
    return there->second;
}

/// The names that the user gave, with -f or in COMPOSE_FILE.
std::vector<std::string> named_files(const LoadOptions& options) {
    if (!options.files.empty()) return options.files;
    Diagnostics later;  // the same remarks come up when the env files are read for good
    const Variables known = project_environment(options, options.working_dir, later);
    const std::optional<std::string> list = variable(known, "COMPOSE_FILE");
    if (!list || list->empty()) return {};
    const std::string separator = variable(known, "COMPOSE_PATH_SEPARATOR").value_or(":");
    std::vector<std::string> names = split(*list, separator.empty() ? ':' : separator.front());
    std::erase(names, std::string());
    return names;
}

/// What remarks call a file that was found: its name where it is near, else its path.
ComposeFile found_file(const std::string& directory, const char* name,
                       const std::string& working_dir) {
    std::string path = join_path(directory, name);
    std::string shown = directory == working_dir ? std::string(name) : path;
    return {std::move(path), std::move(shown)};
}

/// The compose files of one folder, in the order of preference.
std::vector<ComposeFile> files_in(const std::string& directory, const std::string& working_dir) {
    std::vector<ComposeFile> files;
    for (const char* name : kNames) {
        if (exists(join_path(directory, name)))
            files.push_back(found_file(directory, name, working_dir));
    }
    return files;
}

/// The first folder from the working folder upward that has a compose file, and its files.
std::vector<ComposeFile> search_upward(const std::string& working_dir) {
    for (std::string directory = working_dir;; directory = parent(directory)) {
        std::vector<ComposeFile> files = files_in(directory, working_dir);
        if (!files.empty() || directory == "/") return files;
    }
}

}  // namespace

std::optional<ComposeFiles> locate_files(const LoadOptions& options, Diagnostics& diagnostics) {
    const std::string working_dir = clean_path(options.working_dir);
    ComposeFiles located;
    for (const std::string& name : named_files(options)) {
        if (name == "-")
            located.files.push_back({"-", "<stdin>"});
        else
            located.files.push_back({clean_path(join_path(working_dir, name)), name});
    }
    if (located.files.empty()) {
        const std::vector<ComposeFile> found = search_upward(working_dir);
        if (found.empty()) {
            diagnostics.error(
                fmt::format("there is no compose file in '{}' or a folder above it", working_dir),
                {}, "make a 'compose.yaml' there, or name one with -f");
            return std::nullopt;
        }
        if (found.size() > 1)
            diagnostics.warning(fmt::format("'{}' is used, and '{}' beside it is not",
                                            found[0].shown, found[1].shown),
                                {}, "keep one of them, or name it with -f");
        located.files.push_back(found.front());
        const std::string directory = parent(found.front().path);
        for (const char* name : kOverrides) {
            if (!exists(join_path(directory, name))) continue;
            located.files.push_back(found_file(directory, name, working_dir));
            break;
        }
    }
    const std::string& first = located.files.front().path;
    if (!options.project_directory.empty())
        located.project_directory = clean_path(join_path(working_dir, options.project_directory));
    else
        located.project_directory = first == "-" ? working_dir : parent(first);
    return located;
}

std::optional<std::string> find_compose_file(const LoadOptions& options) {
    Diagnostics unused;
    const std::optional<ComposeFiles> located = locate_files(options, unused);
    if (!located) return std::nullopt;
    return located->files.front().path;
}

}  // namespace davit::compose
