#include "stack/actuator.h"

#include "base/assert.h"

namespace davit::stack {

using compose::Step;
using compose::StepKind;

Result<void> perform(const Step& step, Actuator& actuator) {
    const std::string& name = step.resource.name;
    switch (step.kind) {
        case StepKind::CreateNetwork:
            TRY_DOING(actuator.create_network(name), "create network '{}'", name);
            return {};
        case StepKind::RemoveNetwork:
            TRY_DOING(actuator.remove_network(name), "remove network '{}'", name);
            return {};
        case StepKind::CreateVolume:
            TRY_DOING(actuator.create_volume(name), "create volume '{}'", name);
            return {};
        case StepKind::RemoveVolume:
            TRY_DOING(actuator.remove_volume(name), "remove volume '{}'", name);
            return {};
        case StepKind::CreateContainer:
            TRY_DOING(actuator.create_container(name), "create container '{}'", name);
            return {};
        case StepKind::StartContainer:
            TRY_DOING(actuator.start_container(name), "start container '{}'", name);
            return {};
        case StepKind::StopContainer:
            TRY_DOING(actuator.stop_container(name), "stop container '{}'", name);
            return {};
        case StepKind::AwaitContainer:
            TRY_DOING(actuator.await_container(name, step.awaited), "wait for '{}' {}", name,
                      compose::name_of(step.awaited));
            return {};
        case StepKind::RemoveContainer:
            TRY_DOING(actuator.remove_container(name), "remove container '{}'", name);
            return {};
    }
    assertion_failed("a step has a kind", __FILE__, __LINE__);
}

}  // namespace davit::stack
