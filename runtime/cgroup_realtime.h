#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

namespace davit::runtime {

/// Gives the cgroups above `path` in the v1 cpu hierarchy at `mount` as much time of real-time
/// processes as their children have together, and `path` is about to have: a cgroup can't have more
/// than the one above it, and new ones have none. @source sched-rt-group.rst
/// @errors System where the machine has no more to share out
Result<void> raise_realtime(const std::string& mount, const std::string& path,
                            std::int64_t runtime_us, std::int64_t period_us);

}  // namespace davit::runtime
