#include "stack/allocate.h"

#include "base/duration.h"
#include "base/random.h"
#include "network/ipam.h"
#include "network/links.h"
#include "runtime/features.h"
#include "runtime/relay.h"
#include "stack/claims.h"
#include "stack/lower_config.h"

#include <algorithm>
#include <set>
#include <sys/stat.h>

namespace davit::stack {
namespace {

/// Ids for containers: systemd's range for them, in pieces of 64 Ki.
/// @source systemd UIDS-GIDS.md, "524288…1879048191"
constexpr std::uint32_t kFirstId = 524288;
constexpr std::uint32_t kLastId = 1879048191;
constexpr std::uint32_t kIdsPerContainer = 65536;

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
        if (mount.type != compose::MountType::Bind || mount.create_host_path ||
            exists(mount.source))
            continue;
        return Error(ErrorKind::NotFound,
                     fmt::format("bind source '{}' does not exist", mount.source))
            .at(request.loaded->places.find(
                fmt::format("{}.volumes[{}]", place_of_service(container), i)))
            .help("make it, or set bind.create_host_path");
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
    if (auto found = find_block_devices(container.config.resources.block_io); !found)
        return at("blkio_config", std::move(found).error());
    return {};
}

/// Ports that a container of this project publishes now are given up before they are taken again.
Result<void> check_ports(const ChoiceRequest& request, const compose::DesiredContainer& container) {
    const auto held_by_us = [&](const compose::Port& port) {
        return std::any_of(
            request.seen->containers.begin(), request.seen->containers.end(),
            [&](const auto& entry) {
                const auto& ports = entry.second.ports;
                return std::any_of(ports.begin(), ports.end(), [&](const auto& held) {
                    return held.published == port.published && held.protocol == port.protocol;
                });
            });
    };
    for (std::size_t i = 0; i < container.config.ports.size(); ++i) {
        const compose::Port& port = container.config.ports[i];
        if (port.published == 0 || held_by_us(port)) continue;
        const Result<std::vector<UniqueFd>> free =
            runtime::bind_port({port.protocol, port.host_ip, port.published, "", port.target});
        if (free) continue;
        Error error = free.error();
        return std::move(error)
            .doing("publish a port of service '{}'", container.service)
            .at(request.loaded->places.find(
                fmt::format("{}.ports[{}]", place_of_service(container), i)));
    }
    return {};
}

// --- networks ---

Result<network::Cidr4> choose_subnet(const Environment& environment,
                                     const compose::DesiredNetwork& wanted, SourcePos place) {
    std::vector<network::Cidr4> taken = TRY(network::used_subnets());
    const std::vector<network::Cidr4> claimed = TRY(claimed_subnets(environment.paths));
    taken.insert(taken.end(), claimed.begin(), claimed.end());
    if (wanted.config.subnet.empty()) return network::pick_subnet(network::default_pool(), taken);
    const network::Cidr4 subnet = TRY(network::parse_cidr4(wanted.config.subnet));
    for (const network::Cidr4& other : taken) {
        if (!other.overlaps(subnet)) continue;
        return Error(ErrorKind::Busy, fmt::format("subnet {} overlaps {}, which this host uses",
                                                  to_string(subnet), to_string(other)))
            .at(std::move(place))
            .help("choose another subnet, or leave it out: davit picks a free one");
    }
    return subnet;
}

Result<void> choose_networks(const ChoiceRequest& request, Choices& choices) {
    const Environment& environment = *request.environment;
    choices.networks = request.seen->networks;
    for (const compose::Step& step : request.plan->steps) {
        if (step.kind != compose::StepKind::CreateNetwork) continue;
        const std::string& name = step.resource.name;
        const compose::DesiredNetwork& wanted = request.desired->networks.at(name);
        const auto known = request.seen->networks.find(name);
        if (known != request.seen->networks.end() &&
            known->second.config_hash == wanted.config_hash)
            continue;  // after a reboot: the same subnet, on which addresses were promised
        NetworkRecord record;
        record.name = name;
        record.key = wanted.key;
        record.project = request.desired->project;
        const network::Cidr4 subnet =
            TRY_DOING(choose_subnet(environment, wanted,
                                    request.loaded->places.find("networks." + wanted.key)),
                      "make network '{}'", name);
        record.subnet = to_string(subnet);
        record.gateway = to_string(network::gateway_of(subnet));
        record.bridge = network::link_name("dvb-", environment.paths.data_root + "\n" + name);
        record.config_hash = wanted.config_hash;
        record.created = rfc3339(std::chrono::system_clock::now());
        TRY(write_network_claim(environment.paths, record));
        choices.networks[name] = std::move(record);
    }
    return {};
}

// --- containers ---

/// Addresses given out in a network: records and the choices made so far.
std::set<network::Ipv4> taken_addresses(const ChoiceRequest& request, const Choices& choices,
                                        const std::string& network) {
    std::set<network::Ipv4> taken;
    const auto add = [&](const std::vector<Endpoint>& endpoints) {
        for (const Endpoint& endpoint : endpoints) {
            const Result<network::Ipv4> ip = network::parse_ipv4(endpoint.ip);
            if (endpoint.network == network && ip) taken.insert(*ip);
        }
    };
    for (const auto& [name, record] : request.seen->containers) add(record.endpoints);
    for (const auto& [name, inputs] : choices.containers) add(inputs.endpoints);
    return taken;
}

Result<Endpoint> choose_endpoint(const ChoiceRequest& request, const Choices& choices,
                                 const ContainerInputs& inputs, const std::string& network) {
    const NetworkRecord& record = choices.networks.at(network);
    const network::Cidr4 subnet = TRY(network::parse_cidr4(record.subnet));
    std::set<network::Ipv4> taken = taken_addresses(request, choices, network);
    // A recreated container keeps its address.
    std::optional<network::Ipv4> preferred;
    if (const auto old = request.seen->containers.find(inputs.name);
        old != request.seen->containers.end()) {
        for (const Endpoint& endpoint : old->second.endpoints) {
            const Result<network::Ipv4> ip = network::parse_ipv4(endpoint.ip);
            if (endpoint.network != network || !ip || !subnet.contains(*ip)) continue;
            preferred = *ip;
            taken.erase(*ip);
        }
    }
    const network::Ipv4 ip = TRY(network::pick_address(subnet, taken, preferred));
    Endpoint endpoint;
    endpoint.network = network;
    endpoint.ip = to_string(ip);
    endpoint.prefix = subnet.prefix;
    endpoint.gateway = record.gateway;
    endpoint.mac = network::mac_for(ip);
    endpoint.host_link = network::link_name("dvv-", inputs.id + "\n" + network);
    endpoint.aliases = {inputs.name, inputs.wanted->service, inputs.id.substr(0, 12)};
    if (!inputs.wanted->aliases) std::erase(endpoint.aliases, inputs.wanted->service);
    return endpoint;
}

/// Whether everything that the container mounts can be idmapped; asked once a file system.
class IdmapProbe {
public:
    bool covers(const ContainerInputs& inputs, std::string& why_not) {
        std::vector<std::string> folders = inputs.image->layers;
        folders.push_back(inputs.volumes_dir);
        for (const compose::Mount& mount : inputs.wanted->config.volumes) {
            if (mount.type == compose::MountType::Bind) folders.push_back(mount.source);
        }
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

private:
    std::map<dev_t, bool> answers_;
};

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
    inputs.anonymous_dir = own.project(project.name) + "/anonymous/" + name;
    inputs.volumes_dir = paths.volumes();
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
        if (std::find(inputs.user.groups.begin(), inputs.user.groups.end(), id) ==
            inputs.user.groups.end())
            inputs.user.groups.push_back(id);
    }
    inputs.runtime_program = request.environment->runtime_program;

    const compose::Service& service = inputs.wanted->config;
    std::map<std::string, ContainerRecord> known = request.seen->containers;
    for (const auto& [other, record] : choices.records) known[other] = record;
    inputs.joins = TRY(find_joins(paths, service, known));
    inputs.devices =
        service.privileges.privileged ? host_devices() : TRY(find_devices(service.devices));
    inputs.block_devices = TRY(find_block_devices(service.resources.block_io));
    if (service.sharing.ipc == "shareable")
        inputs.joins.shm_dir = shared_memory_folder(paths.run_container(project.name, name));

    std::string why_not;
    if (service.privileges.host_users) {
        inputs.uid_base = 0;
    } else if (!inputs.joins.run_dirs.empty()) {
        inputs.uid_base = inputs.joins.uid_base;
    } else if (probe.covers(inputs, why_not)) {
        inputs.uid_base = TRY(choose_ids(used_ids, inputs.id));
        used_ids.insert(inputs.uid_base);
    } else {
        choices.warnings.push_back(
            fmt::format("container '{}' runs in the host's user namespace: the file system of '{}' "
                        "can't be idmapped",
                        name, why_not));
    }
    for (const std::string& network : inputs.wanted->networks) {
        Endpoint endpoint = TRY(choose_endpoint(request, choices, inputs, network));
        inputs.endpoints.push_back(std::move(endpoint));
    }
    for (compose::Port port : inputs.wanted->config.ports) {
        if (port.published == 0)
            port.published = TRY(runtime::free_port(port.host_ip, port.protocol));
        inputs.ports.push_back(std::move(port));
    }
    choices.records[name] = make_record(inputs);
    choices.containers[name] = std::move(inputs);
    return {};
}

}  // namespace

Result<void> check_beforehand(const ChoiceRequest& request) {
    for (const std::string& name : to_create(*request.plan)) {
        const compose::DesiredContainer& container = request.desired->containers.at(name);
        if (!request.seen->state.image_ids.contains(container.config.image)) {
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
        TRY(check_ports(request, container));
    }
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
        const std::string& reference = request.desired->containers.at(name).config.image;
        if (choices.images.contains(reference)) continue;
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
        const ContainerClaims claims = TRY(claims_of(record));
        TRY(write_claims(run_dir, claims));
    }
    return choices;
}

}  // namespace davit::stack
