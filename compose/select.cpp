#include "base/strings.h"
#include "compose/model.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

// Profiles and the services named on the command line.
namespace davit::compose {
namespace {

std::vector<std::string> profiles_of(const Node& service) {
    std::vector<std::string> profiles;
    if (const Node* list = service.find("profiles"))
        for (const Node& item : list->items) profiles.push_back(item.text);
    return profiles;
}

bool is_on(const Node& service, const std::vector<std::string>& active) {
    const std::vector<std::string> own = profiles_of(service);
    if (own.empty()) return true;
    return std::any_of(active.begin(), active.end(), [&](const std::string& profile) {
        return profile == "*" || std::find(own.begin(), own.end(), profile) != own.end();
    });
}

/// The named services and, where asked, everything they need.
std::set<std::string> reach(const Node& services, const Selection& selection) {
    std::set<std::string> reached;
    std::vector<std::string> open = selection.services;
    while (!open.empty()) {
        const std::string name = open.back();
        open.pop_back();
        if (!reached.insert(name).second || !selection.with_dependencies) continue;
        const Node* service = services.find(name);
        const Node* needs = service != nullptr ? service->find("depends_on") : nullptr;
        if (needs == nullptr) continue;
        for (const Node& need : needs->items)
            if (services.find(need.key) != nullptr) open.push_back(need.key);
    }
    return reached;
}

}  // namespace

std::map<std::string, Node> select_services(Node& model, const Selection& selection,
                                            Diagnostics& diagnostics) {
    std::map<std::string, Node> disabled;
    Node* services = model.find("services");
    if (services == nullptr || !services->is_mapping()) return disabled;
    // A service asked for by name brings its profiles with it.
    std::vector<std::string> active = selection.profiles;
    std::vector<std::string> names;
    for (const Node& service : services->items) names.push_back(service.key);
    for (const std::string& name : selection.services) {
        if (const Node* service = services->find(name)) {
            for (std::string& profile : profiles_of(*service)) active.push_back(std::move(profile));
            continue;
        }
        const auto meant = nearest(name, names);
        diagnostics.error(fmt::format("there is no service '{}'", printable(name)), {},
                          meant ? fmt::format("the nearest is '{}'", *meant)
                                : "'davit config --services' lists them");
    }
    const auto take_out = [&](const auto& stays) {
        std::vector<Node> kept;
        for (Node& service : services->items) {
            if (stays(service))
                kept.push_back(std::move(service));
            else
                disabled.emplace(service.key, std::move(service));
        }
        services->items = std::move(kept);
    };
    take_out([&](const Node& service) { return is_on(service, active); });
    if (selection.services.empty()) return disabled;
    const std::set<std::string> reached = reach(*services, selection);
    take_out([&](const Node& service) { return reached.contains(service.key); });
    // Without their dependencies, services don't wait for what takes no part.
    for (Node& service : services->items) {
        Node* needs = service.find("depends_on");
        if (needs == nullptr || selection.with_dependencies) continue;
        std::erase_if(needs->items, [&](const Node& need) { return disabled.contains(need.key); });
    }
    return disabled;
}

void drop_absent_dependencies(Node& model) {
    Node* services = model.find("services");
    if (services == nullptr) return;
    for (Node& service : services->items) {
        Node* needs = service.find("depends_on");
        if (needs == nullptr) continue;
        std::erase_if(needs->items, [&](const Node& need) {
            const Node* required = need.find("required");
            return services->find(need.key) == nullptr && required != nullptr &&
                   required->text == "false";
        });
    }
}

namespace {

void note_used(const Node* table, const char* field, std::set<std::string>& used) {
    if (table == nullptr) return;
    for (const Node& item : table->items) {
        const Node* value = field != nullptr ? item.find(field) : nullptr;
        if (field == nullptr)
            used.insert(item.key);
        else if (value != nullptr && value->is_scalar())
            used.insert(value->text);
    }
}

}  // namespace

void drop_unused(Node& model) {
    std::map<std::string, std::set<std::string>> used;
    if (const Node* services = model.find("services")) {
        for (const Node& service : services->items) {
            note_used(service.find("networks"), nullptr, used["networks"]);
            note_used(service.find("models"), nullptr, used["models"]);
            note_used(service.find("configs"), "source", used["configs"]);
            note_used(service.find("secrets"), "source", used["secrets"]);
            if (const Node* build = service.find("build"))
                note_used(build->find("secrets"), "source", used["secrets"]);
            if (const Node* volumes = service.find("volumes")) {
                for (const Node& volume : volumes->items) {
                    const Node* type = volume.find("type");
                    const Node* source = volume.find("source");
                    if (type != nullptr && type->text == "volume" && source != nullptr)
                        used["volumes"].insert(source->text);
                }
            }
        }
    }
    for (const char* kind : {"networks", "volumes", "configs", "secrets", "models"}) {
        Node* resources = model.find(kind);
        if (resources == nullptr) continue;
        std::erase_if(resources->items,
                      [&](const Node& resource) { return !used[kind].contains(resource.key); });
        if (resources->items.empty()) model.erase(kind);
    }
}

}  // namespace davit::compose
