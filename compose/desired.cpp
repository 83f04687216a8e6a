#include "base/digest.h"
#include "compose/config_hash.h"
#include "compose/state.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

/// The networks that a container joins. One that is external is not the plan's to make.
void add_networks(const Project& project, const Service& service, DesiredContainer& container,
                  DesiredState& desired) {
    for (const Attachment& attachment : service.networks) {
        const Network& network = project.networks.at(attachment.network);
        if (network.external) continue;
        container.networks.push_back(network.name);
        desired.networks.emplace(network.name,
                                 DesiredNetwork{attachment.network, network, config_hash(network)});
    }
}

/// Containers of a service, as many as it is to have.
int count_of(const Service& service, const std::map<std::string, int>& scale) {
    const auto asked = scale.find(service.name);
    return asked == scale.end() ? service.scale : asked->second;
}

void add_volumes(const Project& project, const Service& service, DesiredContainer& container,
                 DesiredState& desired) {
    for (const Mount& mount : service.volumes) {
        if (mount.type != MountType::Volume || mount.source.empty()) continue;
        const Volume& volume = project.volumes.at(mount.source);
        const auto& known = container.volumes;
        if (std::find(known.begin(), known.end(), volume.name) == known.end())
            container.volumes.push_back(volume.name);
        desired.volumes.emplace(volume.name, DesiredVolume{mount.source, volume});
    }
}

void add_needs(const Project& project, const Service& service,
               const std::map<std::string, int>& scale, DesiredContainer& container) {
    for (const Dependency& dependency : service.depends_on) {
        const Service& needed = project.services.at(dependency.service);
        for (int number = 1; number <= count_of(needed, scale); ++number) {
            const std::string name = container_name(project, needed, number);
            container.needs.push_back(name);
            if (dependency.condition != Awaited::Started || dependency.restart)
                container.gates.push_back(
                    {name, dependency.condition, dependency.required, dependency.restart});
        }
    }
}

/// The service as one of its `pre_start` runs it: the same but for what only a server has.
Service hook_service(const Service& service, const Hook& hook) {
    Service own = service;
    own.image = hook.image.empty() ? service.image : hook.image;
    own.command.reset();
    if (!hook.command.empty()) own.command = hook.command;
    own.entrypoint.reset();
    if (!hook.user.empty()) own.user = hook.user;
    if (!hook.working_dir.empty()) own.working_dir = hook.working_dir;
    own.privileges.privileged = own.privileges.privileged || hook.privileged;
    for (const auto& [name, value] : hook.environment) own.environment[name] = value;
    own.container_name.clear();
    own.hostname.clear();
    own.ports.clear();
    own.scale = 1;
    own.restart = {};
    own.healthcheck = HealthCheck{.disabled = true};
    own.tty = false;
    own.stdin_open = false;
    for (Attachment& attachment : own.networks) {
        attachment.aliases.clear();
        attachment.ipv4_address.clear();
        attachment.ipv6_address.clear();
        attachment.mac_address.clear();
    }
    own.pre_start.clear();
    own.post_start.clear();
    own.pre_stop.clear();
    return own;
}

/// Containers that do something before those of the service start, one after the other: tasks that
/// are waited for as by `service_completed_successfully`, and run again when the service changes.
/// @source Compose spec 05-services.md "pre_start"
void add_pre_start(const Project& project, const Service& service, DesiredContainer& container,
                   DesiredState& desired) {
    DesiredContainer hook = container;
    hook.one_off = true;
    hook.aliases = false;
    for (std::size_t i = 0; i < service.pre_start.size(); ++i) {
        const std::string name =
            fmt::format("{}-{}-pre_start-{}", project.name, service.name, i + 1);
        hook.number = static_cast<int>(i) + 1;
        hook.config = hook_service(service, service.pre_start[i]);
        hook.config_hash =
            sha256_hex(config_hash(project, hook.config) + "\n" + container.config_hash);
        desired.containers.emplace(name, hook);
        for (DesiredContainer* later : {&hook, &container}) {
            later->needs.push_back(name);
            later->gates.push_back({name, Awaited::Completed, true, false});
        }
    }
}

void add_containers(const Project& project, const Service& service,
                    const std::map<std::string, int>& scale, DesiredState& desired) {
    DesiredContainer container;
    container.service = service.name;
    container.config = service;
    container.config_hash = config_hash(project, service);
    add_networks(project, service, container, desired);
    add_volumes(project, service, container, desired);
    add_needs(project, service, scale, container);
    if (count_of(service, scale) > 0) add_pre_start(project, service, container, desired);
    for (int number = 1; number <= count_of(service, scale); ++number) {
        container.number = number;
        desired.containers.emplace(container_name(project, service, number), container);
    }
}

}  // namespace

std::string container_name(const Project& project, const Service& service, int number) {
    if (!service.container_name.empty()) return service.container_name;
    return fmt::format("{}-{}-{}", project.name, service.name, number);
}

std::string joined_container(const DesiredState& desired, const std::string& name) {
    constexpr std::string_view kService = "service:";
    const DesiredContainer& wanted = desired.containers.at(name);
    const Service& service = wanted.config;
    for (const std::string* mode :
         {&service.network_mode, &service.sharing.pid, &service.sharing.ipc}) {
        if (!mode->starts_with(kService)) continue;
        for (const std::string& need : wanted.needs) {
            const auto other = desired.containers.find(need);
            if (other != desired.containers.end() && other->second.number == 1 &&
                other->second.service == mode->substr(kService.size()))
                return need;
        }
    }
    return {};
}

/// Networks and volumes that no service uses are left out, as Docker Compose leaves them.
DesiredState desired_state(const Project& project, const std::map<std::string, int>& scale) {
    DesiredState desired;
    desired.project = project.name;
    desired.inactive = project.inactive;
    for (const auto& [name, service] : project.services) {
        desired.services.insert(name);
        add_containers(project, service, scale, desired);
    }
    return desired;
}

DesiredState desired_one_off(const Project& project, const Service& service,
                             const std::string& name) {
    DesiredState desired;
    desired.project = project.name;
    desired.inactive = project.inactive;
    DesiredContainer container;
    container.service = service.name;
    container.config = service;
    container.config_hash = config_hash(project, service);
    container.one_off = true;
    add_networks(project, service, container, desired);
    add_volumes(project, service, container, desired);
    add_needs(project, service, {}, container);
    desired.containers.emplace(name, std::move(container));
    return desired;
}

}  // namespace davit::compose
