#pragma once

#include "base/result.h"
#include "builder/expand.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace davit::builder {

enum class RunMountType : std::uint8_t { Bind, Cache, Tmpfs, Secret, Ssh };

/// `RUN --mount=…`. @source Dockerfile reference, "RUN --mount"
struct RunMount {
    RunMountType type = RunMountType::Bind;
    std::string target = {};  ///< As written; empty where the default is meant.
    std::string source = {};
    std::string from = {};           ///< Stage, image or named context; empty: the build context.
    std::string id = {};             ///< Of a cache, secret or agent.
    std::string sharing = "shared";  ///< shared, private or locked
    std::optional<std::uint32_t> mode = {};
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t size_bytes = 0;  ///< tmpfs; 0: no limit.
    bool read_only = false;
    bool required = false;  ///< secret, ssh: an error where it isn't given.
    /// secret: the variable that gets it, beside or instead of a file.
    std::optional<std::string> env = {};
};

/// Reads the value of one `--mount`. With `options`, variables in its values are replaced; without,
/// only the form is checked, and values that hold a '$' are believed.
/// @errors InvalidInput, with the nearest option
Result<RunMount> parse_run_mount(std::string_view text, const ExpandOptions* options);

/// Where a mount goes when the file doesn't say: "/run/secrets/<id>", …; empty where it must.
std::string default_target(const RunMount& mount, int number);

}  // namespace davit::builder
