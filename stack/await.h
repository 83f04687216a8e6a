#pragma once

#include "base/result.h"
#include "compose/plan.h"
#include "stack/records.h"

#include <chrono>
#include <optional>
#include <string>

/// Waiting for containers: to be healthy, to have ended. Woken by what guards write (inotify),
/// never by a clock that ticks.
namespace davit::stack {

struct AwaitOptions {
    int cancel_fd = -1;  ///< Readable: give up. Not read from.
    std::optional<std::chrono::steady_clock::time_point> deadline = {};
};

/// Waits until the condition holds for the container.
/// @errors System where it can't hold any more: it is unhealthy, has failed, ended before it was
/// healthy, or its guard was killed, so that nobody checks; InvalidInput where nothing checks its
/// health; TimedOut; Cancelled
/// @source docker/compose pkg/compose/convergence.go waitDependencies
Result<void> await_container(const Paths& paths, const std::string& project,
                             const std::string& name, compose::Awaited condition,
                             const AwaitOptions& options);

/// How it stands with the wait, for people: "health: starting, last probe exited with 1: refused".
std::string standing_of(const Paths& paths, const std::string& project, const std::string& name);

}  // namespace davit::stack
