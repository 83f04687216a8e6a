#pragma once

#include "base/result.h"

#include <string>

namespace davit::runtime {

/// Stops every process of the cgroups at `path` where it is, or lets them go on; returns when it is
/// so. Uses the v2 hierarchy where there is one, else the v1 freezer.
/// @errors Unsupported where this machine has neither; TimedOut where the processes are not
/// stopped within ten seconds, in which case they go on
/// @source cgroup-v2.rst "cgroup.freeze", freezer-subsystem.rst
Result<void> set_frozen(const std::string& path, bool frozen);

}  // namespace davit::runtime
