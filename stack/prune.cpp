#include "stack/prune.h"

#include "compose/life_plan.h"
#include "stack/claims.h"
#include "stack/kernel_actuator.h"
#include "stack/observe.h"

namespace davit::stack {
namespace {

/// Adds the removal of networks that have no container once the plan's own are gone.
void add_networks(compose::Plan& plan, const PruneRequest& request, const Observation& seen) {
    std::map<std::string, compose::StepId> going;
    for (compose::StepId id = 0; id < plan.steps.size(); ++id)
        if (plan.steps[id].kind == compose::StepKind::RemoveContainer)
            going[plan.steps[id].resource.name] = id;
    for (const auto& [name, network] : seen.networks) {
        if (!request.networks.contains(name)) continue;
        compose::Step step;
        step.kind = compose::StepKind::RemoveNetwork;
        step.resource = {compose::ResourceKind::Network, name};
        step.cause = "no container uses it";
        bool used = false;
        for (const auto& [container, record] : seen.containers) {
            for (const Endpoint& endpoint : record.endpoints) {
                if (endpoint.network != name) continue;
                const auto removal = going.find(container);
                if (removal == going.end())
                    used = true;
                else
                    step.after.push_back(removal->second);
            }
        }
        if (!used) plan.add(std::move(step));
    }
}

compose::Plan plan_of(const PruneRequest& request, const Observation& seen) {
    compose::Plan plan = compose::plan_remove(seen.state, request.containers, false);
    add_networks(plan, request, seen);
    return plan;
}

}  // namespace

Result<compose::Plan> preview_prune(const Environment& environment, const PruneRequest& request) {
    return plan_of(request, TRY(observe(environment, request.project)));
}

Result<Pruned> prune(const Environment& environment, const PruneRequest& request) {
    const Paths& paths = environment.paths;
    Pruned pruned;
    if (!exists(paths.project(request.project))) return pruned;
    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(request.project)));
    const Observation seen = TRY(observe(environment, request.project));
    const compose::Plan plan = plan_of(request, seen);
    if (plan.empty()) return pruned;
    KernelActuator::World world;
    world.environment = &environment;
    world.project = request.project;
    world.seen = &seen;
    KernelActuator actuator(world);
    pruned.failed = execute(plan, actuator, {}, [](const StepEvent&) {});
    const auto containers = TRY(read_containers(paths, request.project));
    const auto networks = TRY(read_networks(paths, request.project));
    for (const auto& [name, record] : seen.containers)
        if (!containers.contains(name)) pruned.containers.push_back(record.id);
    for (const auto& [name, record] : seen.networks)
        if (!networks.contains(name)) pruned.networks.push_back(name);
    if (containers.empty() && networks.empty()) {
        TRY(tidy_run_root(paths, request.project));
        tidy_project(paths, request.project);
    }
    return pruned;
}

}  // namespace davit::stack
