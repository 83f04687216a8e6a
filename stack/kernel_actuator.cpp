#include "stack/kernel_actuator.h"

#include "base/duration.h"
#include "base/log.h"
#include "network/conntrack.h"
#include "network/links.h"
#include "network/names.h"
#include "network/netns.h"
#include "network/ruleset.h"
#include "runtime/capabilities.h"
#include "runtime/guard_client.h"
#include "runtime/spec.h"
#include "stack/allocate_networks.h"
#include "stack/await.h"
#include "stack/claims.h"
#include "stack/container_files.h"
#include "stack/disk_quota.h"
#include "stack/hooks.h"
#include "stack/image_users.h"
#include "stack/kept_logs.h"
#include "stack/lower_network.h"
#include "stack/mount_points.h"
#include "stack/networks.h"
#include "stack/observe.h"
#include "stack/shared_memory.h"
#include "stack/volume_content.h"
#include "stack/volume_mount.h"
#include "stack/volumes.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

Result<void> give_to(const std::string& path, std::uint32_t id) {
    if (::lchown(path.c_str(), id, id) == 0) return {};
    const int error_number = errno;
    return Error::from_errno(error_number, "chown(2)").doing("give '{}' to id {}", path, id);
}

/// Removes `path` and then the folders above it, as far as they are empty, up to `top`.
Result<void> remove_upward(const std::string& path, const std::string& top) {
    TRY(remove_tree(path));
    std::string folder = path;
    while (folder.size() > top.size() && folder.starts_with(top)) {
        folder.resize(folder.rfind('/'));
        if (folder.size() <= top.size() || ::rmdir(folder.c_str()) == -1) break;
    }
    return {};
}

/// DATA ROOT of …/projects/<project>/containers/<name>.
std::string root_of_state_dir(std::string folder) {
    for (int level = 0; level < 4; ++level)
        folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
    return folder;
}

}  // namespace

KernelActuator::KernelActuator(World world)
    : world_(std::move(world)), rules_(world_.environment->paths) {
    if (const Result<int> mtu = network::uplink_mtu(); mtu) mtu_ = *mtu;
}

const ContainerRecord& KernelActuator::record_of(const std::string& name) const {
    if (world_.choices != nullptr) {
        const auto chosen = world_.choices->records.find(name);
        if (chosen != world_.choices->records.end()) return chosen->second;
    }
    return world_.seen->containers.at(name);
}

Result<NetworkRecord> KernelActuator::network_record(const std::string& name) const {
    const auto& known =
        world_.choices != nullptr ? world_.choices->networks : world_.seen->networks;
    if (const auto found = known.find(name); found != known.end()) return found->second;
    return find_network(paths(), name);
}

Result<std::map<std::string, NetworkRecord>> KernelActuator::networks_of(
    const ContainerRecord& record) const {
    std::map<std::string, NetworkRecord> networks;
    for (const Endpoint& endpoint : record.endpoints)
        networks[endpoint.network] = TRY(network_record(endpoint.network));
    return networks;
}

// --- Networks and volumes ---

Result<void> KernelActuator::create_network(const std::string& name) {
    const NetworkRecord record = TRY(network_record(name));
    TRY(bring_network_up(paths(), record, mtu_));
    return compose::is_shared_link(record.driver) ? Result<void>() : rules_.update();
}

Result<void> KernelActuator::remove_network(const std::string& name) {
    const NetworkRecord& record = world_.seen->networks.at(name);
    const std::vector<std::string> guests = TRY(guests_of(paths(), record.bridge, world_.project));
    if (!guests.empty())
        return Error(ErrorKind::Busy,
                     fmt::format("network '{}' is in use by containers of other projects ({})",
                                 name, fmt::join(guests, ", ")))
            .help("take their projects down first");
    TRY(take_network_down(paths(), record));
    return remove_tree(paths().networks(world_.project) + "/" + name + ".json");
}

Result<void> KernelActuator::create_volume(const std::string& name) {
    VolumeRecord record;
    record.name = name;
    record.project = world_.project;
    record.created = rfc3339(std::chrono::system_clock::now());
    if (world_.desired != nullptr) {
        const auto wanted = world_.desired->volumes.find(name);
        if (wanted != world_.desired->volumes.end()) {
            record.labels = wanted->second.config.labels;
            record.labels["com.docker.compose.project"] = world_.project;
            record.labels["com.docker.compose.volume"] = wanted->second.key;
            record.options = wanted->second.config.driver_opts;
        }
    }
    return make_volume(paths(), record);
}

Result<void> KernelActuator::remove_volume(const std::string& name) {
    return erase_volume(paths(), name);
}

// --- Containers ---

Result<void> KernelActuator::make_state_folders(const ContainerRecord& record,
                                                std::int64_t storage_bytes) const {
    const std::string upper = record.state_dir + "/rw/upper";
    TRY(make_directories(record.state_dir, 0700));
    if (storage_bytes > 0) {
        TRY(make_directories(record.state_dir + "/rw", 0700));
        TRY_DOING(limit_folder(record.state_dir + "/rw", storage_bytes, record.id),
                  "limit the writable layer of '{}'", record.name);
    }
    TRY(make_directories(upper, 0755));
    TRY(give_to(upper, record.uid_base));
    return make_directories(record.state_dir + "/rw/work", 0700);
}

Result<void> KernelActuator::make_mount_sources(const ContainerRecord& record, bool renew) const {
    for (const MountRecord& mount : record.mounts) {
        // A named volume has its own step; a missing bind source is made, as Docker does.
        if (mount.type == "image" || mount.file || (mount.type == "volume" && !mount.anonymous))
            continue;
        if (renew && mount.anonymous) TRY(remove_tree(mount.source));
        if (!exists(mount.source)) TRY(make_directories(mount.source, 0755));
    }
    return {};
}

/// What the image has goes into empty volumes; without `inputs`, as when a container is started
/// again, only what was begun is finished.
Result<void> KernelActuator::fill_volumes(const ContainerRecord& record,
                                          const ContainerInputs* inputs) const {
    const std::string scratch = paths().run_container(record.project, record.name) + "/fill";
    for (const MountRecord& mount : record.mounts) {
        if (mount.type != "volume") continue;
        FillCall call;
        call.scratch = scratch;
        call.data = mount.source;
        call.folder = mount.anonymous ? mount.source.substr(0, mount.source.rfind('/'))
                                      : paths().volumes() + "/" + mount.name;
        std::optional<VolumeContent> content;
        if (inputs != nullptr && fills(inputs->wanted->config, mount))
            content = VolumeContent{inputs->image->layers, mount.destination};
        if (!content && !is_half_filled(call.folder)) continue;
        const VolumeLock lock = TRY(VolumeLock::take(call.folder));
        call.in_place =
            !mount.anonymous && (call.data != call.folder + "/_data" || is_mount_point(call.data) ||
                                 TRY(has_other_users(paths(), mount.name, record.name)));
        TRY_DOING(fill_volume(call, content), "fill volume '{}'", mount.name);
    }
    return {};
}

/// Configs and secrets, in the run root, which is in memory. They belong to the container's range,
/// since a tmpfs can't be idmapped by every kernel. After a reboot they are written again by `up`,
/// which has the file; nobody else knows them.
Result<void> KernelActuator::bring_files(const ContainerRecord& record) const {
    const compose::Service* service = nullptr;
    ResolvedUser user;
    if (world_.choices != nullptr) {
        const auto inputs = world_.choices->containers.find(record.name);
        if (inputs != world_.choices->containers.end()) {
            service = &inputs->second.wanted->config;
            user = inputs->second.user;
        }
    }
    if (service == nullptr && world_.desired != nullptr) {
        const auto wanted = world_.desired->containers.find(record.name);
        if (wanted != world_.desired->containers.end()) {
            service = &wanted->second.config;
            user = TRY(user_of_bundle(paths().container(record.project, record.name)));
        }
    }
    const std::string run_dir = paths().run_container(record.project, record.name);
    if (service != nullptr) return write_container_files(run_dir, record.uid_base, user, *service);
    for (const MountRecord& mount : record.mounts)
        if (mount.file && !exists(mount.source))
            return Error(ErrorKind::NotFound,
                         fmt::format("the configs and secrets of '{}' are gone, as after a reboot",
                                     record.name))
                .help("bring them back with 'davit up -d': the compose file has them");
    return {};
}

Result<void> KernelActuator::create_container(const std::string& name) {
    const ContainerInputs& inputs = world_.choices->containers.at(name);
    const ContainerRecord& record = world_.choices->records.at(name);
    const std::string bundle = paths().container(world_.project, name);
    const std::string run_dir = paths().run_container(world_.project, name);
    Json config = TRY(make_config(inputs, record, run_dir));
    if (!record.endpoints.empty()) {
        const std::map<std::string, NetworkRecord> networks = TRY(networks_of(record));
        config["annotations"][runtime::kDns] =
            runtime::to_json(dns_settings(record, networks, paths())).dump();
        const bool ruled = std::any_of(networks.begin(), networks.end(), [](const auto& network) {
            return !compose::is_shared_link(network.second.driver);
        });
        if (const std::string& program = world_.environment->program; ruled && !program.empty())
            config["annotations"][runtime::kRules] =
                Json{{"program", program}, {"run_root", paths().run_root}}.dump();
    }
    const auto make = [&]() -> Result<void> {
        TRY(make_directories(bundle, 0700));
        TRY(write_image_user(paths(), record, *inputs.image, inputs.mounted_images));
        TRY(make_state_folders(record, inputs.wanted->config.storage_bytes));
        TRY(take_logs(paths(), record, log_files_of(record)));
        if (record.uid_base != 0)
            TRY(make_device_nodes(inputs.devices, record.state_dir + "/devices", record.uid_base));
        TRY(make_mount_sources(record, world_.renew_anonymous));
        {
            // Their file systems must be there to be filled.
            const auto locks = TRY(mount_volumes(paths(), record));
        }
        TRY(fill_volumes(record, &inputs));
        TRY(write_json(bundle + "/config.json", config, Sync::No));
        // Whose namespaces it joins must run first, as it does when this one is started.
        if (!inputs.joins.run_dirs.empty()) return {};
        if (record.one_off) {
            TRY(make_directories(run_dir, 0700));
            TRY(write_in_place(unfinished_mark(run_dir), "", 0600));
        }
        return bring_up(record);
    };
    Result<void> made = make();
    if (made) return {};
    // As if it had never been tried. What can't be undone now is found by the next `down`.
    if (const Result<void> undone = remove_container(name); !undone)
        log::warn("stack", "{}, ignoring", undone.error().to_string());
    return made;
}

/// Networks of no project have nobody who brings them up again after a reboot.
Result<void> KernelActuator::raise_free_networks(const ContainerRecord& record) {
    for (const auto& [name, network] : TRY(networks_of(record))) {
        if (network.project != kNoProject || TRY(network_is_up(network))) continue;
        {
            const FileLock host = TRY(lock_host(paths()));
            TRY(write_project_claim(paths(), kNoProject));
        }
        TRY(bring_network_up(paths(), network, mtu_));
        if (!compose::is_shared_link(network.driver)) TRY(rules_.update());
    }
    return {};
}

/// hosts, hostname and resolv.conf: its own, or those of the container whose network it has.
Result<void> KernelActuator::write_name_files(const ContainerRecord& record,
                                              const std::string& run_dir) const {
    std::map<std::string, std::string> files;
    if (record.network_container.empty()) {
        const bool hosts_network = record.network_mode == "host";
        const Result<std::string> hosts =
            hosts_network ? read_file("/etc/hosts") : Result<std::string>(std::string());
        files["/hosts"] = hosts_of(record, hosts ? *hosts : std::string());
        files["/hostname"] = record.hostname + "\n";
        // The host's network reaches the host's own servers, on its loopback too.
        const Result<std::string> own = read_file("/etc/resolv.conf");
        files["/resolv.conf"] =
            resolv_conf_of(record, hosts_network && own ? *own : network::host_resolv_conf());
    } else {
        const std::string owner = paths().run_root + "/" + record.network_container;
        for (const char* file : {"/hosts", "/hostname", "/resolv.conf"})
            files[file] = TRY_DOING(read_file(owner + file), "share the network of '{}'",
                                    record.network_container);
    }
    for (const auto& [file, text] : files) TRY(write_in_place(run_dir + file, text, 0644));
    return {};
}

/// Starts the guard of a container whose bundle is complete, and connects its network.
Result<void> KernelActuator::bring_up(const ContainerRecord& record) {
    const std::string run_dir = paths().run_container(record.project, record.name);
    TRY(ensure_mount_point_layer(paths().data_root));
    TRY(raise_free_networks(record));
    TRY(make_directories(run_dir, 0700));
    TRY(write_name_files(record, run_dir));
    if (record.sharing.ipc == "shareable")
        TRY(mount_shared_memory(run_dir, record.uid_base, record.shm_size_bytes));
    TRY(bring_files(record));
    // Nobody unmounts them until the container has them.
    const auto locks = TRY(mount_volumes(paths(), record));
    const runtime::CreatedContainer created =
        TRY(runtime::launch_guard({.program = world_.environment->runtime_program,
                                   .bundle = paths().container(record.project, record.name),
                                   .run_dir = run_dir}));
    Result<void> connected = connect(record, created.netns);
    if (connected) connected = announce(record);
    if (connected) return {};
    (void)runtime::stop(run_dir, 0, std::chrono::milliseconds(0));
    if (const Result<void> done = withdraw(record.name); !done)
        log::warn("stack", "{}, ignoring", done.error().to_string());
    return connected;
}

/// Its address answers now: names and ports lead to it.
Result<void> KernelActuator::announce(const ContainerRecord& record) {
    const std::map<std::string, NetworkRecord> networks = TRY(networks_of(record));
    ContainerClaims claims = TRY(claims_of(record, networks));
    claims.published = true;
    TRY(write_claims(paths().run_container(record.project, record.name), claims));
    TRY(write_zones(paths(), record.project, record.name, claims));
    // Nobody has sent anything yet: the program begins later.
    TRY(claims.ports.empty() ? rules_.guard(claims.guarded) : rules_.update());
    if (record.one_off)
        ::unlink(unfinished_mark(paths().run_container(record.project, record.name)).c_str());
    // Who has been sending all the time is led here from now on.
    if (const Result<std::size_t> done = network::forget_udp_flows(claims.ports); !done)
        log::warn("stack", "{}, ignoring", done.error().to_string());
    return {};
}

Result<void> KernelActuator::connect(const ContainerRecord& record, const UniqueFd& netns) const {
    // The host's network, or another container's, is connected already.
    if (record.network_mode == "host" || !record.network_container.empty()) return {};
    if (record.endpoints.empty()) return network::loopback_up(netns);
    std::vector<network::AttachSpec> specs;
    for (const Endpoint& endpoint : record.endpoints) {
        const NetworkRecord network = TRY(network_record(endpoint.network));
        network::AttachSpec spec =
            TRY_DOING(attach_spec(endpoint, network, mtu_), "join network '{}'", endpoint.network);
        specs.push_back(std::move(spec));
    }
    TRY(network::attach(netns, specs));
    if (!record.own_dns) return {};
    const network::NetnsScope inside = TRY(network::NetnsScope::enter(netns));
    TRY_DOING(network::load_script(dns_detour()), "lead names past the container's port 53");
    return {};
}

/// A container that runs without its guard, which was killed: it gets another one, and goes on.
Result<void> KernelActuator::take_in_hand(const ContainerRecord& record) {
    const std::string run_dir = paths().run_container(record.project, record.name);
    TRY(runtime::adopt({.program = world_.environment->runtime_program,
                        .bundle = paths().container(record.project, record.name),
                        .run_dir = run_dir}));
    const ContainerClaims claims = TRY(read_claims(run_dir));
    return claims.ports.empty() ? Result<void>() : rules_.update();
}

Result<void> KernelActuator::start_container(const std::string& name) {
    const ContainerRecord& record = record_of(name);
    const std::string run_dir = paths().run_container(world_.project, name);
    const runtime::ContainerState state = TRY(runtime::observe_state(run_dir));
    const bool guarded = runtime::guard_alive(state);
    const bool made_now = world_.choices != nullptr && world_.choices->containers.contains(name);
    const bool waits = state.status == runtime::Status::Created;
    // And its guard is about to.
    const bool ended = state.status == runtime::Status::Exited || state.stopping;
    if (guarded && !waits && !ended) return {};
    if (!guarded && state.pid != 0 && !waits) return take_in_hand(record);
    if (!guarded || ended || !made_now) {
        // It ended before, its guard was killed, or a davit was killed between creating and
        // starting it, perhaps before it had a network: whatever is left of that run ends now.
        TRY(runtime::stop(run_dir, 0, record.stop_timeout));
        TRY(runtime::remove_leftovers(paths().container(world_.project, name)));
        TRY(make_mount_sources(record, false));
        TRY(fill_volumes(record, nullptr));
        TRY(bring_up(record));
    }
    Result<void> started = runtime::start(run_dir);
    if (started) return run_hooks(record, true);
    if (const Result<void> done = withdraw(name); !done)
        log::warn("stack", "{}, ignoring", done.error().to_string());
    return started;
}

/// `post_start`, or `pre_stop`, which only a program that runs can have.
Result<void> KernelActuator::run_hooks(const ContainerRecord& record, bool starting) const {
    const std::vector<compose::Hook>& hooks = starting ? record.post_start : record.pre_stop;
    if (hooks.empty() || !world_.hooks) return {};
    HookPlace place;
    place.runtime_program = world_.environment->runtime_program;
    place.bundle = paths().container(record.project, record.name);
    place.run_dir = paths().run_container(record.project, record.name);
    place.cancel_fd = world_.cancel_fd;
    place.kind = starting ? "post_start" : "pre_stop";
    for (const compose::Hook& hook : hooks) TRY(run_hook(record, hook, place));
    return {};
}

Result<void> KernelActuator::await_container(const std::string& name, compose::Awaited condition) {
    AwaitOptions options;
    options.cancel_fd = world_.cancel_fd;
    options.deadline = world_.wait_until;
    return stack::await_container(paths(), world_.project, name, condition, options);
}

std::string KernelActuator::standing_of(const std::string& name) {
    return stack::standing_of(paths(), world_.project, name);
}

Result<void> KernelActuator::withdraw(const std::string& name) {
    const std::string run_dir = paths().run_container(world_.project, name);
    Result<ContainerClaims> read = read_claims(run_dir);
    // Damaged, and no record to mend it from: nobody knows what it was.
    if (!read && read.error().kind() == ErrorKind::InvalidInput)
        read = ContainerClaims{.published = true};
    ContainerClaims claims = TRY(std::move(read));
    if (!claims.published) return {};
    remove_zones(paths(), world_.project, name, claims);
    claims.published = false;
    // Rules pass over what has ended: a full disk keeps nobody from taking it down.
    if (const Result<void> done = write_claims(run_dir, claims); !done)
        log::warn("stack", "{}, ignoring", done.error().to_string());
    return claims.ports.empty() ? Result<void>() : rules_.update();
}

Result<void> KernelActuator::stop_container(const std::string& name) {
    const ContainerRecord& record = world_.seen->containers.at(name);
    const std::string run_dir = paths().run_container(world_.project, name);
    if (!exists(run_dir)) return {};
    TRY(run_hooks(record, false));
    // The guard knows the signal; where it is gone, the container still gets the right one.
    const int signal = runtime::signal_number(record.stop_signal).value_or(0);
    TRY(runtime::stop(run_dir, signal, world_.stop_timeout.value_or(record.stop_timeout)));
    TRY(unmount_shared_memory(run_dir));
    TRY(unmount_volumes(paths(), record));
    return withdraw(name);
}

Result<void> KernelActuator::remove_container(const std::string& name) {
    const std::string bundle = paths().container(world_.project, name);
    const std::string run_dir = paths().run_container(world_.project, name);
    const ContainerRecord& record =
        world_.seen->containers.contains(name) ? world_.seen->containers.at(name) : record_of(name);
    if (exists(run_dir)) {
        TRY(runtime::stop(run_dir, 0, std::chrono::milliseconds(0)));
        TRY(withdraw(name));
    }
    TRY(unmount_volumes(paths(), record));
    TRY(runtime::remove_leftovers(bundle));
    TRY(unmount_shared_memory(run_dir));
    TRY(remove_tree(run_dir));
    // Another one of its name follows: what this one has said stays.
    if (world_.choices != nullptr && world_.choices->records.contains(name) &&
        world_.seen->containers.contains(name))
        TRY(keep_logs(paths(), record));
    lift_limit(record.state_dir + "/rw");
    if (!record.state_dir.empty() && record.state_dir != bundle)
        TRY(remove_upward(record.state_dir, root_of_state_dir(record.state_dir)));
    return remove_tree(bundle);
}

}  // namespace davit::stack
