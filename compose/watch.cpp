#include "compose/watch.h"

#include "base/file.h"
#include "compose/bind.h"
#include "compose/node_access.h"

#include <algorithm>
#include <map>

namespace davit::compose {
namespace {

WatchRule::Action action_of(const std::string& word) {
    using enum WatchRule::Action;
    static const std::map<std::string, WatchRule::Action> actions = {{"sync", Sync},
                                                                     {"rebuild", Rebuild},
                                                                     {"restart", Restart},
                                                                     {"sync+restart", SyncRestart},
                                                                     {"sync+exec", SyncExec}};
    return actions.at(word);  // others are refused when the file is read
}

WatchRule rule_of(const LoadedProject& loaded, const Node& service, const Node& trigger) {
    WatchRule rule;
    rule.service = service.key;
    rule.action = action_of(text_at(trigger, "action"));
    rule.path = clean_path(join_path(loaded.project.working_dir, text_at(trigger, "path")));
    rule.target = text_at(trigger, "target");
    rule.ignore = texts_at(trigger, "ignore");
    rule.include = texts_at(trigger, "include");
    rule.initial_sync = true_at(trigger, "initial_sync");
    if (const Node* hook = trigger.find("exec")) rule.exec = hook_of(*hook, loaded.environment);
    const Node* build = service.find("build");
    if (build != nullptr && build->is_mapping())
        rule.context =
            clean_path(join_path(loaded.project.working_dir, text_at(*build, "context")));
    return rule;
}

}  // namespace

std::vector<WatchRule> find_watch_rules(const LoadedProject& loaded,
                                        const std::vector<std::string>& names) {
    std::vector<WatchRule> rules;
    const Node* services = loaded.model.find("services");
    if (services == nullptr) return rules;
    for (const Node& service : services->items) {
        if (!names.empty() && std::find(names.begin(), names.end(), service.key) == names.end())
            continue;
        const Node* develop = service.find("develop");
        const Node* list = develop != nullptr ? develop->find("watch") : nullptr;
        if (list == nullptr) continue;
        for (const Node& trigger : list->items) rules.push_back(rule_of(loaded, service, trigger));
    }
    return rules;
}

}  // namespace davit::compose
