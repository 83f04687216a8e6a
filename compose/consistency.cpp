#include "base/strings.h"
#include "compose/dependency_order.h"
#include "compose/model.h"
#include "compose/node_access.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

// What Docker Compose checks of a whole project. @source compose-go loader/validate.go, validation/
namespace davit::compose {
namespace {

const Node* find_deep(const Node& top, std::initializer_list<const char*> keys) {
    const Node* node = &top;
    for (const char* key : keys) node = node != nullptr ? node->find(key) : nullptr;
    return node;
}

std::vector<std::string> keys_of(const Node* table) {
    std::vector<std::string> keys;
    if (table != nullptr)
        for (const Node& entry : table->items) keys.push_back(entry.key);
    return keys;
}

class Consistency {
public:
    Consistency(const Node& model, const std::map<std::string, Node>& disabled,
                Diagnostics& diagnostics)
        : model_(model), disabled_(disabled), diagnostics_(diagnostics) {}

    void run();

private:
    void check_source(const Node& service);
    void check_build(const Node& service);
    void check_networks(const Node& service);
    void check_dependencies(const Node& service);
    void check_shared_namespaces(const Node& service);
    void check_mounts(const Node& service);
    void check_references(const Node& service, const char* attribute, const char* table,
                          const char* what);
    void check_healthcheck(const Node& service);
    void check_scale(const Node& service);
    void check_limits(const Node& service);
    void check_devices(const Node* list);
    void check_watch(const Node& service);
    void check_cycles();
    void check_external_volumes();
    void check_file_objects(const char* kind, std::initializer_list<const char*> sources);

    bool defined(const char* table, const std::string& name) const {
        const Node* resources = model_.find(table);
        return resources != nullptr && resources->find(name) != nullptr;
    }
    void undefined(const char* table, const char* what, const std::string& name, SourcePos where) {
        const auto meant = nearest(name, keys_of(model_.find(table)));
        std::string help = fmt::format("add '{}:' to the top-level '{}'", name, table);
        if (meant)
            help = fmt::format("the nearest {} is '{}'", what, *meant);
        else if (std::string_view(table) == "volumes" && name.find('/') != std::string::npos)
            help = fmt::format("write './{}' for a folder of the host", name);
        diagnostics_.error(fmt::format("the {} '{}' is not defined", what, printable(name)),
                           std::move(where), std::move(help));
    }
    void refuse(const Node& node, std::string message, std::string help) {
        diagnostics_.error(std::move(message), node.place(), std::move(help));
    }

    const Node& model_;
    const std::map<std::string, Node>& disabled_;
    Diagnostics& diagnostics_;
};

void Consistency::run() {
    if (const Node* services = model_.find("services")) {
        for (const Node& service : services->items) {
            if (!service.is_mapping()) continue;
            check_source(service);
            check_build(service);
            check_networks(service);
            check_dependencies(service);
            check_shared_namespaces(service);
            check_mounts(service);
            check_references(service, "configs", "configs", "config");
            check_references(service, "secrets", "secrets", "secret");
            check_healthcheck(service);
            check_scale(service);
            check_limits(service);
            check_devices(service.find("gpus"));
            check_devices(find_deep(service, {"deploy", "resources", "reservations", "devices"}));
            check_watch(service);
        }
        check_cycles();
    }
    check_external_volumes();
    check_file_objects("configs", {"file", "environment", "content"});
    check_file_objects("secrets", {"file", "environment"});
}

/// A misspelt key is one mistake: what it would have said is not missing as well.
void Consistency::check_source(const Node& service) {
    if (service.refused) return;
    for (const char* key : {"image", "build", "provider"})
        if (const Node* node = service.find(key); node != nullptr) {
            if (std::string_view(key) != "image" || !node->is_scalar() || !node->text.empty() ||
                service.find("build") != nullptr)
                return;
        }
    const bool broken =
        std::any_of(service.items.begin(), service.items.end(), [](const Node& entry) {
            return entry.refused && nearest(entry.key, {"image", "build", "extends", "provider"});
        });
    if (broken) return;
    diagnostics_.error(fmt::format("service '{}' has no image", service.key), service.key_pos,
                       "add 'image: NAME' or 'build: FOLDER'");
}

void Consistency::check_build(const Node& service) {
    const Node* build = service.find("build");
    if (build == nullptr || !build->is_mapping()) return;
    const Node* inline_text = build->find("dockerfile_inline");
    if (inline_text != nullptr && build->find("dockerfile") != nullptr)
        refuse(
            *inline_text,
            fmt::format("service '{}' has both 'dockerfile' and 'dockerfile_inline'", service.key),
            "keep one of the two");
    const Node* platforms = build->find("platforms");
    const std::string platform = text_at(service, "platform");
    if (platforms != nullptr && !platforms->items.empty() && !platform.empty() &&
        std::none_of(platforms->items.begin(), platforms->items.end(),
                     [&](const Node& item) { return item.text == platform; }))
        refuse(*platforms,
               fmt::format("'build.platforms' of service '{}' doesn't have its platform '{}'",
                           service.key, platform),
               "add it to the list");
    if (const Node* contexts = build->find("additional_contexts")) {
        for (const Node& context : contexts->items) {
            if (!context.text.starts_with("service:")) continue;
            const std::string name = context.text.substr(8);
            const Node* services = model_.find("services");
            const Node* other = services->find(name);
            if (other == nullptr)
                undefined("services", "service", name, context.place());
            else if (other->find("build") == nullptr)
                refuse(context,
                       fmt::format("service '{}' is not built, and gives no context", name),
                       "name a service with 'build'");
        }
    }
    check_references(*build, "secrets", "secrets", "secret");
}

void Consistency::check_networks(const Node& service) {
    const Node* mode = service.find("network_mode");
    const Node* networks = service.find("networks");
    if (mode != nullptr && !mode->text.empty() && networks != nullptr && !networks->items.empty())
        refuse(*mode,
               fmt::format("service '{}' has both 'network_mode' and 'networks'", service.key),
               "keep one of the two");
    if (networks == nullptr) return;
    for (const Node& attachment : networks->items)
        if (!defined("networks", attachment.key))
            undefined("networks", "network", attachment.key, attachment.key_pos);
}

void Consistency::check_dependencies(const Node& service) {
    const Node* needs = service.find("depends_on");
    if (needs == nullptr) return;
    const Node* services = model_.find("services");
    for (const Node& need : needs->items) {
        if (services->find(need.key) != nullptr) continue;
        const bool off = disabled_.contains(need.key);
        if (need.tag == kImplied && !off) {
            undefined("services", "service", need.key, need.place());
            continue;
        }
        if (text_at(need, "required") == "false") {
            if (!off)
                diagnostics_.warning(fmt::format("service '{}' depends on '{}', which is not "
                                                 "defined, and goes without it",
                                                 service.key, printable(need.key)),
                                     need.key_pos ? need.key_pos : service.key_pos,
                                     "define it, or take it out of 'depends_on'");
            continue;
        }
        const auto meant = nearest(need.key, keys_of(services));
        diagnostics_.error(
            off ? fmt::format("service '{}' {} '{}', whose profile is not active", service.key,
                              need.tag == kImplied ? "needs" : "depends on", printable(need.key))
                : fmt::format("service '{}' depends on '{}', which is not defined", service.key,
                              printable(need.key)),
            need.key_pos ? need.key_pos : service.key_pos,
            off     ? need.tag == kImplied ? "activate its profile with --profile"
                                           : "activate its profile with --profile, or write "
                                             "'required: false'"
            : meant ? fmt::format("the nearest service is '{}'", *meant)
                    : "define it, or take it out of 'depends_on'");
    }
}

void Consistency::check_shared_namespaces(const Node& service) {
    const Node* mode = service.find("network_mode");
    if (mode == nullptr || !mode->text.starts_with("service:")) return;
    const std::string name = mode->text.substr(8);
    const Node* needs = service.find("depends_on");
    if (needs != nullptr && needs->find(name) != nullptr) return;  // said there
    if (model_.find("services")->find(name) == nullptr)
        undefined("services", "service", name, mode->place());
}

void Consistency::check_mounts(const Node& service) {
    std::map<std::string, SourcePos> targets;
    const auto claim = [&](const std::string& target, const SourcePos& where) {
        const auto [first, fresh] = targets.emplace(target, where);
        if (fresh) return;
        diagnostics_.add(
            {Severity::Error,
             fmt::format("service '{}' mounts two things on '{}'", service.key, printable(target)),
             where,
             "give one of the two another target",
             {{"the first one", first->second}}});
    };
    if (const Node* tmpfs = service.find("tmpfs"))
        for (const Node& item : tmpfs->items)
            claim(item.text.substr(0, item.text.find(':')), item.place());
    const Node* volumes = service.find("volumes");
    if (volumes == nullptr) return;
    for (const Node& mount : volumes->items) {
        if (!mount.is_mapping()) continue;
        claim(text_at(mount, "target"), place_of_item(mount));
        const std::string source = text_at(mount, "source");
        if (text_at(mount, "type") == "volume" && !source.empty() && !defined("volumes", source))
            undefined("volumes", "volume", source, place_of_item(mount));
    }
}

void Consistency::check_references(const Node& service, const char* attribute, const char* table,
                                   const char* what) {
    const Node* references = service.find(attribute);
    if (references == nullptr) return;
    for (const Node& reference : references->items) {
        const std::string source = text_at(reference, "source");
        if (!source.empty() && !defined(table, source))
            undefined(table, what, source, place_of_item(reference));
    }
}

void Consistency::check_healthcheck(const Node& service) {
    const Node* test = find_deep(service, {"healthcheck", "test"});
    if (test == nullptr || test->items.empty()) return;
    const std::string& kind = test->items.front().text;
    if (kind == "CMD" || kind == "CMD-SHELL" || kind == "NONE") return;
    diagnostics_.error(fmt::format("the healthcheck of service '{}' begins with '{}'", service.key,
                                   printable(kind)),
                       test->items.front().place(), "begin the list with CMD, CMD-SHELL or NONE");
}

void Consistency::check_scale(const Node& service) {
    const Node* scale = service.find("scale");
    const Node* replicas = find_deep(service, {"deploy", "replicas"});
    if (scale != nullptr && replicas != nullptr && scale->text != replicas->text)
        refuse(*scale,
               fmt::format("service '{}': 'scale' and 'deploy.replicas' differ", service.key),
               "keep one of the two");
    const Node* count = scale != nullptr ? scale : replicas;
    if (count == nullptr || !count->is_scalar()) return;
    if (count->text.starts_with('-'))
        refuse(*count,
               fmt::format("service '{}' can't have {} containers", service.key, count->text),
               "use 0 or more");
    const Node* name = service.find("container_name");
    if (name != nullptr && !name->text.empty() && parse_integer(count->text).value_or(0) > 1)
        refuse(*name,
               fmt::format("service '{}' has a container name, and {} containers can't share it",
                           service.key, count->text),
               "take 'container_name' out");
}

/// A limit that is said twice must be the same, and 0 where the second place leaves it out.
void Consistency::check_limits(const Node& service) {
    struct Pair {
        const char* attribute;
        const char* group;
        const char* key;
    };
    constexpr std::array<Pair, 4> kPairs = {{{"cpus", "limits", "cpus"},
                                             {"mem_limit", "limits", "memory"},
                                             {"mem_reservation", "reservations", "memory"},
                                             {"pids_limit", "limits", "pids"}}};
    for (const Pair& pair : kPairs) {
        const Node* mine = service.find(pair.attribute);
        const Node* group = find_deep(service, {"deploy", "resources", pair.group});
        if (mine == nullptr || mine->text.empty() || mine->text == "0" || group == nullptr ||
            !group->is_mapping())
            continue;
        const Node* other = group->find(pair.key);
        if (other != nullptr && (other->refused || other->text == mine->text)) continue;
        const std::string path =
            fmt::format("services.{}.deploy.resources.{}.{}", service.key, pair.group, pair.key);
        const Node& where = other != nullptr ? *other : *group;
        diagnostics_.add(
            {Severity::Error,
             other != nullptr ? fmt::format("'{}' differs from '{}'", path, pair.attribute)
                              : fmt::format("'{}' is set, but '{}' is not", pair.attribute, path),
             where.place(),
             other != nullptr ? "keep one of the two" : "write the same limit in both places",
             {{"the other one", mine->place()}}});
    }
}

void Consistency::check_devices(const Node* list) {
    if (list == nullptr) return;
    for (const Node& device : list->items) {
        const Node* count = device.find("count");
        if (count != nullptr && device.find("device_ids") != nullptr)
            refuse(*count, "'count' and 'device_ids' of a device exclude each other",
                   "keep one of the two");
    }
}

void Consistency::check_watch(const Node& service) {
    const Node* watch = find_deep(service, {"develop", "watch"});
    if (watch == nullptr) return;
    for (const Node& trigger : watch->items) {
        const std::string action = text_at(trigger, "action");
        if (const Node* path = trigger.find("path");
            path != nullptr && path->is_scalar() && path->text.empty())
            refuse(*path, "the 'path' of a watch is empty", "name a file or folder");
        if (trigger.find("target") == nullptr && !action.empty() && action != "rebuild" &&
            action != "restart")
            diagnostics_.error(fmt::format("a watch with the action '{}' has no target", action),
                               place_of_item(trigger), "add 'target: /path/in/the/container'");
    }
}

void Consistency::check_cycles() {
    Needs needs;
    const Node* services = model_.find("services");
    for (const Node& service : services->items) {
        std::vector<std::string>& own = needs[service.key];
        if (const Node* list = service.find("depends_on"))
            for (const Node& need : list->items)
                if (services->find(need.key) != nullptr) own.push_back(need.key);
    }
    for (const std::vector<std::string>& cycle : dependency_order(needs).cycles) {
        const Node* last = services->find(cycle.back());
        const Node* closing = find_deep(*last, {"depends_on", cycle.front().c_str()});
        diagnostics_.error(
            fmt::format("services depend on each other in a circle: {} -> {}",
                        fmt::join(cycle, " -> "), cycle.front()),
            closing != nullptr && closing->key_pos ? closing->key_pos : last->key_pos,
            "take one of these dependencies out");
    }
}

void Consistency::check_external_volumes() {
    const Node* volumes = model_.find("volumes");
    if (volumes == nullptr) return;
    for (const Node& volume : volumes->items) {
        if (text_at(volume, "external") != "true") continue;
        for (const Node& entry : volume.items) {
            if (entry.key == "external" || entry.key == "name" || entry.key.starts_with("x-") ||
                entry.refused)
                continue;
            diagnostics_.error(
                fmt::format("the external volume '{}' can't have '{}'", volume.key, entry.key),
                entry.key_pos, "take one of the two out: davit doesn't make external volumes");
        }
    }
}

void Consistency::check_file_objects(const char* kind, std::initializer_list<const char*> sources) {
    const Node* objects = model_.find(kind);
    if (objects == nullptr) return;
    for (const Node& object : objects->items) {
        if (!object.is_mapping()) continue;
        std::vector<const Node*> given;
        for (const char* source : sources)
            if (const Node* node = object.find(source)) given.push_back(node);
        if (given.size() > 1)
            diagnostics_.add({Severity::Error,
                              fmt::format("'{}.{}' has both '{}' and '{}'", kind, object.key,
                                          given[0]->key, given[1]->key),
                              given[1]->place(),
                              "keep one of the two",
                              {{"the other one", given[0]->place()}}});
        if (given.empty() && object.find("external") == nullptr && object.find("driver") == nullptr)
            diagnostics_.error(
                fmt::format("'{}.{}' says nothing of where it comes from", kind, object.key),
                object.key_pos, "add 'file: PATH' or 'environment: NAME'");
    }
}

}  // namespace

void check_consistency(const Node& model, const std::map<std::string, Node>& disabled,
                       Diagnostics& diagnostics) {
    Consistency(model, disabled, diagnostics).run();
}

}  // namespace davit::compose
