#pragma once

#include "compose/plan.h"
#include "compose/state.h"

#include <map>
#include <string>

namespace davit::compose {

/// A container that must stop, and why.
struct Leaving {
    std::string cause = {};
    std::string place = {};
    bool remove = true;  ///< False: it only stops.
};

/// The last step of each container that leaves, by name.
using LastSteps = std::map<std::string, StepId>;

/// Adds the steps that stop and remove the containers, dependents before what they need.
LastSteps add_tear_down(Plan& plan, const ObservedState& observed,
                        const std::map<std::string, Leaving>& leaving);

}  // namespace davit::compose
