#include "compose/merge_rules.h"

#include "base/file.h"
#include "compose/decode.h"

#include <algorithm>
#include <map>

namespace davit::compose {
namespace {

/// The attributes that are not merged by kind; "*" is any name. To give another one a rule, add a
/// row. @source Compose spec 13-merge.md; compose-go override/merge.go, override/uncity.go
struct Row {
    std::vector<std::string> pattern;
    MergeRule rule;
};

const std::vector<Row>& rows() {
    static const std::vector<Row> kRows = {
        {{"services", "*", "command"}, MergeRule::Replace},
        {{"services", "*", "entrypoint"}, MergeRule::Replace},
        {{"services", "*", "environment"}, MergeRule::KeyValues},
        {{"services", "*", "environment", "*"}, MergeRule::Replace},
        {{"services", "*", "labels"}, MergeRule::KeyValues},
        {{"services", "*", "labels", "*"}, MergeRule::Replace},
        {{"services", "*", "env_file"}, MergeRule::StringOrList},
        {{"services", "*", "depends_on"}, MergeRule::Dependencies},
        {{"services", "*", "volumes"}, MergeRule::UniqueTargets},
        {{"services", "*", "logging"}, MergeRule::SameDriver},
        {{"networks", "*", "labels"}, MergeRule::KeyValues},
        {{"networks", "*", "labels", "*"}, MergeRule::Replace},
        {{"volumes", "*", "labels"}, MergeRule::KeyValues},
        {{"volumes", "*", "labels", "*"}, MergeRule::Replace},
    };
    return kRows;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
    return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(),
                      [](const std::string& want, const std::string& name) {
                          return want == "*" || want == name;
                      });
}

bool is_list_of_scalars(const Node& node) {
    return node.kind == NodeKind::Sequence &&
           std::all_of(node.items.begin(), node.items.end(),
                       [](const Node& item) { return item.kind == NodeKind::Scalar; });
}

std::string target_of(const Node& mount) {
    const Node* target = mount.find("target");
    return clean_path(target != nullptr ? target->text : split_volume_spec(mount.text).target);
}

}  // namespace

MergeRule merge_rule(const std::vector<std::string>& path) {
    for (const Row& row : rows()) {
        if (matches(row.pattern, path)) return row.rule;
    }
    return MergeRule::ByKind;
}

void make_key_values(Node& node) {
    if (!is_list_of_scalars(node)) return;
    node.kind = NodeKind::Mapping;
    std::map<std::string, std::size_t> index;
    std::vector<Node> entries;
    for (Node& item : node.items) {
        const std::size_t equals = item.text.find('=');
        item.key = item.text.substr(0, equals);
        item.key_pos = item.pos;
        if (equals == std::string::npos)
            item.kind = NodeKind::Null;
        else
            item.text.erase(0, equals + 1);
        item.is_string = true;
        const auto [at, fresh] = index.emplace(item.key, entries.size());
        if (fresh)
            entries.push_back(std::move(item));
        else
            entries[at->second] = std::move(item);
    }
    node.items = std::move(entries);
}

void make_list(Node& node) {
    if (node.kind != NodeKind::Scalar) return;
    Node list;
    list.kind = NodeKind::Sequence;
    list.pos = node.pos;
    list.key = node.key;
    list.key_pos = node.key_pos;
    list.items.push_back(std::move(node));
    node = std::move(list);
}

void make_dependencies(Node& node) {
    if (!is_list_of_scalars(node)) return;
    node.kind = NodeKind::Mapping;
    std::vector<Node> entries;
    for (const Node& item : node.items) {
        Node condition;
        condition.kind = NodeKind::Scalar;
        condition.text = "service_started";
        condition.pos = condition.key_pos = item.pos;
        condition.key = "condition";
        Node entry;
        entry.kind = NodeKind::Mapping;
        entry.key = item.text;
        entry.pos = entry.key_pos = item.pos;
        entry.items.push_back(std::move(condition));
        entries.push_back(std::move(entry));
    }
    node.items = std::move(entries);
}

void keep_last_of_each_target(Node& list) {
    std::map<std::string, std::size_t> index;
    std::vector<Node> kept;
    for (Node& item : list.items) {
        const auto [at, fresh] = index.emplace(target_of(item), kept.size());
        if (fresh)
            kept.push_back(std::move(item));
        else
            kept[at->second] = std::move(item);
    }
    list.items = std::move(kept);
}

}  // namespace davit::compose
