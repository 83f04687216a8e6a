#include "compose/canonical.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/node_access.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

namespace davit::compose {

std::string NodePath::text() const {
    if (parent == nullptr) return {};
    const std::string above = parent->text();
    if (index != kNoIndex) return fmt::format("{}[{}]", above, index);
    return above.empty() ? std::string(key) : fmt::format("{}.{}", above, key);
}

const Attribute* find_attribute(const Shape& shape, std::string_view key) {
    if (key.empty()) return nullptr;
    for (const Attribute& attribute : shape.attributes) {
        // Most rows differ in the first letter, and a file has thousands of keys.
        if (attribute.name[0] == key.front() && key == attribute.name) return &attribute;
    }
    return nullptr;
}

const Shape& shape_of_entry(const Shape& shape, std::string_view key) {
    static const Shape kFree;
    if (shape.form == Form::Table && shape.element != nullptr) return *shape.element;
    const Attribute* attribute = find_attribute(shape, key);
    return attribute != nullptr ? *attribute->shape : kFree;
}

const Shape& shape_of_item(const Shape& shape) {
    static const Shape kFree;
    return shape.form == Form::List && shape.element != nullptr ? *shape.element : kFree;
}

std::string name_of_mapping(const Shape& shape, const NodePath& path) {
    if (path.parent == nullptr) return "the compose file";
    if (shape.what != nullptr) return fmt::format("{} '{}'", shape.what, printable(path.key));
    if (path.index == NodePath::kNoIndex) return fmt::format("'{}'", printable(path.key));
    return fmt::format("'{}'", path.text());
}

bool Canonicalizer::keeps(const Node& scalar) const {
    return !context_.interpolated && scalar.is_scalar() &&
           scalar.text.find('$') != std::string::npos;
}

bool Canonicalizer::refuse(Node& node, std::string message, std::string help) {
    context_.diagnostics.error(std::move(message), place_of_item(node), std::move(help));
    node.kind = NodeKind::Null;
    node.items.clear();
    node.refused = true;
    return false;
}

bool Canonicalizer::refuse_type(Node& node, const NodePath& path, std::string_view expected,
                                std::string help) {
    if (node.refused) return false;  // that is said already
    return refuse(node,
                  fmt::format("'{}' must be {}, found {}", path.text(), expected, describe(node)),
                  std::move(help));
}

bool Canonicalizer::refuse_value(Node& node, const NodePath& path, std::string_view problem,
                                 std::string help) {
    return refuse(node, fmt::format("'{}': {}", path.text(), problem), std::move(help));
}

void Canonicalizer::warn(const Node& node, std::string message, std::string help) {
    context_.diagnostics.warning(std::move(message), node.place(), std::move(help));
}

bool Canonicalizer::count_ports(int count) {
    constexpr int kMost = 65536;
    ports_ += count;
    return ports_ <= kMost;
}

std::string Canonicalizer::host_path(const std::string& path, const Node& node) {
    if (!context_.resolve_paths || path.empty()) return path;
    if (path.size() > 2 && path[1] == ':' && path[2] == '\\') return path;  // of Windows
    if (!path.starts_with('~'))
        return path.starts_with('/') ? path : clean_path(join_path(context_.directory, path));
    if (path.size() > 1 && path[1] != '/')
        warn(node,
             fmt::format("'{}' is taken for '{}' in your own home folder", path, path.substr(1)),
             "write the folder of another user out; '~/…' is yours");
    const auto home = context_.environment.find("HOME");
    if (home == context_.environment.end() || home->second.empty()) {
        warn(node, fmt::format("'{}' needs a home folder, and HOME is not set", path),
             "set HOME, or write the folder out");
        return path;
    }
    return clean_path(join_path(home->second, "./" + path.substr(1)));
}

void Canonicalizer::walk(Node& node, const Shape& shape, const NodePath& path) {
    if (node.tag == "!reset") return;           // its value means nothing
    if (node.is_null() || keeps(node)) return;  // nulls are judged when all files are merged
    if (shape.rewrite != nullptr && !shape.rewrite(*this, node, path)) return;
    switch (shape.form) {
        case Form::Any: break;
        case Form::Mapping: mapping(node, shape, path); break;
        case Form::Table: table(node, shape, path); break;
        case Form::List: list(node, shape, path); break;
        default: scalar(node, shape, path); break;
    }
}

void Canonicalizer::mapping(Node& node, const Shape& shape, const NodePath& path) {
    if (!node.is_mapping()) {
        refuse_type(node, path, shape.expected != nullptr ? shape.expected : "a mapping");
        return;
    }
    for (Node& entry : node.items) {
        const Attribute* known = find_attribute(shape, entry.key);
        if (known != nullptr)
            walk(entry, *known->shape, path.entry(entry.key));
        else if (!entry.key.starts_with("x-") && !shape.open && entry.tag != "!reset")
            unknown_key(entry, shape, path);
    }
}

void Canonicalizer::unknown_key(Node& entry, const Shape& shape, const NodePath& path) {
    std::vector<std::string> known;
    for (const Attribute& attribute : shape.attributes) known.emplace_back(attribute.name);
    const std::optional<std::string> meant = nearest(entry.key, known);
    context_.diagnostics.error(
        fmt::format("unknown key '{}' in {}", printable(entry.key), name_of_mapping(shape, path)),
        entry.key_pos,
        meant ? fmt::format("the nearest key is '{}'", *meant)
              : "take it out, or begin its name with 'x-' where it is an extension");
    entry.kind = NodeKind::Null;
    entry.items.clear();
    entry.refused = true;
}

namespace {

/// @source compose-spec.json, the pattern of services, networks, volumes, configs and secrets
bool is_table_name(std::string_view name) {
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    constexpr std::size_t kLongest = 255;  // of a file's name, NAME_MAX
    return !name.empty() && name.find_first_not_of(kAllowed) == std::string_view::npos &&
           name.size() <= kLongest && name != "." && name != "..";
}

}  // namespace

void Canonicalizer::table(Node& node, const Shape& shape, const NodePath& path) {
    if (!node.is_mapping()) {
        refuse_type(node, path, shape.expected != nullptr ? shape.expected : "a mapping");
        return;
    }
    for (Node& entry : node.items) {
        if (shape.table_names && !is_table_name(entry.key))
            context_.diagnostics.error(
                fmt::format("'{}' can't be the name of a {}", printable(entry.key),
                            shape.element->what != nullptr ? shape.element->what : "resource"),
                entry.key_pos, "use letters, digits, '.', '_' and '-' only");
        walk(entry, *shape.element, path.entry(entry.key));
    }
}

void Canonicalizer::list(Node& node, const Shape& shape, const NodePath& path) {
    if (!node.is_list()) {
        refuse_type(node, path, shape.expected != nullptr ? shape.expected : "a list",
                    "write each item on a line of its own, after '- '");
        return;
    }
    std::erase_if(node.items, [](const Node& item) { return item.tag == "!reset"; });
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (node.items[i].is_null() && !node.items[i].refused)
            refuse_type(node.items[i], path.item(i), "a value");
        walk(node.items[i], *shape.element, path.item(i));
    }
    std::erase_if(node.items, [](const Node& item) { return item.refused; });
    if (shape.identity != nullptr) keep_last_of_each(node, shape.identity);
}

void keep_last_of_each(Node& list, std::string (*identity)(const Node&)) {
    std::unordered_map<std::string, std::size_t> index;
    std::vector<Node> kept;
    for (Node& item : list.items) {
        const auto [at, fresh] = index.emplace(identity(item), kept.size());
        if (fresh)
            kept.push_back(std::move(item));
        else
            kept[at->second] = std::move(item);
    }
    list.items = std::move(kept);
}

namespace {

class Completeness {
public:
    explicit Completeness(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

    void check(Node& node, const Shape& shape, const NodePath& path) {
        if (node.is_null()) {
            if (!shape.nullable && !node.refused && shape.form != Form::Any)
                refuse(node,
                       fmt::format("'{}' must be {}, found nothing", path.text(), expected(shape)));
            return;
        }
        if (shape.form == Form::List) {
            for (std::size_t i = 0; i < node.items.size(); ++i)
                check(node.items[i], *shape.element, path.item(i));
            if (shape.unique) check_unique(node, path);
        } else if (shape.form == Form::Mapping || shape.form == Form::Table) {
            for (Node& entry : node.items)
                check(entry, shape_of_entry(shape, entry.key), path.entry(entry.key));
            check_required(node, shape, path);
        }
    }

private:
    static std::string_view expected(const Shape& shape) {
        if (shape.expected != nullptr) return shape.expected;
        switch (shape.form) {
            case Form::Boolean: return "true or false";
            case Form::Integer: return "a whole number";
            case Form::Number: return "a number";
            case Form::Bytes: return "a size";
            case Form::Duration: return "a duration";
            case Form::List: return "a list";
            case Form::Mapping:
            case Form::Table: return "a mapping";
            default: return "a string";
        }
    }

    void refuse(Node& node, std::string message) {
        diagnostics_.error(std::move(message), node.place(), {});
        node.refused = true;
    }

    void check_required(Node& node, const Shape& shape, const NodePath& path) {
        if (!node.is_mapping()) return;
        for (const Attribute& attribute : shape.attributes) {
            if (!attribute.required || node.find(attribute.name) != nullptr) continue;
            // A misspelt key is one mistake.
            if (std::any_of(node.items.begin(), node.items.end(), [&](const Node& entry) {
                    return entry.refused && nearest(entry.key, {attribute.name});
                }))
                continue;
            const bool item = path.index != NodePath::kNoIndex && !node.items.empty();
            diagnostics_.error(fmt::format("'{}' has no '{}'", path.text(), attribute.name),
                               item           ? node.items.front().key_pos
                               : node.key_pos ? node.key_pos
                                              : node.pos,
                               fmt::format("add '{}: …'", attribute.name));
        }
    }

    void check_unique(Node& list, const NodePath& path) {
        std::unordered_map<std::string_view, const Node*> seen;
        for (std::size_t i = 0; i < list.items.size(); ++i) {
            const Node& item = list.items[i];
            if (!item.is_scalar()) continue;
            const auto [first, fresh] = seen.emplace(item.text, &item);
            if (fresh) continue;
            diagnostics_.add(
                {Severity::Error,
                 fmt::format("'{}' stands in '{}' twice", printable(item.text), path.text()),
                 item.place(),
                 "keep one of the two",
                 {{"the first one", first->second->place()}}});
        }
    }

    Diagnostics& diagnostics_;
};

}  // namespace

void check_complete(Node& document, Diagnostics& diagnostics) {
    Completeness(diagnostics).check(document, kProjectShape, NodePath{});
}

}  // namespace davit::compose
