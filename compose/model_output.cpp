#include "compose/model_output.h"

#include "base/json.h"
#include "base/strings.h"
#include "compose/shape.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace davit::compose {
namespace {

/// The order of the top level; everything below is sorted by name.
constexpr std::array<std::string_view, 7> kTopOrder = {"name",    "services", "networks", "volumes",
                                                       "configs", "secrets",  "models"};

std::size_t top_rank(std::string_view key) {
    const auto* const at = std::find(kTopOrder.begin(), kTopOrder.end(), key);
    return static_cast<std::size_t>(at - kTopOrder.begin());
}

/// Whether an entry says the same as no entry at all.
bool is_empty(const Node& node) {
    if (node.is_null()) return true;
    if (!node.is_scalar()) return node.items.empty();
    return node.text.empty() || (!node.is_string && (node.text == "false" || node.text == "0")) ||
           (node.is_string && node.text == "0s");
}

struct Style {
    bool json = false;
    bool escape = true;    ///< `$` is written as `$$`.
    bool defaults = true;  ///< Print what Docker Compose prints also where it is absent.
};

/// Stands for an attribute that is printed although it is absent.
const Node& absent(const Attribute& attribute) {
    static const std::map<std::string, Node> kNodes = [] {
        std::map<std::string, Node> nodes;
        for (const char* name : {"command", "entrypoint"}) nodes[name].key = name;
        for (const char* name : {"ipam", "resources", "placement", "exec"}) {
            nodes[name].key = name;
            nodes[name].kind = NodeKind::Mapping;
        }
        return nodes;
    }();
    return kNodes.at(attribute.name);
}

/// What is printed of the entries of a mapping, in order.
std::vector<const Node*> printed(const Node& node, const Shape& shape, bool top,
                                 const Style& style) {
    std::vector<const Node*> entries;
    for (const Attribute& attribute : shape.attributes)
        if (attribute.always && style.defaults && node.find(attribute.name) == nullptr)
            entries.push_back(&absent(attribute));
    const auto hidden = [&](const Node& entry) {
        return style.json && std::any_of(shape.attributes.begin(), shape.attributes.end(),
                                         [&](const Attribute& attribute) {
                                             return attribute.hidden && entry.key == attribute.name;
                                         });
    };
    for (const Node& entry : node.items) {
        if (entry.refused || hidden(entry)) continue;
        if (shape.form == Form::Mapping && !top && style.json && entry.key.starts_with("x-"))
            continue;
        const Shape& inner = shape_of_entry(shape, entry.key);
        if (shape.form == Form::Mapping && !inner.keep_empty && is_empty(entry) &&
            !entry.key.starts_with("x-"))
            continue;
        if (entry.key == "version" && top) continue;
        entries.push_back(&entry);
    }
    std::stable_sort(entries.begin(), entries.end(), [&](const Node* one, const Node* other) {
        if (top && top_rank(one->key) != top_rank(other->key))
            return top_rank(one->key) < top_rank(other->key);
        return one->key < other->key;
    });
    return entries;
}

std::string doubled(const std::string& text, bool escape) {
    if (!escape || text.find('$') == std::string::npos) return text;
    std::string out;
    for (const char c : text) {
        out += c;
        if (c == '$') out += '$';
    }
    return out;
}

/// JSON can't hold every number that YAML can: what it can't is text.
Json scalar_json(const Node& node, bool escape) {
    switch (scalar_type(node)) {
        case ScalarType::Null: return nullptr;
        case ScalarType::Boolean: return canonical_text(node) == "true";
        case ScalarType::Integer:
            if (const auto number = parse_integer(canonical_text(node))) return *number;
            break;
        case ScalarType::Float: {
            double value = 0;
            const std::string text = canonical_text(node);
            const auto [stop, code] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (code == std::errc() && stop == text.data() + text.size()) return value;
            break;
        }
        case ScalarType::String: break;
    }
    return doubled(node.text, escape);
}

std::string capitalised(std::string key) {
    key.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(key.front())));
    return key;
}

/// The items of a list as they are printed.
std::vector<const Node*> printed_items(const Node& node, const Shape& shape) {
    std::vector<const Node*> items;
    for (const Node& item : node.items) items.push_back(&item);
    if (shape.sorted)
        std::stable_sort(items.begin(), items.end(), [](const Node* one, const Node* other) {
            return one->text < other->text;
        });
    return items;
}

Json to_json(const Node& node, const Shape& shape, const Style& style, bool top) {
    if (node.is_null()) return shape.null_is_empty ? Json("") : Json(nullptr);
    if (node.is_scalar()) return scalar_json(node, style.escape);
    if (node.is_list()) {
        Json list = Json::array();
        for (const Node* item : printed_items(node, shape))
            list.push_back(to_json(*item, shape_of_item(shape), style, false));
        return list;
    }
    Json object = Json::object();
    for (const Node* entry : printed(node, shape, top, style)) {
        const std::string key = entry->key;
        object[shape.capitals ? capitalised(key) : key] =
            to_json(*entry, shape_of_entry(shape, entry->key), style, false);
    }
    if (top && !object.contains("services")) object["services"] = Json::object();
    return object;
}

// YAML: only what is needed to be read again as the same thing.

/// Whether the text may stand without quotes, for every reader of YAML 1.1 and 1.2.
bool is_plain(const std::string& text) {
    Node node;
    node.kind = NodeKind::Scalar;
    node.text = text;
    if (text.empty() || scalar_type(node) != ScalarType::String) return false;
    constexpr std::string_view kFirst =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.$(0123456789";
    constexpr std::string_view kRest =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.:$@+=,() ;~^*%<>";
    if (kFirst.find(text.front()) == std::string_view::npos ||
        text.find_first_not_of(kRest) != std::string::npos)
        return false;
    if (text.back() == ' ' || text.back() == ':' || text.find(": ") != std::string::npos)
        return false;
    constexpr std::array<std::string_view, 8> kWords = {"yes", "no", "on", "off",
                                                        "y",   "n",  "=",  "null"};
    if (std::find(kWords.begin(), kWords.end(), lowered(text)) != kWords.end()) return false;
    // 12:30:45 and 2001-01-01 are numbers to YAML 1.1.
    return text.find_first_not_of("0123456789:.-_+eE ") != std::string::npos;
}

std::string yaml_text(const std::string& text) {
    if (is_plain(text)) return text;
    std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    // JSON lets DEL stand, YAML doesn't.
    for (std::size_t at = quoted.find('\x7f'); at != std::string::npos;
         at = quoted.find('\x7f', at))
        quoted.replace(at, 1, "\\u007f");
    return quoted;
}

class YamlWriter {
public:
    explicit YamlWriter(const Style& style) : style_(style) {}

    /// `depth` is that of the entries of `node`.
    void write(const Node& node, const Shape& shape, std::size_t depth, bool top);
    std::string take() { return std::move(out_); }

private:
    void value(const Node& node, const Shape& shape, std::size_t depth);
    void list(const Node& node, const Shape& shape, std::size_t depth);
    void indent(std::size_t depth) { out_.append(depth * 2, ' '); }

    Style style_;
    std::string out_;
};

/// What stands behind "key:" or "-".
void YamlWriter::value(const Node& node, const Shape& shape, std::size_t depth) {
    if (node.is_null()) {
        out_ += shape.null_is_empty ? " \"\"\n" : " null\n";
    } else if (node.is_scalar()) {
        const bool string = scalar_type(node) == ScalarType::String;
        out_ += " " +
                (string ? yaml_text(doubled(node.text, style_.escape)) : canonical_text(node)) +
                "\n";
    } else if (node.items.empty()) {
        out_ += node.is_list() ? " []\n" : " {}\n";
    } else if (node.is_list()) {
        out_ += "\n";
        list(node, shape, depth);
    } else {
        const std::size_t before = out_.size();
        out_ += "\n";
        write(node, shape, depth, false);
        if (out_.size() == before + 1) out_.replace(before, 1, " {}\n");
    }
}

void YamlWriter::list(const Node& node, const Shape& shape, std::size_t depth) {
    for (const Node* each : printed_items(node, shape)) {
        const Node& item = *each;
        indent(depth);
        out_ += "-";
        if (!item.is_mapping() || item.items.empty()) {
            value(item, shape_of_item(shape), depth + 1);
            continue;
        }
        // The first key stands beside the dash.
        const std::size_t before = out_.size();
        write(item, shape_of_item(shape), depth + 1, false);
        if (out_.size() == before)
            out_ += " {}\n";
        else
            out_.replace(before, depth * 2 + 2, " ");
    }
}

void YamlWriter::write(const Node& node, const Shape& shape, std::size_t depth, bool top) {
    for (const Node* entry : printed(node, shape, top, style_)) {
        indent(depth);
        out_ += yaml_text(entry->key) + ":";
        value(*entry, shape_of_entry(shape, entry->key), depth + 1);
    }
}

/// The value at `path` and its shape.
const Node* descend(const Node& model, std::string_view path, const Shape*& shape) {
    const Node* node = &model;
    shape = &kProjectShape;
    while (!path.empty()) {
        if (path.front() == '.') path.remove_prefix(1);
        if (path.starts_with('[')) {
            const std::size_t end = path.find(']');
            const auto index =
                parse_integer(path.substr(1, end == std::string_view::npos ? 0 : end - 1));
            if (end == std::string_view::npos || !index || *index < 0 || !node->is_list() ||
                static_cast<std::size_t>(*index) >= node->items.size())
                return nullptr;
            shape = &shape_of_item(*shape);
            node = &node->items[static_cast<std::size_t>(*index)];
            path.remove_prefix(end + 1);
            continue;
        }
        // Names may have dots in them: the longest key that fits.
        const Node* next = nullptr;
        for (const Node& entry : node->items) {
            const bool ends = path.size() == entry.key.size() ||
                              (path.size() > entry.key.size() &&
                               (path[entry.key.size()] == '.' || path[entry.key.size()] == '['));
            if (node->is_mapping() && path.starts_with(entry.key) && ends &&
                (next == nullptr || entry.key.size() > next->key.size()))
                next = &entry;
        }
        if (next == nullptr) return nullptr;
        shape = &shape_of_entry(*shape, next->key);
        node = next;
        path.remove_prefix(next->key.size());
    }
    return node;
}

void explain(const Node& node, const Shape& shape, const std::string& path, std::string& out) {
    if (node.is_scalar() || node.is_null() || node.items.empty()) {
        std::string text = node.is_list() ? "[]" : node.is_mapping() ? "{}" : "null";
        if (node.is_scalar())
            text = scalar_type(node) == ScalarType::String ? yaml_text(node.text)
                                                           : canonical_text(node);
        const SourcePos& where = node.pos ? node.pos : node.key_pos;
        out += fmt::format("{}: {}\n    {}\n", path, text,
                           where ? to_string(where) : std::string("by default"));
        return;
    }
    if (node.is_list()) {
        for (std::size_t i = 0; i < node.items.size(); ++i)
            explain(node.items[i], shape_of_item(shape), fmt::format("{}[{}]", path, i), out);
        return;
    }
    for (const Node* entry : printed(node, shape, path.empty(), Style{false, false, false}))
        explain(*entry, shape_of_entry(shape, entry->key),
                path.empty() ? entry->key : fmt::format("{}.{}", path, entry->key), out);
}

}  // namespace

const Node* find_path(const Node& model, std::string_view path) {
    const Shape* shape = nullptr;
    return descend(model, path, shape);
}

std::string explain_value(const Node& model, const std::string& path) {
    const Shape* shape = nullptr;
    const Node* node = descend(model, path, shape);
    std::string out;
    if (node != nullptr) explain(*node, *shape, path, out);
    return out;
}

std::string model_as_yaml(const Node& model, bool interpolated) {
    YamlWriter writer({false, interpolated, false});
    writer.write(model, kProjectShape, 0, true);
    return writer.take();
}

std::string model_as_json(const Node& model, bool interpolated) {
    return to_json(model, kProjectShape, {true, interpolated, interpolated}, true)
               .dump(2, ' ', false, Json::error_handler_t::replace) +
           "\n";
}

}  // namespace davit::compose
