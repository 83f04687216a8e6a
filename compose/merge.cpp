#include "compose/merge.h"

#include "compose/merge_rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <unordered_map>

namespace davit::compose {
namespace {

constexpr const char* kReset = "!reset";
constexpr const char* kOverride = "!override";

/// Carries out the tags of a value that there is nothing to merge with.
void settle_tags(Node& node) {
    if (node.tag == kOverride) node.tag.clear();
    std::erase_if(node.items, [](const Node& item) { return item.tag == kReset; });
    for (Node& item : node.items) settle_tags(item);
}

class Merger {
public:
    explicit Merger(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void merge(Node& base, Node over);

private:
    void merge_mapping(Node& base, Node over);
    void replace(Node& base, Node over);
    void append(Node& base, Node over);
    void refuse_clash(const Node& base, const Node& over);

    Diagnostics& diagnostics_;
    std::vector<std::string> path_;
};

/// The place in the parent stays, the value is the new one.
void Merger::replace(Node& base, Node over) {
    over.tag.clear();
    settle_tags(over);
    base = std::move(over);
}

void Merger::append(Node& base, Node over) {
    settle_tags(over);
    base.items.insert(base.items.end(), std::make_move_iterator(over.items.begin()),
                      std::make_move_iterator(over.items.end()));
}

void Merger::refuse_clash(const Node& base, const Node& over) {
    std::string path;
    for (const std::string& part : path_) path += (path.empty() ? "" : ".") + part;
    diagnostics_.add({Severity::Error,
                      fmt::format("'{}' is {} in an earlier file, and {} can't be merged into it",
                                  path, describe(base), describe(over)),
                      over.place(),
                      "write both in the same form, or put '!override' before the value",
                      {{"the earlier value", base.place()}}});
}

void Merger::merge(Node& base, Node over) {
    if (over.tag == kOverride) return replace(base, std::move(over));
    const MergeRule rule = merge_rule(path_);
    if (rule == MergeRule::Replace) return replace(base, std::move(over));
    if (over.kind == NodeKind::Null) return;  // null changes nothing
    if (base.kind == NodeKind::Null) return replace(base, std::move(over));
    if (rule == MergeRule::KeyValues) {
        make_key_values(base);
        make_key_values(over);
    } else if (rule == MergeRule::Dependencies) {
        make_dependencies(base);
        make_dependencies(over);
    } else if (rule == MergeRule::StringOrList) {
        make_list(base);
        make_list(over);
    } else if (rule == MergeRule::SameDriver) {
        const Node* had = base.find("driver");
        const Node* has = over.find("driver");
        if (had != nullptr && has != nullptr && had->text != has->text)
            return replace(base, std::move(over));
    }
    if (base.kind != over.kind) return refuse_clash(base, over);
    if (base.kind == NodeKind::Mapping) return merge_mapping(base, std::move(over));
    if (base.kind == NodeKind::Scalar) return replace(base, std::move(over));
    append(base, std::move(over));
    if (rule == MergeRule::UniqueTargets) keep_last_of_each_target(base);
}

void Merger::merge_mapping(Node& base, Node over) {
    std::unordered_map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < base.items.size(); ++i) index.emplace(base.items[i].key, i);
    std::vector<std::string> gone;
    for (Node& item : over.items) {
        const auto found = index.find(item.key);
        if (item.tag == kReset) {
            gone.push_back(item.key);
        } else if (found == index.end()) {
            settle_tags(item);
            index.emplace(item.key, base.items.size());
            base.items.push_back(std::move(item));
        } else {
            path_.push_back(item.key);
            merge(base.items[found->second], std::move(item));
            path_.pop_back();
        }
    }
    std::erase_if(base.items, [&](const Node& item) {
        return std::find(gone.begin(), gone.end(), item.key) != gone.end();
    });
}

}  // namespace

void merge_document(Node& base, Node over, Diagnostics& diagnostics) {
    if (base.kind == NodeKind::Null) {
        settle_tags(over);
        base = std::move(over);
        return;
    }
    Merger(diagnostics).merge(base, std::move(over));
}

}  // namespace davit::compose
