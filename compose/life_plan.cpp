#include "compose/life_plan.h"

#include "compose/dependency_order.h"
#include "compose/tear_down.h"

#include <algorithm>
#include <optional>

namespace davit::compose {
namespace {

std::map<std::string, Leaving> leaving(const ObservedState& observed, const ContainerNames& names,
                                       const char* cause, bool remove) {
    std::map<std::string, Leaving> leaving;
    for (const std::string& name : names)
        if (observed.containers.contains(name)) leaving[name] = {cause, {}, remove};
    return leaving;
}

/// Adds the step that waits for the gate; none where it is open, or where there is no such
/// container.
std::optional<StepId> add_wait(Plan& plan, const ObservedState& observed,
                               const std::map<std::string, StepId>& started, const Gate& gate,
                               const std::string& name) {
    const auto found = observed.containers.find(gate.container);
    if (gate.condition == Awaited::Started || found == observed.containers.end())
        return std::nullopt;
    const auto begun = started.find(gate.container);
    const bool open =
        begun == started.end() &&
        (gate.condition == Awaited::Healthy ? found->second.running && found->second.healthy
                                            : found->second.completed);
    if (open) return std::nullopt;
    Step step;
    step.kind = StepKind::AwaitContainer;
    step.resource = {ResourceKind::Container, gate.container};
    step.cause = "'" + name + "' waits for it " + name_of(gate.condition);
    if (begun != started.end()) step.after = {begun->second};
    step.awaited = gate.condition;
    step.optional = !gate.required;
    return plan.add(std::move(step));
}

/// Adds a start for each of `names`, after `stopped` of the same container and the starts of those
/// that it needs.
void add_starts(Plan& plan, const ObservedState& observed, const ContainerNames& names,
                const LastSteps& stopped, const char* cause) {
    Needs needs;
    for (const std::string& name : names) {
        const auto found = observed.containers.find(name);
        if (found != observed.containers.end()) needs[name] = found->second.needs;
    }
    std::map<std::string, StepId> started;
    for (const std::string& name : dependency_order(needs).order) {
        std::vector<StepId> after;
        if (const auto own = stopped.find(name); own != stopped.end()) after.push_back(own->second);
        for (const std::string& need : needs[name])
            if (const auto step = started.find(need); step != started.end())
                after.push_back(step->second);
        for (const Gate& gate : observed.containers.at(name).gates)
            if (const auto step = add_wait(plan, observed, started, gate, name))
                after.push_back(*step);
        std::sort(after.begin(), after.end());
        after.erase(std::unique(after.begin(), after.end()), after.end());
        started[name] = plan.add({StepKind::StartContainer,
                                  {ResourceKind::Container, name},
                                  cause,
                                  {},
                                  std::move(after)});
    }
}

}  // namespace

Plan plan_stop(const ObservedState& observed, const ContainerNames& names) {
    Plan plan;
    add_tear_down(plan, observed, leaving(observed, names, "asked for by stop", false));
    return plan;
}

Plan plan_start(const ObservedState& observed, const ContainerNames& names) {
    ContainerNames resting;
    for (const std::string& name : names) {
        const auto found = observed.containers.find(name);
        if (found != observed.containers.end() && !found->second.running) resting.insert(name);
    }
    // Who has the network of one that is started still has that of its last run: it comes along.
    ContainerNames along;
    for (const auto& [name, container] : observed.containers)
        if (container.running && resting.contains(container.network_of)) along.insert(name);
    Plan plan;
    const LastSteps stopped = add_tear_down(
        plan, observed, leaving(observed, along, "the network that it shares is made anew", false));
    resting.insert(along.begin(), along.end());
    add_starts(plan, observed, resting, stopped, "not running");
    return plan;
}

Plan plan_restart(const ObservedState& observed, ContainerNames names, bool follow) {
    constexpr const char* kCause = "asked for by restart";
    for (bool again = follow; again;) {
        again = false;
        for (const auto& [name, container] : observed.containers)
            for (const Gate& gate : container.gates)
                if (gate.restart && container.running && names.contains(gate.container))
                    again = names.insert(name).second || again;
    }
    Plan plan;
    const LastSteps stopped =
        add_tear_down(plan, observed, leaving(observed, names, kCause, false));
    add_starts(plan, observed, names, stopped, kCause);
    return plan;
}

Plan plan_remove(const ObservedState& observed, const ContainerNames& names, bool stop) {
    constexpr const char* kCause = "asked for by rm";
    ContainerNames chosen;
    for (const std::string& name : names) {
        const auto found = observed.containers.find(name);
        if (found != observed.containers.end() && (stop || !found->second.running))
            chosen.insert(name);
    }
    Plan whole;
    add_tear_down(whole, observed, leaving(observed, chosen, kCause, true));
    // One that has ended needs no stop, and a user who reads the plan no line about it.
    Plan plan;
    std::map<StepId, StepId> new_id;
    for (StepId id = 0; id < whole.steps.size(); ++id) {
        Step step = whole.steps[id];
        if (step.kind == StepKind::StopContainer &&
            !observed.containers.at(step.resource.name).running)
            continue;
        std::vector<StepId> after;
        for (const StepId before : step.after)
            if (const auto kept = new_id.find(before); kept != new_id.end())
                after.push_back(kept->second);
        step.after = std::move(after);
        new_id[id] = plan.add(std::move(step));
    }
    return plan;
}

}  // namespace davit::compose
