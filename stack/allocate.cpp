#include "stack/allocate.h"

#include "base/duration.h"
#include "base/random.h"
#include "compose/build.h"
#include "runtime/features.h"
#include "stack/allocate_networks.h"
#include "stack/claims.h"
#include "stack/disk_quota.h"
#include "stack/host_ports.h"
#include "stack/lower_config.h"
#include "stack/mount_points.h"
#include "stack/records.h"
#include "stack/shared_memory.h"

#include <algorithm>
#include <set>
#include <sys/stat.h>
#include <sys/utsname.h>

namespace davit::stack {
namespace {

/// Ids for containers: systemd's range for them, in pieces of 64 Ki.
/// @source systemd UIDS-GIDS.md, "524288…1879048191"
constexpr std::uint32_t kFirstId = 524288;
constexpr std::uint32_t kLastId = 1879048191;

/// Names of the containers that the plan makes.
std::vector<std::string> to_create(const compose::Plan& plan) {
    std::vector<std::string> names;
    for (const compose::Step& step : plan.steps) {
        if (step.kind == compose::StepKind::CreateContainer) names.push_back(step.resource.name);
    }
    return names;
}

std::string place_of_service(const compose::DesiredContainer& container) {
    return "services." + container.service;
}

Result<void> check_bind_sources(const ChoiceRequest& request,
                                const compose::DesiredContainer& container) {
    for (std::size_t i = 0; i < container.config.volumes.size(); ++i) {
        const compose::Mount& mount = container.config.volumes[i];
        const SourcePos place = request.loaded->places.find(
            fmt::format("{}.volumes[{}]", place_of_service(container), i));
        if (mount.type == compose::MountType::Image &&
            !request.seen->state.image_ids.contains(mount.source))
            return Error(ErrorKind::NotFound,
                         fmt::format("image '{}', which service '{}' mounts, is not in the store",
                                     mount.source, container.service))
                .at(place)
                .help(fmt::format("pull it: davit pull {}", mount.source));
        if (mount.type != compose::MountType::Bind || mount.create_host_path ||
            exists(mount.source))
            continue;
        return Error(ErrorKind::NotFound,
                     fmt::format("bind source '{}' does not exist", mount.source))
            .at(place)
            .help("make it, or set bind.create_host_path");
    }
    for (const compose::InlineFile& file : container.config.inline_files) {
        if (file.unreadable.empty()) continue;
        const char* kind = file.target.starts_with("/run/secrets/") ? "secrets" : "configs";
        return Error(ErrorKind::NotFound, fmt::format("the file '{}' of {} can't be read: {}",
                                                      file.source, kind, file.unreadable))
            .at(request.loaded->places.find(
                fmt::format("{}.{}", place_of_service(container), kind)))
            .help("make it, or name another one with 'file'");
    }
    return {};
}

/// How the volume is mounted: what it was made with, or, where it isn't there yet, what the file
/// says. Nothing where its data is its own folder.
Result<std::optional<VolumeMount>> volume_mount(const ChoiceRequest& request,
                                                const std::string& name) {
    const auto there = request.seen->volumes.find(name);
    if (there != request.seen->volumes.end()) return parse_volume_options(there->second.options);
    const auto wanted = request.desired->volumes.find(name);
    if (wanted == request.desired->volumes.end()) return std::optional<VolumeMount>();
    return parse_volume_options(wanted->second.config.driver_opts);
}

Result<void> check_volumes(const ChoiceRequest& request,
                           const compose::DesiredContainer& container) {
    for (const std::string& name : container.volumes) {
        const auto wanted = request.desired->volumes.find(name);
        const auto at = [&](Error error) {
            const std::string key =
                wanted == request.desired->volumes.end() ? name : wanted->second.key;
            return std::move(error).at(
                request.loaded->places.find("volumes." + key + ".driver_opts"));
        };
        auto mount = volume_mount(request, name);
        if (!mount) return at(std::move(mount).error());
        if (!*mount || !(*mount)->is_bind() || exists((*mount)->device)) continue;
        return at(Error(ErrorKind::NotFound, fmt::format("the folder '{}' of volume '{}' does not "
                                                         "exist",
                                                         (*mount)->device, name))
                      .help("make it first: a volume's folder is not made for it"));
    }
    return {};
}

Result<void> check_devices(const ChoiceRequest& request,
                           const compose::DesiredContainer& container) {
    const auto at = [&](const char* key, Error error) {
        return std::move(error).at(
            request.loaded->places.find(place_of_service(container) + "." + key));
    };
    if (auto found = find_devices(container.config.devices); !found)
        return at("devices", std::move(found).error());
    for (const compose::CdiDevice& device : container.config.cdi_devices) {
        if (auto found = find_cdi_devices({device}, cdi_folders()); !found)
            return at(device.attribute.c_str(), std::move(found).error());
    }
    if (container.config.storage_bytes > 0) {
        const std::string& own = container.config.data_root;
        const std::string& root = own.empty() ? request.environment->paths.data_root : own;
        if (auto can = check_folder_limits(root); !can)
            return at("storage_opt", std::move(can).error());
    }
    if (auto found = find_block_devices(container.config.resources.block_io); !found)
        return at("blkio_config", std::move(found).error());
    return {};
}

// --- containers ---

/// Whether everything that the container mounts can be idmapped; asked once a file system.
class IdmapProbe {
public:
    bool covers(const ContainerInputs& inputs, std::string& why_not) {
        for (const auto& [name, able] : able_volumes_) {
            if (able || !inputs.volume_mounts.contains(name)) continue;
            why_not = "volume " + name;
            return false;
        }
        std::vector<std::string> folders = inputs.image->layers;
        folders.push_back(inputs.volumes_dir);
        for (const compose::Mount& mount : inputs.wanted->config.volumes) {
            if (mount.type == compose::MountType::Bind) folders.push_back(mount.source);
        }
        for (const auto& [name, mount] : inputs.volume_mounts)
            if (mount.is_bind()) folders.push_back(mount.device);
        for (std::string folder : folders) {
            // What is missing will be made where its nearest parent lies.
            while (!exists(folder) && folder.size() > 1)
                folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
            struct stat info {};
            if (::stat(folder.c_str(), &info) == -1) continue;
            const auto known = answers_.find(info.st_dev);
            const bool can = known != answers_.end() ? known->second : runtime::can_idmap(folder);
            answers_[info.st_dev] = can;
            if (can) continue;
            why_not = folder;
            return false;
        }
        return true;
    }

    /// Tries the mount of a volume, once. @errors why it can't be mounted
    Result<void> look_at(const std::string& name, const VolumeMount& mount,
                         const std::string& place) {
        if (mount.is_bind() || able_volumes_.contains(name)) return {};
        able_volumes_[name] = TRY_DOING(try_volume(mount, place), "mount volume '{}'", name);
        return {};
    }

private:
    std::map<dev_t, bool> answers_;
    std::map<std::string, bool> able_volumes_;
};

void add_missing(const std::vector<std::uint32_t>& more, std::vector<std::uint32_t>& list) {
    for (const std::uint32_t id : more) {
        if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
    }
}

Result<void> add_mounts(const ChoiceRequest& request, const Choices& choices, IdmapProbe& probe,
                        ContainerInputs& inputs) {
    for (const std::string& name : inputs.wanted->volumes) {
        auto mount = TRY(volume_mount(request, name));
        if (!mount) continue;
        TRY(probe.look_at(name, *mount, request.environment->paths.run_root));
        inputs.volume_mounts.emplace(name, *std::move(mount));
    }
    for (const compose::Mount& mount : inputs.wanted->config.volumes)
        if (mount.type == compose::MountType::Image)
            inputs.mounted_images[mount.source] = choices.images.at(mount.source);
    return {};
}

/// What this host is called.
std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? std::string(names.nodename) : std::string();
}

Result<void> choose_container(const ChoiceRequest& request, const std::string& name,
                              std::set<std::uint32_t>& used_ids, IdmapProbe& probe,
                              Choices& choices) {
    const Paths& paths = request.environment->paths;
    const compose::Project& project = request.loaded->project;
    ContainerInputs inputs;
    inputs.project = &project;
    inputs.wanted = &request.desired->containers.at(name);
    inputs.image = &choices.images.at(inputs.wanted->config.image);
    inputs.name = name;
    inputs.id = random_hex(32);
    inputs.created = rfc3339(std::chrono::system_clock::now());
    const std::string& own_root = inputs.wanted->config.data_root;
    Paths own = paths;
    if (!own_root.empty()) own.data_root = own_root;
    inputs.state_dir = own.container(project.name, name);
    inputs.mount_points = mount_point_layer(paths.data_root);
    inputs.anonymous_dir = own.project(project.name) + "/anonymous/" + name;
    inputs.volumes_dir = paths.volumes();
    inputs.run_dir = paths.run_container(project.name, name);
    TRY(add_mounts(request, choices, probe, inputs));
    const std::vector<std::string>& layers = inputs.image->layers;
    const std::string& user = inputs.wanted->config.user;
    inputs.user = TRY_DOING(
        resolve_user(user.empty() ? inputs.image->config.user : user,
                     read_from_layers(layers, "etc/passwd"), read_from_layers(layers, "etc/group")),
        "find the user of service '{}'", inputs.wanted->service);

    for (const std::string& group : inputs.wanted->config.group_add) {
        const std::uint32_t id =
            TRY_DOING(resolve_group(group, read_from_layers(layers, "etc/group")),
                      "find a group of service '{}'", inputs.wanted->service);
        add_missing({id}, inputs.user.groups);
    }
    inputs.runtime_program = request.environment->runtime_program;

    const compose::Service& service = inputs.wanted->config;
    if (joins_others(service)) {
        std::map<std::string, ContainerRecord> known = request.seen->containers;
        for (const auto& [other, record] : choices.records) known[other] = record;
        inputs.joins = TRY(find_joins(paths, service, known));
    }
    inputs.hostname = inputs.joins.hostname;
    if (service.network_mode == "host") inputs.hostname = host_name();
    inputs.devices =
        service.privileges.privileged ? host_devices() : TRY(find_devices(service.devices));
    inputs.cdi = TRY(find_cdi_devices(service.cdi_devices, cdi_folders()));
    for (const DeviceNode& device : inputs.cdi.devices) {
        std::erase_if(inputs.devices,
                      [&](const DeviceNode& other) { return other.target == device.target; });
        inputs.devices.push_back(device);
    }
    add_missing(inputs.cdi.groups, inputs.user.groups);
    inputs.block_devices = TRY(find_block_devices(service.resources.block_io));
    if (service.sharing.ipc == "shareable")
        inputs.joins.shm_dir = shared_memory_folder(paths.run_container(project.name, name));

    std::string why_not;
    const auto fits_own_users = [&] {
        std::uint32_t highest = std::max(inputs.user.uid, inputs.user.gid);
        for (const std::uint32_t group : inputs.user.groups) highest = std::max(highest, group);
        if (highest >= kIdsPerContainer) {
            why_not = fmt::format("one of its own has no id {}, but those up to {}", highest,
                                  kIdsPerContainer - 1);
            return false;
        }
        std::vector<std::string> sysctls;
        for (const auto& [sysctl, value] : service.sysctls) sysctls.push_back(sysctl);
        const std::string kept =
            sysctls.empty() ? std::string() : runtime::sysctl_out_of_reach(sysctls);
        if (!kept.empty())
            why_not = fmt::format("this kernel has '{}' there alone", kept);
        else if (std::string folder; !probe.covers(inputs, folder))
            why_not = fmt::format("the file system of '{}' can't be idmapped", folder);
        return why_not.empty();
    };
    if (service.privileges.host_users) {
        inputs.uid_base = 0;
    } else if (!inputs.joins.run_dirs.empty()) {
        inputs.uid_base = inputs.joins.uid_base;
    } else if (fits_own_users()) {
        inputs.uid_base = TRY(choose_ids(used_ids, inputs.id));
        used_ids.insert(inputs.uid_base);
    } else {
        choices.warnings.push_back(
            fmt::format("container '{}' runs in the host's user namespace: {}", name, why_not));
    }
    inputs.endpoints = TRY(choose_endpoints(request, choices, inputs));
    inputs.ports = TRY(choose_ports(request, choices, inputs));
    choices.records[name] = make_record(inputs);
    choices.containers[name] = std::move(inputs);
    return {};
}

}  // namespace

Result<std::uint32_t> choose_ids(const std::set<std::uint32_t>& used, const std::string& id) {
    constexpr std::uint32_t kRanges = (kLastId - kFirstId + 1) / kIdsPerContainer;
    // Spread by the container's id, so that a range left on disk by a stopped one is rarely met.
    const auto start =
        static_cast<std::uint32_t>(std::stoul(id.substr(0, 7), nullptr, 16)) % kRanges;
    for (std::uint32_t i = 0; i < kRanges; ++i) {
        const std::uint32_t base = kFirstId + ((start + i) % kRanges) * kIdsPerContainer;
        if (!used.contains(base)) return base;
    }
    return Error(ErrorKind::Busy, fmt::format("all {} id ranges are in use", kRanges));
}

Result<void> check_beforehand(const ChoiceRequest& request) {
    for (const std::string& name : to_create(*request.plan)) {
        const compose::DesiredContainer& container = request.desired->containers.at(name);
        const auto service = request.loaded->project.services.find(container.service);
        const bool own_image = service == request.loaded->project.services.end() ||
                               service->second.image == container.config.image;
        const bool built = own_image && compose::is_built(*request.loaded, container.service);
        const bool there = request.seen->state.image_ids.contains(container.config.image);
        if (!there && built && !request.will_build)
            return Error(ErrorKind::NotFound,
                         fmt::format("image '{}' of service '{}' has not been built",
                                     container.config.image, container.service))
                .at(request.loaded->places.find(place_of_service(container) + ".build"))
                .help("build it: davit build, or davit up without --no-build");
        const bool brought = request.to_bring.contains(container.config.image);
        if (!there && !built && !brought) {
            const std::string& reference = container.config.image;
            return Error(ErrorKind::NotFound,
                         fmt::format("image '{}' of service '{}' is not in the store", reference,
                                     container.service))
                .at(request.loaded->places.find(place_of_service(container) + ".image"))
                .help(fmt::format("pull it: davit pull {}, or load it: davit load -i ARCHIVE",
                                  container.service));
        }
        if (const auto problem = kernel_problem(container.config))
            return Error(ErrorKind::InvalidInput, problem->message)
                .at(request.loaded->places.find(place_of_service(container) + "." +
                                                problem->attribute))
                .help(problem->help);
        TRY(check_devices(request, container));
        TRY(check_bind_sources(request, container));
        TRY(check_volumes(request, container));
        TRY(check_ports(request, container));
    }
    TRY(check_networks(request));
    for (const auto& [key, volume] : request.loaded->project.volumes) {
        const auto& there = request.seen->state.volumes;
        if (volume.external && std::find(there.begin(), there.end(), volume.name) == there.end())
            return Error(ErrorKind::NotFound,
                         fmt::format("external volume '{}' does not exist", volume.name))
                .at(request.loaded->places.find("volumes." + key))
                .help("make it first, or take 'external' out");
    }
    return {};
}

Result<Choices> choose(const ChoiceRequest& request) {
    Choices choices;
    const Paths& paths = request.environment->paths;
    TRY(write_project_claim(paths, request.desired->project));
    TRY(choose_networks(request, choices));
    const std::vector<std::string> names = to_create(*request.plan);
    if (names.empty()) return choices;
    const image::Store store = TRY(image::Store::open(paths.data_root));
    for (const std::string& name : names) {
        const compose::Service& service = request.desired->containers.at(name).config;
        std::vector<std::string> references = {service.image};
        for (const compose::Mount& mount : service.volumes)
            if (mount.type == compose::MountType::Image) references.push_back(mount.source);
        for (const std::string& reference : references)
            if (!choices.images.contains(reference))
                choices.images[reference] = TRY(store.find(reference));
    }
    std::set<std::uint32_t> used_ids = TRY(used_id_ranges(paths));
    for (const auto& [name, record] : request.seen->containers) used_ids.insert(record.uid_base);
    IdmapProbe probe;
    for (const std::string& name : joined_first(names, request.desired->containers))
        TRY_DOING(choose_container(request, name, used_ids, probe, choices),
                  "prepare container '{}'", name);
    for (const auto& [name, record] : choices.records) {
        const std::string run_dir = paths.run_container(record.project, name);
        // A container about to be recreated still answers at its claims until it is stopped.
        if (request.seen->containers.contains(name)) continue;
        TRY(make_directories(run_dir, 0700));
        const ContainerClaims claims = TRY(claims_of(record, choices.networks));
        TRY(write_claims(run_dir, claims));
    }
    return choices;
}

}  // namespace davit::stack
