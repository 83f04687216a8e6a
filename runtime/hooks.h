#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"

#include <string>
#include <sys/types.h>
#include <vector>

/// Hooks that run outside of the container, and what hooks are told.
/// @source OCI runtime-spec config.md "POSIX-platform Hooks", runtime.md "State"
namespace davit::runtime {

/// The state of a container as hooks and `state` show it. `status`: "creating", "created",
/// "running", "stopped".
Json state_json(const Spec& spec, const std::string& status, pid_t pid);

/// Runs hooks one after the other, each with `state` on its standard input.
/// @errors System where one fails, TimedOut where one takes longer than it may
Result<void> run_hooks(const std::vector<SpecHook>& hooks, const Json& state,
                       const std::string& kind);

/// Hooks as a child runs them; `hooks` must outlive the result.
std::vector<ChildHook> child_hooks(const std::vector<SpecHook>& hooks);

}  // namespace davit::runtime
