#include "compose/merge.h"

#include "compose/canonical.h"

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

    void merge(Node& base, Node over, const Shape& shape, const NodePath& path);

private:
    void merge_mapping(Node& base, Node over, const Shape& shape, const NodePath& path);
    void merge_list(Node& base, Node over, const Shape& shape, const NodePath& path);
    static void replace(Node& base, Node over);
    void refuse_clash(const Node& base, const Node& over, const NodePath& path);

    Diagnostics& diagnostics_;
};

/// The place in the parent stays, the value is the new one.
void Merger::replace(Node& base, Node over) {
    over.tag.clear();
    settle_tags(over);
    base = std::move(over);
}

void Merger::refuse_clash(const Node& base, const Node& over, const NodePath& path) {
    diagnostics_.add({Severity::Error,
                      fmt::format("'{}' is {} in an earlier file, and {} can't be merged into it",
                                  path.text(), describe(base), describe(over)),
                      over.place(),
                      "write both in the same form, or put '!override' before the value",
                      {{"the earlier value", base.place()}}});
}

void Merger::merge(Node& base, Node over, const Shape& shape, const NodePath& path) {
    if (over.tag == kOverride || shape.merge == Merge::Replace)
        return replace(base, std::move(over));
    if (over.is_null() && !over.refused) return;  // null changes nothing
    if (base.is_null() || over.is_null()) return replace(base, std::move(over));
    if (shape.merge == Merge::SameDriver) {
        const Node* had = base.find("driver");
        const Node* has = over.find("driver");
        if (had != nullptr && has != nullptr && had->text != has->text)
            return replace(base, std::move(over));
    }
    if (base.kind != over.kind) return refuse_clash(base, over, path);
    if (base.is_mapping()) return merge_mapping(base, std::move(over), shape, path);
    if (base.is_list()) return merge_list(base, std::move(over), shape, path);
    replace(base, std::move(over));
}

void Merger::merge_mapping(Node& base, Node over, const Shape& shape, const NodePath& path) {
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
            const Shape& inner = shape_of_entry(shape, item.key);
            const std::string key = item.key;
            // `[A]` after `A=1` asks the environment again.
            const bool asked = shape.form == Form::Table && item.is_null() && inner.nullable &&
                               inner.form == Form::String;
            if (asked)
                replace(base.items[found->second], std::move(item));
            else
                merge(base.items[found->second], std::move(item), inner, path.entry(key));
        }
    }
    std::erase_if(base.items, [&](const Node& item) {
        return std::find(gone.begin(), gone.end(), item.key) != gone.end();
    });
}

void Merger::merge_list(Node& base, Node over, const Shape& shape, const NodePath& path) {
    settle_tags(over);
    if (shape.merge == Merge::SameItem && shape.identity != nullptr) {
        for (Node& item : over.items) {
            const std::string name = shape.identity(item);
            const auto same =
                std::find_if(base.items.begin(), base.items.end(),
                             [&](const Node& known) { return shape.identity(known) == name; });
            if (same == base.items.end())
                base.items.push_back(std::move(item));
            else
                merge(*same, std::move(item), shape_of_item(shape),
                      path.item(static_cast<std::size_t>(same - base.items.begin())));
        }
        return;
    }
    base.items.insert(base.items.end(), std::make_move_iterator(over.items.begin()),
                      std::make_move_iterator(over.items.end()));
    if (shape.identity != nullptr) keep_last_of_each(base, shape.identity);
}

}  // namespace

void merge_value(Node& base, Node over, const Shape& shape, const NodePath& path,
                 Diagnostics& diagnostics) {
    Merger(diagnostics).merge(base, std::move(over), shape, path);
}

void merge_document(Node& base, Node over, Diagnostics& diagnostics) {
    if (base.is_null()) {
        settle_tags(over);
        base = std::move(over);
        return;
    }
    merge_value(base, std::move(over), kProjectShape, NodePath{}, diagnostics);
}

}  // namespace davit::compose
