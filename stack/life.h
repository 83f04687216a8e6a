#pragma once

#include "stack/operations.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

/// What is done with containers that are there already: no Compose file is needed for it. Each
/// takes the project's lock, observes, plans and carries out, and returns what failed.
namespace davit::stack {

struct LifeRequest {
    std::string project = {};
    std::set<std::string> containers = {};  ///< By name; those that are gone are passed over.
    std::optional<std::chrono::milliseconds> stop_timeout = {};  ///< -t
    bool hooks = true;                                           ///< False: without `pre_stop`.
    bool no_deps = false;  ///< Of restart: without those that are restarted along.
    int cancel_fd = -1;    ///< Readable: waiting for containers is given up.
    /// When that is given up as failed; none: never.
    std::optional<std::chrono::steady_clock::time_point> wait_until = {};
    ExecuteOptions options = {};
    OnEvent on_event = {};
};

using Failures = std::vector<FailedStep>;

/// Stops the containers, in reverse order of their dependencies, without removing anything.
Result<Failures> stop(const Environment& environment, const LifeRequest& request);

/// Starts those that don't run: a new guard on the same bundle, the same addresses and id range.
/// Networks whose bridges are gone, as after a reboot, are made again.
Result<Failures> start(const Environment& environment, const LifeRequest& request);

Result<Failures> restart(const Environment& environment, const LifeRequest& request);

struct RemoveRequest {
    LifeRequest life = {};
    bool stop = false;               ///< Also those that run.
    bool anonymous_volumes = false;  ///< With the data of their anonymous volumes.
};
Result<Failures> remove(const Environment& environment, const RemoveRequest& request);

/// Sends a signal to the running ones. SIGKILL and the container's own stop signal are the user's
/// will that it ends: no restart policy brings it back. @source moby daemon/kill.go
Result<Failures> kill(const Environment& environment, const LifeRequest& request, int signal);

/// Stops the processes of the running ones where they are, or lets the paused ones go on.
Result<Failures> pause(const Environment& environment, const LifeRequest& request);
Result<Failures> unpause(const Environment& environment, const LifeRequest& request);

/// The number of "SIGTERM", "term" or "15". @errors InvalidInput
Result<int> parse_signal(const std::string& text);

/// What these would do, for --dry-run. Changes nothing, takes no lock.
enum class LifeAction { Stop, Start, Restart, Remove, RemoveAll };
Result<compose::Plan> preview(const Environment& environment, const LifeRequest& request,
                              LifeAction action);

}  // namespace davit::stack
