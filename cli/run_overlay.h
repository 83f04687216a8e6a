#pragma once

#include "cli/commands/commands.h"
#include "cli/target.h"

#include <optional>
#include <string>

/// What the flags of `run` change of a service, said in the words of a Compose file: so all of them
/// are read, checked and merged as everything else is.
namespace davit::cli {

/// A Compose file for the flags, to be laid over the project's. `image`: the service is no other
/// file's, but made for this image. Pure.
std::string run_overlay(const Context& context, const RunFlags& flags, const std::string& service,
                        bool terminal, bool image);

struct RunModel {
    std::optional<Target> target = {};
    std::string service = {};
    int exit_code = 0;  ///< Without a target: it was said why.
};

/// Loads the project with the overlay; for an image a project 'davit' that has nothing else.
Result<RunModel> load_for_run(const Context& context, const RunFlags& flags, bool terminal,
                              bool image);

}  // namespace davit::cli
