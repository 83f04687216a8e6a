#include "stack/observe.h"

#include "base/parallel.h"
#include "image/store.h"
#include "stack/claims.h"
#include "stack/networks.h"

#include <sys/stat.h>

namespace davit::stack {
namespace {

bool in_hand(runtime::Status status) {
    return status == runtime::Status::Running || status == runtime::Status::Restarting ||
           status == runtime::Status::Paused;
}

Result<void> add_stray_run_folders(const Paths& paths, const std::string& project,
                                   std::map<std::string, ContainerRecord>& containers) {
    const std::vector<std::string> names = TRY(list_directory(paths.run_project(project)));
    for (const std::string& name : names) {
        if (name.starts_with('.') || containers.contains(name)) continue;
        ContainerRecord stray;
        stray.name = name;
        stray.project = project;
        // Its guard may hold them: they are this project's own.
        if (const auto claims = read_claims(paths.run_container(project, name))) {
            for (const network::RulePort& held : claims->ports) {
                compose::Port port;
                port.published = held.host_port;
                port.protocol = held.protocol;
                stray.ports.push_back(std::move(port));
            }
        }
        containers[name] = std::move(stray);
    }
    return {};
}

/// What has become of the container whose network this one shares.
void observe_partner(const Paths& paths, const ContainerRecord& record,
                     compose::ObservedContainer& found) {
    const std::size_t slash = record.network_container.find('/');
    const std::string project = record.network_container.substr(0, slash);
    const std::string name = record.network_container.substr(slash + 1);
    if (project == record.project) found.network_of = name;
    const auto all = read_containers(paths, project);
    const bool there = all && all->contains(name);
    found.partner_renewed = all && (!there || all->at(name).id != record.network_id);
}

/// A container as it was found; `record` is of the map that is looked through.
struct Found {
    const std::string* name = nullptr;
    const ContainerRecord* record = nullptr;
    runtime::ContainerState state = {};
    bool guarded = false;
    bool whole = false;
    bool abandoned = false;
};

/// What the run root and the kernel say of each of them.
Result<std::vector<Found>> look_at_all(const Paths& paths, const std::string& project,
                                       const std::map<std::string, ContainerRecord>& records) {
    std::vector<Found> all;
    for (const auto& [name, record] : records) all.push_back({&name, &record});
    const auto look_at = [&](std::size_t i) -> Result<void> {
        Found& found = all[i];
        const std::string run_dir = paths.run_container(project, *found.name);
        found.state = TRY(runtime::observe_state(run_dir));
        found.guarded = runtime::guard_alive(found.state);
        found.whole = is_whole(paths, project, *found.name);
        found.abandoned = found.record->one_off && exists(unfinished_mark(run_dir));
        return {};
    };
    TRY(in_parallel(all.size(), kWorthAThread, look_at));
    return all;
}

}  // namespace

std::string unfinished_mark(const std::string& run_dir) { return run_dir + "/unfinished"; }

bool is_whole(const Paths& paths, const std::string& project, const std::string& container) {
    struct stat info {};
    const std::string file = paths.container(project, container) + "/config.json";
    return ::stat(file.c_str(), &info) == 0 && info.st_size > 0;
}

Result<Observation> observe(const Environment& environment, const std::string& project) {
    const Paths& paths = environment.paths;
    Observation seen;
    seen.containers = TRY(read_containers(paths, project));
    seen.networks = TRY(read_networks(paths, project));
    for (NetworkRecord& stray : TRY(stray_bridges(paths, project, seen.networks)))
        seen.networks[stray.name] = std::move(stray);
    TRY(add_stray_run_folders(paths, project, seen.containers));
    for (const auto& [name, record] : seen.networks) {
        const bool in_kernel = TRY(network_is_up(record));
        seen.state.networks[name] = {record.config_hash, in_kernel};
    }
    std::vector<Found> found_all = TRY(look_at_all(paths, project, seen.containers));
    for (Found& one : found_all) {
        const ContainerRecord& record = *one.record;
        const std::string& name = *one.name;
        const runtime::ContainerState& state = seen.states[name] = std::move(one.state);
        if (one.guarded) seen.guarded.insert(name);
        compose::ObservedContainer& found = seen.state.containers[name];
        found.service = record.service;
        // Else it has to be made anew.
        if (one.whole) found.config_hash = record.config_hash;
        found.half_made = one.abandoned || (!one.whole && state.pid == 0 && !one.guarded);
        found.image_id = record.image_id;
        // Without its guard nobody keeps its log or restarts it: it counts as in need of a start.
        // So does what is about to end: a `down` was killed that had asked for it.
        found.running = in_hand(state.status) && one.guarded && !state.stopping;
        for (const Endpoint& endpoint : record.endpoints)
            found.networks.push_back(endpoint.network);
        found.healthy = state.health && state.health->status == runtime::HealthStatus::Healthy;
        found.completed = state.status == runtime::Status::Exited && !state.started_at.empty() &&
                          state.exit_code == 0 && state.error.empty();
        found.one_off = record.one_off;
        found.number = record.number;
        found.needs = record.needs;
        found.gates = record.gates;
        if (!record.network_container.empty()) observe_partner(paths, record, found);
    }
    seen.volumes = TRY(read_volumes(paths));
    for (const auto& [name, record] : seen.volumes) seen.state.volumes.push_back(name);
    return seen;
}

Result<void> observe_images(const Environment& environment, const compose::DesiredState& desired,
                            compose::ObservedState& observed) {
    const std::optional<image::Store> store =
        TRY(image::Store::open_existing(environment.paths.data_root));
    if (!store) return {};
    const auto look_for = [&](const std::string& reference) -> Result<void> {
        if (observed.image_ids.contains(reference)) return {};
        const Result<image::Image> found = store->find(reference);
        if (found)
            observed.image_ids[reference] = found->id;
        else if (found.error().kind() != ErrorKind::NotFound)
            return found.error();
        return {};
    };
    for (const auto& [name, container] : desired.containers) {
        TRY(look_for(container.config.image));
        for (const compose::Mount& mount : container.config.volumes)
            if (mount.type == compose::MountType::Image) TRY(look_for(mount.source));
    }
    return {};
}

}  // namespace davit::stack
