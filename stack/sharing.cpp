#include "stack/sharing.h"

#include "stack/shared_memory.h"
#include "stack/status.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>

namespace davit::stack {
namespace {

constexpr std::string_view kService = "service:";
constexpr std::string_view kContainer = "container:";

struct Mode {
    const char* type;  ///< OCI's word.
    const std::string* text;
};

std::vector<Mode> modes_of(const compose::Service& service) {
    return {{"pid", &service.sharing.pid},
            {"ipc", &service.sharing.ipc},
            {"network", &service.network_mode}};
}

bool joins(const std::string& mode) {
    return mode.starts_with(kService) || mode.starts_with(kContainer);
}

const ContainerRecord* first_of_service(const std::map<std::string, ContainerRecord>& project,
                                        const std::string& service) {
    const ContainerRecord* first = nullptr;
    for (const auto& [name, record] : project)
        if (record.service == service && !record.one_off &&
            (first == nullptr || record.number < first->number))
            first = &record;
    return first;
}

Result<ContainerRecord> find_partner(const Paths& paths, const std::string& mode,
                                     const std::map<std::string, ContainerRecord>& project) {
    if (mode.starts_with(kService)) {
        const std::string service = mode.substr(kService.size());
        if (const ContainerRecord* found = first_of_service(project, service)) return *found;
        return Error(ErrorKind::NotFound,
                     fmt::format("service '{}' has no container to join", service))
            .help(fmt::format("start it first: davit up -d {}", service));
    }
    const ContainerView view = TRY(find_container(paths, "", mode.substr(kContainer.size())));
    return view.record;
}

}  // namespace

bool joins_others(const compose::Service& service) {
    const std::vector<Mode> modes = modes_of(service);
    return std::any_of(modes.begin(), modes.end(),
                       [](const Mode& mode) { return joins(*mode.text); });
}

Result<Joins> find_joins(const Paths& paths, const compose::Service& service,
                         const std::map<std::string, ContainerRecord>& project) {
    Joins found;
    std::optional<std::string> first;
    for (const Mode& mode : modes_of(service)) {
        if (!joins(*mode.text)) continue;
        const ContainerRecord partner = TRY(find_partner(paths, *mode.text, project));
        const std::string run_dir = paths.run_container(partner.project, partner.name);
        if (mode.type == std::string_view("ipc")) {
            if (partner.sharing.ipc != "shareable")
                return Error(ErrorKind::InvalidInput,
                             fmt::format("container '{}' doesn't share its IPC namespace",
                                         partner.name))
                    .help("give its service 'ipc: shareable'");
            found.shm_dir = shared_memory_folder(run_dir);
        }
        if (mode.type == std::string_view("network")) {
            if (partner.network_mode == "host" || !partner.network_container.empty())
                return Error(ErrorKind::InvalidInput,
                             fmt::format("container '{}' has no network of its own to share",
                                         partner.name))
                    .help("name the one whose network it is");
            found.network_container = partner.project + "/" + partner.name;
            found.network_id = partner.id;
            found.hostname = partner.hostname;
        }
        if (first && found.uid_base != partner.uid_base)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("containers '{}' and '{}' have different users: one container "
                                     "can't join both",
                                     *first, partner.name))
                .help("give all of them 'userns_mode: host'");
        first = partner.name;
        found.uid_base = partner.uid_base;
        found.run_dirs[mode.type] = run_dir;
    }
    return found;
}

std::vector<std::string> joined_first(
    const std::vector<std::string>& names,
    const std::map<std::string, compose::DesiredContainer>& containers) {
    std::vector<std::string> ordered;
    std::set<std::string> services_left;
    for (const std::string& name : names) services_left.insert(containers.at(name).service);
    std::vector<std::string> left = names;
    while (!left.empty()) {
        const auto waits = [&](const std::string& name) {
            const std::vector<Mode> modes = modes_of(containers.at(name).config);
            return std::any_of(modes.begin(), modes.end(), [&](const Mode& mode) {
                return mode.text->starts_with(kService) &&
                       services_left.contains(mode.text->substr(kService.size()));
            });
        };
        const auto split = std::stable_partition(left.begin(), left.end(), waits);
        // Dependencies in a circle are refused before; should one come here, the order is as given.
        if (split == left.end()) {
            ordered.insert(ordered.end(), left.begin(), left.end());
            break;
        }
        ordered.insert(ordered.end(), split, left.end());
        left.erase(split, left.end());
        services_left.clear();
        for (const std::string& name : left) services_left.insert(containers.at(name).service);
    }
    return ordered;
}

}  // namespace davit::stack
