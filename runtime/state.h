#pragma once

#include "base/result.h"
#include "runtime/health.h"
#include "runtime/keeper.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace davit::runtime {

/// Where a container is in its life; the words of `docker inspect`.
enum class Status { Created, Running, Restarting, Paused, Exited };

const char* to_string(Status status);

/// What the guard knows of its container: RUN ROOT/<project>/<container>/state.json. Written by the
/// guard alone, atomically, on every change.
struct ContainerState {
    Status status = Status::Created;
    pid_t pid = 0;                       ///< Of the init process on the host; 0: none lives.
    unsigned long long start_ticks = 0;  ///< Start time of `pid`, see sys::start_time.
    pid_t guard_pid = 0;
    unsigned long long guard_start_ticks = 0;
    int exit_code = 0;  ///< Of the last run: status, or 128 + signal.
    bool oom_killed = false;
    std::string error = {};        ///< Why the last start failed, or empty.
    std::string started_at = {};   ///< RFC 3339, or empty.
    std::string finished_at = {};  ///< RFC 3339, or empty.
    int restart_count = 0;
    bool stopped_by_user = false;       ///< `stop` ended it: no restart policy applies.
    bool stopping = false;              ///< Its guard will end it, whoever asked for that has gone.
    std::optional<Health> health = {};  ///< Absent where nothing checks it.
    Keeper keeper = {};                 ///< Of this run's terminal or standard input.
};

/// @errors NotFound where no guard ever ran since boot
Result<ContainerState> read_state(const std::string& run_dir);
Result<void> write_state(const std::string& run_dir, const ContainerState& state);

/// As `read_state`, checked against the kernel: a process that is gone is not reported as running,
/// even where its guard was killed before it could say so. An absent state is Created without pid;
/// a damaged one is written anew by the guard, and without a guard it is Exited with an error.
/// @errors Unsupported where a newer davit wrote it
Result<ContainerState> observe_state(const std::string& run_dir);

/// Whether the guard that wrote `state` still lives.
bool guard_alive(const ContainerState& state);

}  // namespace davit::runtime
