#include "compose/plan.h"

#include <fmt/format.h>

namespace davit::compose {

const char* name_of(StepKind kind) {
    switch (kind) {
        case StepKind::CreateNetwork: return "CreateNetwork";
        case StepKind::RemoveNetwork: return "RemoveNetwork";
        case StepKind::CreateVolume: return "CreateVolume";
        case StepKind::RemoveVolume: return "RemoveVolume";
        case StepKind::CreateContainer: return "CreateContainer";
        case StepKind::StartContainer: return "StartContainer";
        case StepKind::StopContainer: return "StopContainer";
        case StepKind::RemoveContainer: return "RemoveContainer";
        case StepKind::AwaitContainer: return "AwaitContainer";
    }
    return "?";
}

const char* name_of(Awaited awaited) {
    switch (awaited) {
        case Awaited::Started: return "to be started";
        case Awaited::Healthy: return "to be healthy";
        case Awaited::Completed: return "to complete";
        case Awaited::Running: return "to run";
    }
    return "?";
}

std::string to_string(const Resource& resource) {
    switch (resource.kind) {
        case ResourceKind::Network: return "network:" + resource.name;
        case ResourceKind::Volume: return "volume:" + resource.name;
        case ResourceKind::Container: return "container:" + resource.name;
    }
    return resource.name;
}

std::string to_string(const Plan& plan) {
    std::string text;
    for (StepId id = 0; id < plan.steps.size(); ++id) {
        const Step& step = plan.steps[id];
        text += fmt::format("[{}] -> #{} {} {} ({})\n", fmt::join(step.after, ","), id,
                            to_string(step.resource), name_of(step.kind), step.cause);
    }
    return text;
}

}  // namespace davit::compose
