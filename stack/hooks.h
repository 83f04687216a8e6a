#pragma once

#include "base/result.h"
#include "stack/records.h"

#include <string>

namespace davit::stack {

/// Where a hook runs.
struct HookPlace {
    std::string runtime_program = {};
    std::string bundle = {};
    std::string run_dir = {};
    int cancel_fd = -1;     ///< Readable: the hook is told to end.
    std::string kind = {};  ///< "post_start", "pre_stop", for errors.
};

/// Runs a command of `post_start` or `pre_stop` in the container and waits for its end. A container
/// that has ended needs no `pre_stop`.
/// @errors System with the status of the command and the last line that it wrote; Cancelled
Result<void> run_hook(const ContainerRecord& record, const compose::Hook& hook,
                      const HookPlace& place);

}  // namespace davit::stack
