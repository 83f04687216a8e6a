#include "stack/life.h"

#include "base/strings.h"
#include "compose/life_plan.h"
#include "runtime/capabilities.h"
#include "runtime/guard_client.h"
#include "stack/claims.h"
#include "stack/kept_logs.h"
#include "stack/kernel_actuator.h"
#include "stack/observe.h"
#include "stack/volumes.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>

namespace davit::stack {
namespace {

using compose::Plan;

KernelActuator::World world_of(const Environment& environment, const LifeRequest& request,
                               const Observation& seen) {
    KernelActuator::World world;
    world.environment = &environment;
    world.project = request.project;
    world.seen = &seen;
    world.stop_timeout = request.stop_timeout;
    world.cancel_fd = request.cancel_fd;
    world.wait_until = request.wait_until;
    world.hooks = request.hooks;
    return world;
}

/// What a start needs that a reboot takes away: the project's place in the run root and the bridges
/// of its networks.
Result<void> make_ground(const Environment& environment, const LifeRequest& request,
                         const Observation& seen, const Plan& plan, KernelActuator& actuator) {
    std::set<std::string> networks;
    for (const compose::Step& step : plan.steps) {
        if (step.kind != compose::StepKind::StartContainer) continue;
        for (const Endpoint& endpoint : seen.containers.at(step.resource.name).endpoints)
            networks.insert(endpoint.network);
    }
    {
        const FileLock host = TRY(lock_host(environment.paths));
        TRY(write_project_claim(environment.paths, request.project));
    }
    for (const std::string& name : networks) {
        const auto known = seen.networks.find(name);
        if (known == seen.networks.end())
            return Error(ErrorKind::NotFound, fmt::format("network '{}' is gone", name))
                .help("make it again with 'davit up -d'");
        if (!seen.state.networks.at(name).in_kernel) TRY(actuator.create_network(name));
    }
    return {};
}

template <typename MakePlan>
Result<Failures> carry_out(const Environment& environment, const LifeRequest& request,
                           MakePlan make_plan, bool starts) {
    const Paths& paths = environment.paths;
    if (!exists(paths.project(request.project))) return Failures();
    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(request.project)));
    mend_claims(paths, request.project);
    const Observation seen = TRY(observe(environment, request.project));
    const Plan plan = make_plan(seen.state);
    KernelActuator actuator(world_of(environment, request, seen));
    if (starts && !plan.empty()) TRY(make_ground(environment, request, seen, plan, actuator));
    return execute(plan, actuator, request.options, request.on_event);
}

/// Starting one that was never made whole can't work.
std::set<std::string> whole_ones(const Environment& environment, const LifeRequest& request) {
    std::set<std::string> names;
    for (const std::string& name : request.containers)
        if (is_whole(environment.paths, request.project, name)) names.insert(name);
    return names;
}

Error not_a_signal(const std::string& text) {
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a signal", printable(text)))
        .help("name one such as SIGTERM, or its number");
}

/// Asks the guards of the running ones for something that changes no record.
Result<Failures> tell_guards(const Environment& environment, const LifeRequest& request,
                             const char* what,
                             const std::function<Result<void>(const std::string&)>& ask) {
    Failures failed;
    for (const ContainerView& view : TRY(list_containers(environment.paths, request.project))) {
        const std::string& name = view.record.name;
        if (!request.containers.contains(name) || view.state.pid == 0) continue;
        Result<void> done = ask(environment.paths.run_container(request.project, name));
        if (done) continue;
        compose::Step step;
        step.resource = {compose::ResourceKind::Container, name};
        failed.push_back(
            {std::move(step), std::move(done).error().doing("{} container '{}'", what, name)});
    }
    return failed;
}

}  // namespace

Result<Failures> stop(const Environment& environment, const LifeRequest& request) {
    return carry_out(
        environment, request,
        [&](const auto& seen) { return compose::plan_stop(seen, request.containers); }, false);
}

Result<Failures> start(const Environment& environment, const LifeRequest& request) {
    const std::set<std::string> names = whole_ones(environment, request);
    return carry_out(
        environment, request, [&](const auto& seen) { return compose::plan_start(seen, names); },
        true);
}

Result<Failures> restart(const Environment& environment, const LifeRequest& request) {
    const std::set<std::string> names = whole_ones(environment, request);
    return carry_out(
        environment, request,
        [&](const auto& seen) { return compose::plan_restart(seen, names, !request.no_deps); },
        true);
}

Result<Failures> remove(const Environment& environment, const RemoveRequest& request) {
    const LifeRequest& life = request.life;
    const Paths& paths = environment.paths;
    if (!exists(paths.project(life.project))) return Failures();
    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(life.project)));
    mend_claims(paths, life.project);
    const Observation seen = TRY(observe(environment, life.project));
    const Plan plan = compose::plan_remove(seen.state, life.containers, request.stop);
    KernelActuator actuator(world_of(environment, life, seen));
    Failures failed = execute(plan, actuator, life.options, life.on_event);
    for (const compose::Step& step : plan.steps) {
        const std::string& name = step.resource.name;
        if (step.kind != compose::StepKind::RemoveContainer ||
            exists(paths.container(life.project, name)))
            continue;
        const ContainerRecord& record = seen.containers.at(name);
        // Of a davit that was killed while it recreated the container.
        TRY(remove_tree(kept_logs(paths, life.project) + "/" + name));
        if (!request.anonymous_volumes) {
            TRY(set_anonymous_free(record));
            continue;
        }
        TRY(erase_anonymous_of(record));
    }
    return failed;
}

Result<Failures> kill(const Environment& environment, const LifeRequest& request, int signal) {
    if (signal == SIGKILL) {
        LifeRequest at_once = request;
        at_once.stop_timeout = std::chrono::milliseconds(0);
        at_once.hooks = false;
        return stop(environment, at_once);
    }
    return tell_guards(environment, request, "kill", [signal](const std::string& run_dir) {
        return runtime::kill(run_dir, signal);
    });
}

Result<Failures> pause(const Environment& environment, const LifeRequest& request) {
    return tell_guards(environment, request, "pause", runtime::pause);
}

Result<Failures> unpause(const Environment& environment, const LifeRequest& request) {
    return tell_guards(environment, request, "unpause", runtime::unpause);
}

Result<int> parse_signal(const std::string& text) {
    if (const std::optional<int> signal = runtime::signal_number(text)) return *signal;
    return not_a_signal(text);
}

Result<Plan> preview(const Environment& environment, const LifeRequest& request,
                     LifeAction action) {
    const Observation seen = TRY(observe(environment, request.project));
    switch (action) {
        case LifeAction::Stop: return compose::plan_stop(seen.state, request.containers);
        case LifeAction::Start: return compose::plan_start(seen.state, request.containers);
        case LifeAction::Restart:
            return compose::plan_restart(seen.state, request.containers, !request.no_deps);
        case LifeAction::Remove: return compose::plan_remove(seen.state, request.containers, false);
        case LifeAction::RemoveAll:
            return compose::plan_remove(seen.state, request.containers, true);
    }
    return Plan();
}

}  // namespace davit::stack
