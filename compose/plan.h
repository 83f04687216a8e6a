#pragma once

#include "compose/project.h"

#include <cstddef>
#include <string>
#include <vector>

namespace davit::compose {

/// What a step does. Each kind is one function of the actuator, and nothing more.
enum class StepKind {
    CreateNetwork,
    RemoveNetwork,
    CreateVolume,
    RemoveVolume,
    CreateContainer,
    StartContainer,
    StopContainer,
    RemoveContainer,
    AwaitContainer,
};

enum class ResourceKind { Network, Volume, Container };

/// What a step acts on, by its name on this host.
struct Resource {
    ResourceKind kind = ResourceKind::Container;
    std::string name = {};

    bool operator==(const Resource&) const = default;
};

using StepId = std::size_t;

/// One action, and why.
struct Step {
    StepKind kind = StepKind::CreateContainer;
    Resource resource = {};
    std::string cause = {};          ///< "not there yet", "image changed", "configuration changed".
    std::string place = {};          ///< "compose.yaml:7:12", or empty.
    std::vector<StepId> after = {};  ///< Steps that must have succeeded first; all smaller ids.
    Awaited awaited = Awaited::Started;  ///< Of AwaitContainer.
    bool optional = false;               ///< What comes after it may also come where it fails.

    bool operator==(const Step&) const = default;
};

/// What must be done to bring the observed state to the desired one.
/// Steps stand in an order that satisfies every `after`; a step's id is its index.
struct Plan {
    std::vector<Step> steps = {};
    std::vector<std::string> warnings = {};  ///< Oddities seen while planning; nothing is logged.

    StepId add(Step step) {
        steps.push_back(std::move(step));
        return steps.size() - 1;
    }
    bool empty() const { return steps.empty(); }
};

/// "to be healthy", behind "waits for db".
const char* name_of(Awaited awaited);
/// "CreateContainer", for JSON and logs.
const char* name_of(StepKind kind);
/// "container:web-1".
std::string to_string(const Resource& resource);
/// One line a step: "[0,2] -> #3 container:web-1 CreateContainer (image changed)".
std::string to_string(const Plan& plan);

}  // namespace davit::compose
