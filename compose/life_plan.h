#pragma once

#include "compose/plan.h"
#include "compose/state.h"

#include <set>
#include <string>

/// Plans of the commands that need no Compose file: what is there says all. Pure, like plan_up.
namespace davit::compose {

using ContainerNames = std::set<std::string>;

/// Stops `names`, dependents before what they need.
Plan plan_stop(const ObservedState& observed, const ContainerNames& names);

/// Starts those of `names` that don't run, what they need before them, and as soon as the
/// conditions of `depends_on` hold.
Plan plan_start(const ObservedState& observed, const ContainerNames& names);

/// Stops all of `names` as `plan_stop` does, then starts them as `plan_start` does. With `follow`
/// also those that `depends_on.restart: true` ties to them.
Plan plan_restart(const ObservedState& observed, ContainerNames names, bool follow);

/// Removes those of `names` that don't run; with `stop` the running ones too.
Plan plan_remove(const ObservedState& observed, const ContainerNames& names, bool stop);

}  // namespace davit::compose
