#pragma once

#include "base/result.h"
#include "stack/status.h"

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

/// What happens to containers, told from the files that say how things stand: nobody has to write
/// it down a second time, and nothing is lost when no one listens.
namespace davit::stack {

/// One thing that happened, in Docker's words.
struct ContainerEvent {
    std::string action = {};  ///< create, start, die, stop, restart, pause, unpause, destroy, …
    std::chrono::system_clock::time_point time = {};
    std::map<std::string, std::string> attributes = {};  ///< exitCode and the like.
    ContainerRecord record = {};                         ///< Of the container, or what it was.
};

/// How all containers stand, by id.
using Standing = std::map<std::string, ContainerView>;

Result<Standing> look_at(const Paths& paths, const std::string& project);

/// What must have happened between two looks, oldest first. `now` is for what leaves no time
/// behind. Pure.
std::vector<ContainerEvent> changes(const Standing& before, const Standing& after,
                                    std::chrono::system_clock::time_point now);

/// What the files still tell of the past: each container's creation, its last start and end.
std::vector<ContainerEvent> past(const Standing& standing);

/// Calls `on_event` for what happens from now on, until it returns false or `wake_fd` becomes
/// readable. Waits with inotify.
Result<void> watch_events(const Paths& paths, const std::string& project, int wake_fd,
                          const std::function<bool(const ContainerEvent&)>& on_event);

}  // namespace davit::stack
