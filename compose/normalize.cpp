#include "base/strings.h"
#include "compose/model.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

/// The place of what stands in no file: a default.
const Node& nowhere() {
    static const Node kNowhere;
    return kNowhere;
}

Node* services_of(Node& model) {
    Node* services = model.find("services");
    return services != nullptr && services->is_mapping() ? services : nullptr;
}

bool is_true(const Node* node) {
    return node != nullptr && node->is_scalar() && node->text == "true";
}

/// A dependency that follows from another attribute; one that is written out wins.
void imply_dependency(Node& service, const std::string& name, bool restart, const Node& like) {
    Node* needs = service.find("depends_on");
    if (needs == nullptr || needs->is_null()) {
        if (needs != nullptr && needs->refused) return;
        needs = &service.put("depends_on", mapping_node(like));
    }
    if (needs->find(name) != nullptr) return;
    Node dependency = mapping_node(like);
    dependency.put("condition", string_node("service_started", like));
    dependency.put("required", plain_node("true", like));
    if (restart) dependency.put("restart", plain_node("true", like));
    dependency.tag = kImplied;
    needs->put(name, std::move(dependency));
}

void imply_dependencies(Node& service) {
    if (const Node* links = service.find("links")) {
        const Node list = *links;
        for (const Node& link : list.items)
            imply_dependency(service, link.text.substr(0, link.text.find(':')), true, link);
    }
    for (const char* name : {"network_mode", "ipc", "pid", "uts", "cgroup"}) {
        const Node* mode = service.find(name);
        if (mode == nullptr || !mode->text.starts_with("service:")) continue;
        const Node like = *mode;
        imply_dependency(service, like.text.substr(8), true, like);
    }
    if (const Node* others = service.find("volumes_from")) {
        const Node list = *others;
        for (const Node& other : list.items)
            if (!other.text.starts_with("container:"))
                imply_dependency(service, other.text.substr(0, other.text.find(':')), false, other);
    }
}

void normalize_build(Node& service, const Variables& environment) {
    Node* build = service.find("build");
    if (build == nullptr || !build->is_mapping()) return;
    if (build->find("dockerfile") == nullptr && build->find("dockerfile_inline") == nullptr)
        build->put("dockerfile", string_node("Dockerfile", nowhere()));
    Node* args = build->find("args");
    if (args == nullptr) return;
    for (Node& argument : args->items) {
        const auto found = environment.find(argument.key);
        if (argument.is_null() && found != environment.end())
            argument.become(string_node(found->second, argument));
    }
    std::erase_if(args->items, [](const Node& argument) { return argument.is_null(); });
}

void normalize_environment(Node& service, const Variables& environment) {
    Node* variables = service.find("environment");
    if (variables == nullptr) return;
    for (Node& variable : variables->items) {
        const auto found = environment.find(variable.key);
        if (variable.is_null() && !variable.refused && found != environment.end())
            variable.become(string_node(found->second, variable));
    }
}

/// Whether the service ends up on the network `default`.
bool join_default_network(Node& service) {
    if (service.find("provider") != nullptr || service.find("network_mode") != nullptr)
        return false;
    Node* networks = service.find("networks");
    if (networks != nullptr && networks->refused) return false;
    if (networks == nullptr || networks->items.empty()) {
        Node attachment;
        Node table;
        table.kind = NodeKind::Mapping;
        table.put("default", std::move(attachment));
        if (networks == nullptr)
            service.put("networks", std::move(table));
        else
            networks->become(std::move(table));
        return true;
    }
    return networks->find("default") != nullptr;
}

void name_resources(Node& model, const std::string& project) {
    for (const char* kind : {"networks", "volumes", "configs", "secrets"}) {
        Node* resources = model.find(kind);
        if (resources == nullptr) continue;
        for (Node& resource : resources->items) {
            if (resource.refused) continue;
            const Node* name = resource.find("name");
            if (!resource.is_mapping() || (name != nullptr && !name->is_null())) continue;
            resource.put("name", string_node(is_true(resource.find("external"))
                                                 ? resource.key
                                                 : fmt::format("{}_{}", project, resource.key),
                                             nowhere()));
        }
    }
}

/// Takes out text that is empty, and so says nothing: an unset variable leaves it behind.
void forget_empty(Node& mapping, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        const Node* value = mapping.find(key);
        if (value != nullptr && value->is_scalar() && value->text.empty()) mapping.erase(key);
    }
}

void default_in(Node& mapping, const char* key, Node value) {
    if (mapping.is_mapping() && mapping.find(key) == nullptr) mapping.put(key, std::move(value));
}

void default_of_secrets(Node* list) {
    if (list == nullptr) return;
    for (Node& secret : list->items) {
        const Node* source = secret.find("source");
        if (source != nullptr && source->is_scalar())
            default_in(secret, "target", string_node("/run/secrets/" + source->text, secret));
    }
}

void default_of_devices(Node* list) {
    if (list == nullptr) return;
    for (Node& device : list->items)
        if (device.find("device_ids") == nullptr)
            default_in(device, "count", plain_node("-1", device));
}

void defaults_of_service(Node& service, const std::string& directory) {
    if (Node* needs = service.find("depends_on"); needs != nullptr && needs->is_mapping())
        for (Node& need : needs->items) default_in(need, "required", plain_node("true", need));
    if (Node* ports = service.find("ports")) {
        for (Node& port : ports->items) {
            default_in(port, "mode", string_node("ingress", nowhere()));
            default_in(port, "protocol", string_node("tcp", nowhere()));
        }
    }
    forget_empty(service, {"network_mode"});
    if (Node* build = service.find("build"); build != nullptr && build->is_mapping())
        forget_empty(*build, {"context", "dockerfile", "dockerfile_inline"});
    if (Node* build = service.find("build"); build != nullptr && build->is_mapping())
        default_in(*build, "context", string_node(directory, *build));
    default_of_secrets(service.find("secrets"));
    default_of_devices(service.find("gpus"));
    Node* below = service.find("deploy");
    for (const char* key : {"resources", "reservations", "devices"})
        below = below != nullptr ? below->find(key) : nullptr;
    default_of_devices(below);
}

}  // namespace

void set_defaults(Node& model, const std::string& directory) {
    if (Node* services = services_of(model))
        for (Node& service : services->items) defaults_of_service(service, directory);
    for (const char* kind : {"networks", "volumes"}) {
        Node* resources = model.find(kind);
        if (resources == nullptr) continue;
        for (Node& resource : resources->items) {
            if (resource.is_null() && !resource.refused) resource.become(mapping_node(resource));
            if (resource.is_mapping()) forget_empty(resource, {"name"});
        }
    }
}

void normalize_model(Node& model, const std::string& project, const Variables& environment) {
    bool everyone = false;
    if (Node* services = services_of(model)) {
        for (Node& service : services->items) {
            if (!service.is_mapping()) continue;
            everyone = join_default_network(service) || everyone;
            normalize_build(service, environment);
            normalize_environment(service, environment);
            imply_dependencies(service);
        }
    }
    Node* networks = model.find("networks");
    if (everyone && (networks == nullptr || networks->find("default") == nullptr)) {
        Node table;
        table.kind = NodeKind::Mapping;
        if (networks == nullptr) networks = &model.put("networks", std::move(table));
        if (networks->is_null()) networks->become(std::move(table));
        networks->put("default", mapping_node(Node{}));
    }
    name_resources(model, project);
}

}  // namespace davit::compose
