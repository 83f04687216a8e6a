#include "compose/tear_down.h"

#include "compose/dependency_order.h"
#include "compose/planner.h"

#include <algorithm>
#include <set>

namespace davit::compose {

LastSteps add_tear_down(Plan& plan, const ObservedState& observed,
                        const std::map<std::string, Leaving>& leaving) {
    Needs needs;
    for (const auto& [name, why] : leaving) {
        const auto found = observed.containers.find(name);
        if (found != observed.containers.end()) needs[name] = found->second.needs;
    }
    std::vector<std::string> order = dependency_order(needs).order;
    std::reverse(order.begin(), order.end());

    LastSteps last;
    // By what is needed: the stops of those that need it. Records of an older file may have
    // circles; what was added already is all that can be waited for.
    std::map<std::string, std::vector<StepId>> dependents_stopped;
    for (const std::string& name : order) {
        const Leaving& why = leaving.at(name);
        const Resource resource{ResourceKind::Container, name};
        const StepId stopped = plan.add(
            {StepKind::StopContainer, resource, why.cause, why.place, dependents_stopped[name]});
        last[name] = stopped;
        const std::set<std::string> needed(needs[name].begin(), needs[name].end());
        for (const std::string& need : needed) dependents_stopped[need].push_back(stopped);
        if (why.remove)
            last[name] =
                plan.add({StepKind::RemoveContainer, resource, why.cause, why.place, {stopped}});
    }
    return last;
}

Plan plan_down(const ObservedState& observed, const DownOptions& options) {
    constexpr const char* kCause = "asked for by down";
    Plan plan;
    std::map<std::string, Leaving> leaving;
    for (const auto& [name, container] : observed.containers)
        if (options.services.empty() || options.services.contains(container.service))
            leaving[name] = {kCause};
    const LastSteps removed = add_tear_down(plan, observed, leaving);

    for (const auto& [name, network] : observed.networks) {
        std::vector<StepId> after;
        bool in_use = false;
        for (const auto& [container_name, container] : observed.containers) {
            const auto& on = container.networks;
            if (std::find(on.begin(), on.end(), name) == on.end()) continue;
            const auto gone = removed.find(container_name);
            in_use = in_use || gone == removed.end();
            if (gone != removed.end()) after.push_back(gone->second);
        }
        if (in_use || (!options.services.empty() && after.empty())) continue;
        std::sort(after.begin(), after.end());
        plan.add({StepKind::RemoveNetwork, {ResourceKind::Network, name}, kCause, {}, after});
    }
    if (!options.volumes) return plan;

    std::vector<StepId> all_removed;
    for (const auto& [name, step] : removed) all_removed.push_back(step);
    std::sort(all_removed.begin(), all_removed.end());
    const std::set<std::string> there(observed.volumes.begin(), observed.volumes.end());
    for (const std::string& name :
         std::set<std::string>(options.own_volumes.begin(), options.own_volumes.end())) {
        if (there.contains(name))
            plan.add({StepKind::RemoveVolume,
                      {ResourceKind::Volume, name},
                      "asked for by --volumes",
                      {},
                      all_removed});
    }
    return plan;
}

}  // namespace davit::compose
