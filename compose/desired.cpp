#include "compose/config_hash.h"
#include "compose/state.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

void add_container(const Project& project, const Service& service, DesiredState& desired) {
    DesiredContainer container;
    container.service = service.name;
    container.config = service;
    container.config_hash = config_hash(project, service);
    for (const Attachment& attachment : service.networks) {
        const Network& network = project.networks.at(attachment.network);
        if (network.external) continue;  // not the plan's to make
        container.networks.push_back(network.name);
        desired.networks.emplace(network.name,
                                 DesiredNetwork{attachment.network, network, config_hash(network)});
    }
    for (const Mount& mount : service.volumes) {
        if (mount.type != MountType::Volume || mount.source.empty()) continue;
        const Volume& volume = project.volumes.at(mount.source);
        const auto& known = container.volumes;
        if (std::find(known.begin(), known.end(), volume.name) == known.end())
            container.volumes.push_back(volume.name);
        desired.volumes.emplace(volume.name, DesiredVolume{mount.source, volume});
    }
    for (const std::string& need : service.depends_on)
        container.needs.push_back(container_name(project, project.services.at(need)));
    desired.containers.emplace(container_name(project, service), std::move(container));
}

}  // namespace

std::string container_name(const Project& project, const Service& service, int number) {
    if (!service.container_name.empty()) return service.container_name;
    return fmt::format("{}-{}-{}", project.name, service.name, number);
}

/// Networks and volumes that no service uses are left out, as Docker Compose leaves them.
DesiredState desired_state(const Project& project) {
    DesiredState desired;
    desired.project = project.name;
    desired.inactive = project.inactive;
    for (const auto& [name, service] : project.services) add_container(project, service, desired);
    return desired;
}

}  // namespace davit::compose
