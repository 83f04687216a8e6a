#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "compose/loader.h"
#include "stack/operations.h"

#include <optional>
#include <string>
#include <vector>

/// Which project a command is about, and where that lives.
namespace davit::cli {

/// How much of a compose file a command needs.
enum class FileNeed {
    Required,  ///< up, plan, config: no file or a broken one ends the command.
    Optional,  ///< ps, logs, down, stop: records tell enough; a broken file makes warnings.
};

struct Target {
    std::string project = {};  ///< Empty: the command was called outside any project.
    std::optional<compose::LoadedProject> loaded = {};
    stack::Environment environment = {};  ///< `runtime_program` is empty; see find_runtime.
};

/// A target, or the exit status of a command that can't go on; it has said why by then.
struct TargetOrExit {
    std::optional<Target> target = {};
    int exit_code = 0;
};

/// Finds the project by -p, by its file or, without one, by the folder that was the working folder
/// of its containers. The profiles of `services`, which the user named, are active. Prints the
/// remarks about the file.
/// An `overlay` is laid over the files.
Result<TargetOrExit> find_target(const Context& context, FileNeed need,
                                 const std::vector<std::string>& services = {},
                                 std::optional<compose::Overlay> overlay = {});

/// Where images are: as for a project, where a compose file is at hand and can be read; mistakes in
/// it don't matter here.
Result<std::string> image_data_root(const Context& context);

/// What the command line says about the files to read.
compose::LoadOptions load_options(const Context& context);

/// Checks that each of `services` is in the file or has a container.
/// @errors NotFound, with the nearest name
Result<void> check_services(const Target& target, const std::vector<std::string>& services,
                            const std::vector<stack::ContainerView>& views);

}  // namespace davit::cli
