#pragma once

#include "compose/loader.h"
#include "compose/planner.h"
#include "network/ipam.h"
#include "stack/executor.h"
#include "stack/records.h"
#include "stack/status.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// What the commands do, without a word of rendering: each takes the project's lock, observes,
/// plans, carries out.
namespace davit::stack {

struct Environment {
    Paths paths = {};
    std::string runtime_program = {};  ///< Absolute path of davit-runtime.
    std::string program = {};          ///< Absolute path of davit, which guards run; may be empty.
    /// Where networks come from when the file says nothing; empty: network::default_pools().
    std::vector<network::Pool> address_pools = {};
};

struct UpRequest {
    const compose::LoadedProject* loaded = nullptr;
    compose::UpOptions options = {};
    std::optional<std::chrono::milliseconds> stop_timeout = {};  ///< -t
    std::map<std::string, int> scale = {};                       ///< --scale, by service.
    bool renew_anonymous = false;                                ///< --renew-anon-volumes
    int cancel_fd = -1;  ///< Readable: waiting for containers is given up.
    /// When that is given up as failed; none: never.
    std::optional<std::chrono::steady_clock::time_point> wait_until = {};
    /// Asked for instead of what the file says: the one container of `run`.
    const compose::DesiredState* desired = nullptr;
    /// Of previews: images that a real `up` would pull first, so that they may be missing.
    std::set<std::string> to_bring = {};
    std::string expected = {};  ///< Fingerprint of the plan that was agreed on; empty: any will do.
};

/// Works out what `up` would do. Changes nothing, takes no lock: for `plan` and `--dry-run`.
/// @errors NotFound where an image is missing, at the place in the file that names it
struct UpPreview {
    compose::Plan plan = {};
    /// Of everything that the plan was made from and is to make: another one, another world.
    std::string fingerprint = {};
};
Result<UpPreview> preview_up(const Environment& environment, const UpRequest& request);

/// What `up` has to tell beside what failed.
struct UpNotes {
    std::vector<std::string> warnings = {};
    /// The project's containers, sorted by name, where nothing had to be done: nobody needs to look
    /// at them once more.
    std::optional<std::vector<ContainerView>> unchanged = {};
};

/// Brings the project up: locks, observes, plans, checks everything that can be checked beforehand
/// (images, host ports, bind sources), and only then acts. Returns what failed.
/// @errors what makes the whole attempt impossible; then nothing has changed
Result<std::vector<FailedStep>> up(const Environment& environment, const UpRequest& request,
                                   const ExecuteOptions& execute_options, const OnEvent& on_event,
                                   UpNotes& notes);

struct DownRequest {
    std::string project = {};
    bool volumes = false;  ///< -v: named volumes of the file, and anonymous ones always go.
    std::vector<std::string> own_volumes =
        {};  ///< Names on this host that the file declares, not external.
    std::optional<std::chrono::milliseconds> stop_timeout = {};  ///< -t
    std::set<std::string> services = {};                         ///< Only these; empty: all.
};

/// What `down` would do. Changes nothing, takes no lock.
Result<compose::Plan> preview_down(const Environment& environment, const DownRequest& request);

/// Takes the project away, whatever state it is in, also after a crash of anything.
/// Returns what failed. `found_any` tells whether there was anything to remove.
Result<std::vector<FailedStep>> down(const Environment& environment, const DownRequest& request,
                                     const ExecuteOptions& execute_options, const OnEvent& on_event,
                                     bool& found_any);

/// Removes the project's folders where nothing is in them any more but the lock, which the caller
/// holds.
void tidy_project(const Paths& paths, const std::string& project);

/// Data root of a project that is up, from the run root's index; empty where it is not up.
std::string data_root_of_running(const Paths& paths, const std::string& project);

}  // namespace davit::stack
