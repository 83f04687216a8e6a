#include "compose/bind.h"

#include <fmt/format.h>

// pre_start, post_start, pre_stop. @source Compose spec 05-services.md
namespace davit::compose {

Hook hook_of(const Node& node, const std::map<std::string, std::string>& environment) {
    Hook hook;
    hook.command = texts_at(node, "command");
    hook.image = text_at(node, "image");
    hook.user = text_at(node, "user");
    hook.working_dir = text_at(node, "working_dir");
    hook.privileged = true_at(node, "privileged");
    const Node* table = node.find("environment");
    if (table == nullptr) return hook;
    for (const Node& variable : table->items) {
        if (variable.is_scalar() && !variable.is_null()) {
            hook.environment[variable.key] = variable.text;
            continue;
        }
        // A name alone is the caller's, where he has it.
        const auto value = environment.find(variable.key);
        if (value != environment.end()) hook.environment[variable.key] = value->second;
    }
    return hook;
}

void bind_hooks(const Node& node, const std::map<std::string, std::string>& environment,
                Service& service, Diagnostics& diagnostics) {
    const auto read = [&](const char* key, bool needs_command, std::vector<Hook>& hooks) {
        const Node* list = node.find(key);
        if (list == nullptr) return;
        for (const Node& item : list->items) {
            if (!item.is_mapping()) continue;
            Hook hook = hook_of(item, environment);
            // One that is left out has been asked for already.
            if (needs_command && hook.command.empty() && item.find("command") == nullptr) continue;
            if (needs_command && hook.command.empty())
                diagnostics.error(fmt::format("a hook of '{}' has no command", key),
                                  place_of_item(item), "say what it runs in 'command'");
            else
                hooks.push_back(std::move(hook));
            const Node* each = item.find("per_replica");
            if (each != nullptr && each->text == "true")
                diagnostics.error("'per_replica: true' is not supported yet", each->place(),
                                  "leave it out: the hook runs once for the service");
        }
    };
    read("pre_start", false, service.pre_start);
    read("post_start", true, service.post_start);
    read("pre_stop", true, service.pre_stop);
}

}  // namespace davit::compose
