#pragma once

#include "runtime/child.h"

#include <cstddef>

/// Steps between clone and execve that a container's first program and later ones share. Only
/// async-signal-safe calls; each ends the process where it fails.
namespace davit::runtime {

/// Tells the parent the stage and errno, and ends.
[[noreturn]] void fail(const ChildPlan& plan, ChildStage stage, std::size_t index = 0);

/// Makes the working folder inside of the root where it is missing, and enters it.
void enter_working_directory(const ChildPlan& plan);

/// Becomes the user, with its capabilities and the filter, and executes the program.
[[noreturn]] void execute(const ChildPlan& plan);

}  // namespace davit::runtime
