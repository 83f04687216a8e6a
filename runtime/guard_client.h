#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/state.h"

#include <chrono>
#include <string>

/// How the rest of davit speaks with guards. A guard is one `davit-runtime guard` process; see
/// docs/architecture.md, "Guard protocol".
namespace davit::runtime {

struct GuardLaunch {
    std::string program = {};  ///< Absolute path of davit-runtime.
    std::string bundle = {};   ///< Folder with config.json.
    std::string run_dir = {};  ///< Exists, 0700; the guard keeps state.json, control.sock, FIFOs.
};

/// A container whose init process exists and waits to be started.
struct CreatedContainer {
    pid_t pid = 0;
    UniqueFd netns = {};  ///< The container's network namespace.
};

/// Starts a guard and returns when its container is created: namespaces, cgroups, root file system
/// and all mounts are there, and the init process waits for `start`.
/// @errors what the guard or the child reports, as if it had happened here; then both are gone
Result<CreatedContainer> launch_guard(const GuardLaunch& launch);

/// Starts a guard for a container that runs without one, its own having been killed; returns when
/// the container is in its hands. The container notices nothing.
/// @errors Busy where it has a guard; NotFound where it doesn't run
Result<void> adopt(const GuardLaunch& launch);

/// Lets the init process execute its program; returns when execve(2) has succeeded.
/// @errors NotFound, PermissionDenied where the program can't be executed, naming it; System where
/// there is no guard, or it ends meanwhile
Result<void> start(const std::string& run_dir);

/// Stops the container: `signal` (0: as configured), SIGKILL after `timeout`, and waits until
/// it has ended and the guard is gone. Without a guard (it was killed) the process is ended
/// directly. One that does not run is fine, and so is a damaged state: its guard is found by its
/// socket.
Result<void> stop(const std::string& run_dir, int signal, std::chrono::milliseconds timeout);

/// Sends a signal to the init process. @errors NotFound where it does not run
Result<void> kill(const std::string& run_dir, int signal);

/// Stops the container's processes where they are, or lets them go on. @errors Busy where it does
/// not run, or is (not) paused already
Result<void> pause(const std::string& run_dir);
Result<void> unpause(const std::string& run_dir);

/// Has the guard become `program`, which is davit-runtime after an upgrade, without the container
/// noticing. Does nothing where it is that program already; returns whether it was done.
/// @errors Busy where the container doesn't run, is being stopped, or has somebody attached
Result<bool> renew(const std::string& run_dir, const std::string& program);

/// Takes what a guard left behind that is gone now: the cgroups named in the bundle's config.json.
/// For a container that does not run.
Result<void> remove_leftovers(const std::string& bundle);

}  // namespace davit::runtime
