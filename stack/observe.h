#pragma once

#include "compose/state.h"
#include "stack/operations.h"

#include <map>
#include <set>
#include <string>

namespace davit::stack {

/// A project as it was found: what was written down, and what the kernel and the guards say.
struct Observation {
    std::map<std::string, ContainerRecord> containers = {};
    std::map<std::string, NetworkRecord> networks = {};
    std::map<std::string, runtime::ContainerState> states = {};  ///< By container.
    std::set<std::string> guarded = {};                          ///< Containers whose guards live.
    std::map<std::string, VolumeRecord> volumes = {};            ///< All of the data root.
    compose::ObservedState state = {};  ///< The same, in the planner's words.
};

/// Reads the project's records and looks at the kernel. Changes nothing. Also finds containers of
/// which only the run folder is left.
Result<Observation> observe(const Environment& environment, const std::string& project);

/// A file in the run folder of a one-off container from before it has a guard until its network is
/// announced, all of which `run` does under the project's lock: who finds it there under that lock
/// knows that its `run` was killed. It goes with the machine, as what it is about does.
std::string unfinished_mark(const std::string& run_dir);

/// Whether a container was made whole. Its configuration is written last, and without waiting for
/// the disk: after a power cut it may be there and empty.
bool is_whole(const Paths& paths, const std::string& project, const std::string& container);

/// Adds the ids of the images that `desired` names and the store has.
Result<void> observe_images(const Environment& environment, const compose::DesiredState& desired,
                            compose::ObservedState& observed);

}  // namespace davit::stack
