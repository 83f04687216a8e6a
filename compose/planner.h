#pragma once

#include "compose/plan.h"
#include "compose/state.h"

#include <set>
#include <string>
#include <vector>

namespace davit::compose {

struct UpOptions {
    bool force_recreate = false;
    bool remove_orphans = false;
    bool ignore_orphans = false;  ///< No word about them.
    /// What was left half made and belongs to no service goes.
    bool remove_unfinished = true;
    /// Only these services and what they depend on; empty: all.
    std::vector<std::string> services = {};
    bool no_start = false;              ///< `create`: make, but don't start.
    bool no_recreate = false;           ///< What is there stays as it is, changed or not.
    bool no_deps = false;               ///< `services` alone, without what they depend on.
    bool always_recreate_deps = false;  ///< What `services` depend on is made anew.
};

/// The steps from `observed` to `desired`. Containers of the project that the file doesn't name
/// (orphans) stay, with a warning, unless asked otherwise.
///
/// A pure function: the same arguments give the same plan, byte for byte; it reads no clock, no
/// file and no environment, and logs nothing.
Plan plan_up(const DesiredState& desired, const ObservedState& observed, const UpOptions& options,
             const SourceMap& places);

struct DownOptions {
    bool volumes = false;  ///< Also the project's named volumes (not the external ones).
    /// Volumes the file names, by name on this host, which may be removed; used with `volumes`.
    std::vector<std::string> own_volumes = {};
    /// Only the containers of these, and networks that nobody else is on; empty: everything.
    std::set<std::string> services = {};
};

/// The steps that take everything in `observed` away: containers stopped in reverse order of their
/// dependencies and removed, then networks, then volumes where asked. Pure.
Plan plan_down(const ObservedState& observed, const DownOptions& options);

}  // namespace davit::compose
