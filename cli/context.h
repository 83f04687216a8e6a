#pragma once

#include "cli/terminal.h"

#include <map>
#include <string>
#include <vector>

namespace davit::cli {

/// Flags that every command takes, before its name or after.
struct Globals {
    std::vector<std::string> files = {};      ///< -f
    std::string project_name = {};            ///< -p
    std::string project_directory = {};       ///< --project-directory
    std::vector<std::string> env_files = {};  ///< --env-file
    std::vector<std::string> profiles = {};   ///< --profile
    std::string data_root = {};               ///< --data-root
    std::string log_level = "warn";
    std::string log_format = "text";
    std::string ansi = "auto";
    std::string progress = "auto";
    bool dry_run = false;
    int parallel = 0;  ///< Steps at the same time; 0 or -1: as many as is good.

    bool operator==(const Globals&) const = default;
};

/// What a command knows of the world it was called in.
struct Context {
    Globals globals = {};
    std::map<std::string, std::string> environment = {};
    std::string working_dir = {};  ///< Absolute.
    Terminal terminal = {};

    /// Whether a variable says yes: "1", "true" and the like. @source Go strconv.ParseBool
    bool is_on(const std::string& name) const {
        const std::string value = variable(name);
        return value == "1" || value == "t" || value == "T" || value == "true" || value == "True" ||
               value == "TRUE";
    }

    /// The value of an environment variable, or "".
    std::string variable(const std::string& name) const {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    }
};

}  // namespace davit::cli
