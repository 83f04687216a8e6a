#include "stack/operations.h"

#include "base/digest.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/scope_guard.h"
#include "base/sys.h"
#include "runtime/state.h"
#include "stack/allocate.h"
#include "stack/claims.h"
#include "stack/kept_logs.h"
#include "stack/kernel_actuator.h"
#include "stack/observe.h"
#include "stack/shared_memory.h"
#include "stack/volumes.h"

#include <algorithm>
#include <fcntl.h>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

/// What `up` works out before it acts.
struct Prepared {
    compose::DesiredState desired;
    Observation seen;
    compose::Plan plan;
};

/// A volume is never made anew: its data would be lost.
void warn_of_volumes(Prepared& prepared) {
    for (const auto& [name, volume] : prepared.desired.volumes) {
        const auto there = prepared.seen.volumes.find(name);
        if (there == prepared.seen.volumes.end() || volume.config.external ||
            there->second.options == volume.config.driver_opts)
            continue;
        prepared.plan.warnings.push_back(fmt::format(
            "volume '{}' was made with other options than the file has, and stays as it is; to "
            "make it anew, and lose what is in it: davit volume rm {}",
            name, name));
    }
}

Result<Prepared> prepare(const Environment& environment, const UpRequest& request) {
    Prepared prepared;
    const compose::Project& project = request.loaded->project;
    prepared.desired = request.desired != nullptr ? *request.desired
                                                  : compose::desired_state(project, request.scale);
    prepared.seen = TRY(observe(environment, project.name));
    TRY(observe_images(environment, prepared.desired, prepared.seen.state));
    compose::UpOptions options = request.options;
    // What else the project has is not what a single container is about.
    const bool single = request.desired != nullptr;
    if (single) options.remove_unfinished = false;
    prepared.plan =
        compose::plan_up(prepared.desired, prepared.seen.state, options, request.loaded->places);
    if (single) prepared.plan.warnings.clear();
    warn_of_volumes(prepared);
    return prepared;
}

ChoiceRequest choice_request(const Environment& environment, const UpRequest& request,
                             const Prepared& prepared) {
    ChoiceRequest choice;
    choice.environment = &environment;
    choice.loaded = request.loaded;
    choice.desired = &prepared.desired;
    choice.seen = &prepared.seen;
    choice.plan = &prepared.plan;
    return choice;
}

/// One project name has one set of containers on a host, whatever its data root.
Result<void> check_data_root(const Environment& environment, const std::string& project) {
    const std::string other = data_root_of_running(environment.paths, project);
    if (other.empty() || other == environment.paths.data_root) return {};
    return Error(ErrorKind::Busy,
                 fmt::format("project '{}' is up with data root '{}'", project, other))
        .help(fmt::format("use --data-root {}, or another project name (-p)", other));
}

Result<Choices> choose_locked(const ChoiceRequest& request) {
    const FileLock host = TRY(lock_host(request.environment->paths));
    // Another `up` of this name, with a data root and so a project lock of its own, may have come
    // first.
    TRY(check_data_root(*request.environment, request.desired->project));
    return choose(request);
}

/// Takes the claims of a choice that failed halfway back, so that nothing has changed.
void forget_choices(const ChoiceRequest& request) {
    const Paths& paths = request.environment->paths;
    const std::string& project = request.desired->project;
    for (const auto& [name, wanted] : request.desired->containers) {
        if (!request.seen->containers.contains(name))
            (void)remove_tree(paths.run_container(project, name));
    }
    if (!request.seen->containers.empty() || !request.seen->networks.empty()) return;
    (void)tidy_run_root(paths, project);
    tidy_project(paths, project);
}

/// A davit that was killed may have left a bridge half made, and others may have changed it or
/// flushed the rules: making it once more brings it to what it should be.
Result<void> mend_networks(const Prepared& prepared, KernelActuator& actuator) {
    for (const auto& [name, found] : prepared.seen.state.networks) {
        const bool planned = std::any_of(
            prepared.plan.steps.begin(), prepared.plan.steps.end(), [&](const compose::Step& step) {
                return step.resource.kind == compose::ResourceKind::Network &&
                       step.resource.name == name;
            });
        if (found.in_kernel && !planned)
            TRY_DOING(actuator.create_network(name), "bring network '{}' up", name);
    }
    return {};
}

/// Folders of anonymous volumes of all containers, on whatever data root they live.
std::set<std::string> anonymous_folders(const Paths& paths, const Observation& seen,
                                        const std::string& project) {
    std::set<std::string> folders = {paths.project(project) + "/anonymous"};
    for (const auto& [name, record] : seen.containers) {
        for (const MountRecord& mount : record.mounts) {
            // …/projects/<project>/anonymous/<container>/<name>/_data
            const std::size_t at = mount.source.rfind("/anonymous/");
            if (mount.anonymous && at != std::string::npos)
                folders.insert(mount.source.substr(0, at) + "/anonymous");
        }
    }
    return folders;
}

/// Takes back what was claimed for containers that davit was killed before it wrote them down: no
/// record leads to them. Needs the project's lock.
void forget_unmade(const Paths& paths, const std::string& project) {
    // Its records may lie on another data root: these are none of our claims then.
    if (data_root_of_running(paths, project) != paths.data_root) return;
    const Result<std::vector<std::string>> names = list_directory(paths.run_project(project));
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        if (name.starts_with('.') || exists(paths.container(project, name))) continue;
        const std::string run_dir = paths.run_container(project, name);
        const Result<runtime::ContainerState> state = runtime::observe_state(run_dir);
        // What lives without a record was taken away by hand, and is the plan's business.
        if (state && state->pid == 0 && !runtime::guard_alive(*state)) {
            (void)unmount_shared_memory(run_dir);
            (void)remove_tree(run_dir);
        }
    }
}

/// Takes away what a davit or a guard had not finished writing when it was killed.
void sweep_project(const Paths& paths, const std::string& project) {
    mend_claims(paths, project);
    forget_unmade(paths, project);
    remove_half_written(paths.run_root);
    remove_half_written(paths.run_project(project) + "/.networks");
    remove_half_written(paths.networks(project));
    sweep_zones(paths);
    for (const std::string& above : {paths.run_project(project), paths.containers(project)}) {
        remove_half_written(above);
        const Result<std::vector<std::string>> names = list_directory(above);
        if (!names) continue;
        (void)in_parallel(names->size(), kWorthAThread, [&](std::size_t i) -> Result<void> {
            const std::string& name = (*names)[i];
            if (!name.starts_with('.')) remove_half_written(above + "/" + name);
            return {};
        });
    }
}

}  // namespace

void tidy_project(const Paths& paths, const std::string& project) {
    sweep_project(paths, project);
    for (const std::string& folder : {paths.containers(project), paths.networks(project)})
        ::rmdir(folder.c_str());
    const Result<std::vector<std::string>> left = list_directory(paths.project(project));
    if (left && (left->empty() || *left == std::vector<std::string>{"lock"})) {
        ::unlink(paths.project_lock(project).c_str());
        ::rmdir(paths.project(project).c_str());
        ::rmdir(paths.projects().c_str());
        ::rmdir(paths.data_root.c_str());  // only one that was made for this lock is empty
    }
}

std::string data_root_of_running(const Paths& paths, const std::string& project) {
    const Result<Json> claim = read_record(paths.run_project(project) + "/.project.json", 1);
    return claim ? string_or(*claim, "data_root") : std::string();
}

namespace {

/// Of what `run` has left half made: another one of that name shall not find them. Those of a
/// service's container may have the data of the one before it.
Result<void> erase_anonymous_of_unmade(const Prepared& prepared) {
    for (const compose::Step& step : prepared.plan.steps) {
        const std::string& name = step.resource.name;
        if (step.kind != compose::StepKind::RemoveContainer) continue;
        const compose::ObservedContainer& found = prepared.seen.state.containers.at(name);
        if (found.half_made && found.one_off)
            TRY(erase_anonymous_of(prepared.seen.containers.at(name)));
    }
    return {};
}

/// What was seen as list_containers would tell it: the records are sorted by name already.
std::vector<ContainerView> views_of(Observation seen) {
    std::vector<ContainerView> views;
    for (auto& [name, record] : seen.containers) {
        ContainerView& view = views.emplace_back();
        view.supervised = seen.guarded.contains(name);
        view.record = std::move(record);
        view.state = std::move(seen.states.at(name));
    }
    return views;
}

std::string fingerprint(const Prepared& prepared) {
    const auto& images = prepared.seen.state.image_ids;
    Json json = {{"plan", compose::to_string(prepared.plan)}};
    for (const auto& [name, wanted] : prepared.desired.containers) {
        const auto image = images.find(wanted.config.image);
        json["containers"][name] = {wanted.config_hash,
                                    image == images.end() ? std::string() : image->second};
    }
    for (const auto& [name, network] : prepared.desired.networks)
        json["networks"][name] = network.config_hash;
    for (const auto& [name, volume] : prepared.desired.volumes)
        json["volumes"][name] = volume.config.driver_opts;
    for (const auto& [name, record] : prepared.seen.containers) {
        const compose::ObservedContainer& found = prepared.seen.state.containers.at(name);
        json["seen"][name] = {record.id, found.config_hash, found.image_id, found.running};
    }
    for (const auto& [name, network] : prepared.seen.state.networks)
        json["seen_networks"][name] = {network.config_hash, network.in_kernel};
    for (const auto& [name, volume] : prepared.seen.volumes)
        if (prepared.desired.volumes.contains(name)) json["seen_volumes"][name] = volume.created;
    return sha256_hex(json.dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace

namespace {

/// Whether a command is changing the project just now. Makes no lock where there is none.
bool is_under_way(const Paths& paths, const std::string& project) {
    const Result<UniqueFd> lock = sys::open(paths.project_lock(project), O_RDONLY);
    return lock && ::flock(lock->get(), LOCK_SH | LOCK_NB) == -1;
}

}  // namespace

Result<UpPreview> preview_up(const Environment& environment, const UpRequest& request) {
    const std::string& project = request.loaded->project.name;
    TRY(check_data_root(environment, project));
    UpRequest seen_from_outside = request;
    // What another command is making looks unfinished, and is not.
    seen_from_outside.options.remove_unfinished = !is_under_way(environment.paths, project);
    Prepared prepared = TRY(prepare(environment, seen_from_outside));
    ChoiceRequest choice = choice_request(environment, request, prepared);
    choice.will_build = true;
    choice.to_bring = request.to_bring;
    TRY(check_beforehand(choice));
    std::string print = fingerprint(prepared);
    return UpPreview{std::move(prepared.plan), std::move(print)};
}

Result<std::vector<FailedStep>> up(const Environment& environment, const UpRequest& request,
                                   const ExecuteOptions& execute_options, const OnEvent& on_event,
                                   UpNotes& notes) {
    const Paths& paths = environment.paths;
    const std::string& project = request.loaded->project.name;
    // The lock comes before the first look: another `up` of this project may be halfway.
    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(project)));
    // Where nothing comes of it, the lock's folder goes again: what can't work changes nothing.
    ScopeGuard undo([&] { tidy_project(paths, project); });
    sweep_project(paths, project);
    TRY(check_data_root(environment, project));
    Prepared prepared = TRY(prepare(environment, request));
    notes.warnings = prepared.plan.warnings;
    if (!request.expected.empty() && request.expected != fingerprint(prepared))
        return Error(ErrorKind::Busy,
                     fmt::format("project '{}', its file or its images have changed "
                                 "since the plan was made",
                                 project))
            .help("look at what is to be done now with 'davit plan', and make another plan file");
    if (prepared.plan.empty()) {
        if (!prepared.seen.containers.empty()) undo.commit();  // the folder is in use
        notes.unchanged = views_of(std::move(prepared.seen));
        return std::vector<FailedStep>();
    }
    const ChoiceRequest choice = choice_request(environment, request, prepared);
    TRY(check_beforehand(choice));
    Choices choices;
    if (Result<Choices> chosen = choose_locked(choice); chosen) {
        choices = *std::move(chosen);
    } else {
        forget_choices(choice);
        return std::move(chosen).error();
    }
    undo.commit();
    notes.warnings.insert(notes.warnings.end(), choices.warnings.begin(), choices.warnings.end());

    KernelActuator::World world;
    world.environment = &environment;
    world.project = project;
    world.seen = &prepared.seen;
    world.choices = &choices;
    world.desired = &prepared.desired;
    world.stop_timeout = request.stop_timeout;
    world.cancel_fd = request.cancel_fd;
    world.wait_until = request.wait_until;
    world.renew_anonymous = request.renew_anonymous;
    KernelActuator actuator(std::move(world));
    if (Result<void> mended = mend_networks(prepared, actuator); !mended) {
        forget_choices(choice);
        return std::move(mended).error();
    }
    std::vector<FailedStep> failed = execute(prepared.plan, actuator, execute_options, on_event);
    if (failed.empty()) TRY(erase_anonymous_of_unmade(prepared));
    return failed;
}

namespace {

compose::Plan down_plan(const DownRequest& request, const Observation& seen) {
    compose::DownOptions options;
    options.volumes = request.volumes;
    options.own_volumes = request.own_volumes;
    options.services = request.services;
    return compose::plan_down(seen.state, options);
}

/// The anonymous volumes of the containers that went.
Result<void> erase_anonymous_of_removed(const compose::Plan& plan, const Observation& seen) {
    for (const compose::Step& step : plan.steps)
        if (step.kind == compose::StepKind::RemoveContainer)
            TRY(erase_anonymous_of(seen.containers.at(step.resource.name)));
    return {};
}

}  // namespace

Result<compose::Plan> preview_down(const Environment& environment, const DownRequest& request) {
    return down_plan(request, TRY(observe(environment, request.project)));
}

Result<std::vector<FailedStep>> down(const Environment& environment, const DownRequest& request,
                                     const ExecuteOptions& execute_options, const OnEvent& on_event,
                                     bool& found_any) {
    const Paths& paths = environment.paths;
    const std::string& project = request.project;
    TRY(check_data_root(environment, project));
    // Volumes that an earlier one had begun to remove: no plan knows of them any more.
    TRY(sweep_volumes(paths));
    found_any = exists(paths.project(project)) || exists(paths.run_project(project));
    if (!found_any && !request.volumes) {
        // Of an `up` that was killed between making the shared folder and its own in it.
        ::rmdir(paths.projects().c_str());
        return std::vector<FailedStep>();
    }

    const FileLock lock = TRY(FileLock::exclusive(paths.project_lock(project)));
    mend_claims(paths, project);
    const Observation seen = TRY(observe(environment, project));
    const compose::Plan plan = down_plan(request, seen);
    found_any = !plan.empty();

    KernelActuator::World world;
    world.environment = &environment;
    world.project = project;
    world.seen = &seen;
    world.stop_timeout = request.stop_timeout;
    KernelActuator actuator(std::move(world));
    std::vector<FailedStep> failed = execute(plan, actuator, execute_options, on_event);
    if (!failed.empty()) return failed;
    FAILPOINT("down.anonymous");
    TRY(erase_anonymous_of_removed(plan, seen));
    if (!TRY(observe(environment, project)).containers.empty()) return failed;
    FAILPOINT("down.tidy");
    TRY(remove_tree(kept_logs(paths, project)));
    for (const std::string& folder : anonymous_folders(paths, seen, project)) {
        TRY(remove_tree(folder));
        // On another data root it may have been the project's last: …/projects/<project>/anonymous
        std::string above = folder;
        for (int level = 0; level < 2; ++level) {
            above.resize(above.rfind('/'));
            ::rmdir(above.c_str());
        }
    }
    TRY(tidy_run_root(paths, project));
    tidy_project(paths, project);
    return failed;
}

}  // namespace davit::stack
