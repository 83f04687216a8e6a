#include "compose/short_forms.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/node_access.h"
#include "compose/shell_words.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace davit::compose {
namespace {

bool is_text(const Node& node) {
    return node.is_scalar() && scalar_type(node) == ScalarType::String;
}

/// `node` as the only item of a list.
void wrap(Node& node) {
    Node list = list_node(node);
    Node item = node;
    item.key.clear();
    item.key_pos = {};
    item.tag.clear();
    list.items.push_back(std::move(item));
    node.become(std::move(list));
}

/// Writes a list of NAME=value as a mapping. False where it was refused as a whole.
bool key_values(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_mapping()) {
        for (Node& entry : node.items) {
            if (entry.is_list() || entry.is_mapping())
                canonicalizer.refuse_type(entry, path.entry(entry.key), "a single value");
        }
        return true;
    }
    if (!node.is_list()) return canonicalizer.refuse_type(node, path, "a mapping or a list");
    Node table = mapping_node(node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (item.tag == "!reset") continue;
        if (!is_text(item)) {
            std::string help;
            if (item.is_scalar()) help = fmt::format("write it in quotes: \"{}\"", item.text);
            canonicalizer.refuse_type(item, path.item(i), "a string", std::move(help));
            continue;
        }
        const std::size_t equals = item.text.find('=');
        std::string name = item.text.substr(0, equals);
        if (name.empty()) {
            canonicalizer.refuse(
                item, fmt::format("'{}' has no name before its '='", path.item(i).text()),
                "write NAME=value");
            continue;
        }
        if (name.back() == ' ' || name.back() == '\t') {
            canonicalizer.refuse(
                item, fmt::format("the name in '{}' ends with a blank", path.item(i).text()),
                "write NAME=value");
            continue;
        }
        Node value = item;
        value.key_pos = item.pos;
        value.is_string = true;
        if (equals == std::string::npos)
            value.kind = NodeKind::Null;
        else
            value.text.erase(0, equals + 1);
        table.put(std::move(name), std::move(value));
    }
    node.become(std::move(table));
    return true;
}

void refuse_repeat(Canonicalizer& canonicalizer, Node& item, const NodePath& path) {
    canonicalizer.refuse(
        item, fmt::format("'{}' stands in '{}' twice", printable(item.text), path.text()),
        "keep one of the two");
}

/// Writes a list of names as a mapping, each to what `entry_of` makes of it. False where it was
/// refused as a whole.
template <typename EntryOf>
bool names_as_table(Canonicalizer& canonicalizer, Node& node, const NodePath& path,
                    const EntryOf& entry_of) {
    if (node.is_mapping()) return true;
    if (!node.is_list()) return canonicalizer.refuse_type(node, path, "a list or a mapping");
    Node table = mapping_node(node);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (item.tag == "!reset") continue;
        if (!is_text(item)) {
            canonicalizer.refuse_type(item, path.item(i), "a string");
        } else if (table.find(item.text) != nullptr) {
            refuse_repeat(canonicalizer, item, path);
        } else {
            Node entry = entry_of(item);
            entry.key_pos = item.pos;
            table.put(item.text, std::move(entry));
        }
    }
    node.become(std::move(table));
    return true;
}

/// A context that is no folder: a URL, an image, a service. @source compose-go paths/context.go
bool is_remote(std::string_view context) {
    constexpr std::array<std::string_view, 7> kPrefixes = {
        "https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"};
    return context.find("://") != std::string_view::npos ||
           std::any_of(kPrefixes.begin(), kPrefixes.end(),
                       [&](std::string_view prefix) { return context.starts_with(prefix); });
}

}  // namespace

bool rewrite_key_values(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    return key_values(canonicalizer, node, path);
}

bool rewrite_labels(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    return key_values(canonicalizer, node, path);
}

bool rewrite_environment(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    const bool was_list = node.is_list();
    if (!key_values(canonicalizer, node, path)) return false;
    for (Node& entry : node.items) {
        if (entry.key.empty())
            canonicalizer.refuse(entry, fmt::format("a name in '{}' is empty", path.text()),
                                 "write NAME: value");
    }
    if (!was_list || !canonicalizer.context().interpolated) return true;
    // An included file may have an environment of its own, which must be asked now.
    for (Node& entry : node.items) {
        if (!entry.is_null() || entry.refused) continue;
        const auto found = canonicalizer.context().environment.find(entry.key);
        if (found == canonicalizer.context().environment.end()) continue;
        Node value = string_node(found->second, entry);
        entry.become(std::move(value));
    }
    return true;
}

bool rewrite_contexts(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!key_values(canonicalizer, node, path)) return false;
    for (Node& entry : node.items) {
        if (entry.is_scalar() && !is_remote(entry.text) && !canonicalizer.keeps(entry))
            entry.text = canonicalizer.host_path(entry.text, entry);
    }
    return true;
}

bool rewrite_one_as_list(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_list()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a list");
    wrap(node);
    return true;
}

bool rewrite_command(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_list()) return true;
    if (!is_text(node)) {
        std::string help;
        if (node.is_scalar()) help = fmt::format("write it in quotes: \"{}\"", node.text);
        return canonicalizer.refuse_type(node, path, "a string or a list", std::move(help));
    }
    if (!canonicalizer.context().interpolated) return false;  // as it stands
    Result<ShellWords> split = shell_words(node.text);
    if (!split)
        return canonicalizer.refuse_value(node, path, split.error().to_string(),
                                          split.error().help());
    if (!split->dropped.empty())
        canonicalizer.warn(node,
                           fmt::format("'{}' needs a shell, none runs this line, and it is dropped",
                                       printable(split->dropped)),
                           "write [\"sh\", \"-c\", \"…\"], or put the character in quotes");
    Node list = list_node(node);
    for (std::string& word : split->words) list.items.push_back(string_node(std::move(word), node));
    node.become(std::move(list));
    return true;
}

bool rewrite_host_path(Canonicalizer& canonicalizer, Node& node, const NodePath& /*path*/) {
    if (is_text(node)) node.text = canonicalizer.host_path(node.text, node);
    return true;
}

bool rewrite_build_context(Canonicalizer& canonicalizer, Node& node, const NodePath& /*path*/) {
    if (is_text(node) && !is_remote(node.text))
        node.text = canonicalizer.host_path(node.text, node);
    return true;
}

bool rewrite_build(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_scalar()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    Node build = mapping_node(node);
    build.put("context", string_node(node.text, node));
    node.become(std::move(build));
    return true;
}

bool rewrite_ssh(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!key_values(canonicalizer, node, path)) return false;
    Node list = list_node(node);
    for (const Node& entry : node.items) {
        if (entry.refused) continue;
        const bool bare = entry.is_null() || entry.text.empty();
        list.items.push_back(string_node(
            bare ? entry.key
                 : fmt::format("{}={}", entry.key, canonicalizer.host_path(entry.text, entry)),
            entry));
    }
    node.become(std::move(list));
    return true;
}

bool rewrite_scalar_as_list(Canonicalizer& /*canonicalizer*/, Node& node,
                            const NodePath& /*path*/) {
    if (node.is_scalar()) wrap(node);
    return true;
}

bool rewrite_test(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_list()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a list");
    const Node shell = string_node("CMD-SHELL", node);
    wrap(node);
    node.items.insert(node.items.begin(), shell);
    return true;
}

bool rewrite_dependencies(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    return names_as_table(canonicalizer, node, path, [](const Node& item) {
        Node entry = mapping_node(item);
        entry.tag = item.tag;
        entry.put("condition", string_node("service_started", item));
        entry.put("required", plain_node("true", item));
        return entry;
    });
}

bool rewrite_name_table(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    return names_as_table(canonicalizer, node, path, [](const Node& item) {
        Node entry;
        entry.pos = item.pos;
        return entry;
    });
}

bool rewrite_env_files(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_scalar() && is_text(node)) wrap(node);
    if (!node.is_list()) return canonicalizer.refuse_type(node, path, "a string or a list");
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Node& item = node.items[i];
        if (!item.is_scalar()) continue;
        if (!is_text(item)) {
            canonicalizer.refuse_type(item, path.item(i), "a string");
            continue;
        }
        Node file = mapping_node(item);
        file.put("path", string_node(item.text, item));
        item.become(std::move(file));
    }
    return true;
}

bool rewrite_extends(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_mapping()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    Node extends = mapping_node(node);
    extends.put("service", string_node(node.text, node));
    node.become(std::move(extends));
    return true;
}

bool rewrite_gpus(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_scalar()) return true;
    if (node.text != "all")
        return canonicalizer.refuse_value(node, path,
                                          fmt::format("there is no '{}'", printable(node.text)),
                                          "write 'all', or a list of devices");
    Node list = list_node(node);
    Node device = mapping_node(node);
    device.put("count", plain_node("-1", node));
    list.items.push_back(std::move(device));
    node.become(std::move(list));
    return true;
}

bool rewrite_count(Canonicalizer& /*canonicalizer*/, Node& node, const NodePath& /*path*/) {
    if (node.is_scalar() && node.text == "all") {
        node.text = "-1";
        node.is_string = false;
    }
    return true;
}

bool rewrite_device(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_mapping()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    const std::vector<std::string> parts = split(node.text, ':');
    if (parts.size() > 3)
        return canonicalizer.refuse_value(
            node, path, fmt::format("'{}' has more than three parts", printable(node.text)),
            "write it as /dev/HOST:/dev/CONTAINER:rwm");
    const Node permissions = string_node(parts.size() > 2 ? parts[2] : "rwm", node);
    Node device = mapping_node(node);
    device.put("source", string_node(parts[0], node));
    // A device of the Container Device Interface, vendor/class=name, is the same inside.
    device.put("target", string_node(parts.size() > 1 ? parts[1] : parts[0], node));
    device.put("permissions", permissions);
    node.become(std::move(device));
    return true;
}

bool rewrite_file_reference(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_mapping()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    Node reference = mapping_node(node);
    reference.put("source", string_node(node.text, node));
    node.become(std::move(reference));
    return true;
}

bool rewrite_external(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_mapping()) return true;
    Node* external = node.find("external");
    if (external == nullptr || !external->is_mapping()) return true;
    const std::string inner = text_at(*external, "name");
    const std::string outer = text_at(node, "name");
    if (!inner.empty() && !outer.empty() && inner != outer)
        return canonicalizer.refuse_value(*external, path, "it has two different names",
                                          "keep 'name', and write 'external: true'");
    canonicalizer.warn(*external, fmt::format("'{}.external.name' is deprecated", path.text()),
                       "write 'external: true' and 'name: …' beside it");
    const Node like = *external;
    external->become(plain_node("true", like));
    if (!inner.empty()) node.put("name", string_node(inner, like));
    return true;
}

bool rewrite_local_volume(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!rewrite_external(canonicalizer, node, path)) return false;
    Node* options = node.find("driver_opts");
    if (options == nullptr || text_at(node, "driver") != "local" ||
        text_at(*options, "o") != "bind")
        return true;
    if (Node* device = options->find("device"); device != nullptr && device->is_scalar())
        device->text = canonicalizer.host_path(device->text, *device);
    return true;
}

bool rewrite_include(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_mapping()) return true;
    if (!is_text(node)) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    Node include = mapping_node(node);
    include.put("path", string_node(node.text, node));
    node.become(std::move(include));
    return true;
}

bool rewrite_ulimit(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!node.is_scalar()) return true;
    const auto number = parse_integer(canonical_text(node));
    if (!number) return canonicalizer.refuse_type(node, path, "a whole number or a mapping");
    node.text = fmt::format("{}", *number);
    node.is_string = false;
    return false;  // done: a number is no mapping, and stays one
}

bool rewrite_true_or_text(Canonicalizer& /*canonicalizer*/, Node& node, const NodePath& /*path*/) {
    if (node.is_scalar()) {
        node.text = canonical_text(node);
        node.is_string = true;
    }
    return true;
}

/// @source compose-spec.json, services.*.pull_policy
bool rewrite_pull_policy(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!is_text(node)) return true;
    constexpr std::array<std::string_view, 7> kWords = {
        "always", "never", "build", "if_not_present", "missing", "daily", "weekly"};
    const bool known = std::find(kWords.begin(), kWords.end(), node.text) != kWords.end();
    const bool periodic = node.text.starts_with("every_") &&
                          node.text.find_first_of("0123456789") == 6 &&
                          node.text.find_last_of("wdhms") == node.text.size() - 1;
    if (!known && !periodic && node.text != "refresh")
        return canonicalizer.refuse_value(
            node, path, fmt::format("there is no pull policy '{}'", printable(node.text)),
            "use 'always', 'missing', 'never', 'build', 'daily', 'weekly' or 'every_12h'");
    if (node.text == "if_not_present") node.text = "missing";
    return true;
}

bool rewrite_version(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (!is_text(node))
        return canonicalizer.refuse_type(node, path, "a string",
                                         node.is_scalar()
                                             ? fmt::format("write it in quotes: \"{}\"", node.text)
                                             : std::string());
    canonicalizer.context().diagnostics.warning("the key 'version' is obsolete and means nothing",
                                                node.key_pos, "take it out");
    return true;
}

std::string identity_text(const Node& node) { return node.text; }

std::string identity_name(const Node& node) { return node.text.substr(0, node.text.find('=')); }

std::string identity_target(const Node& node) {
    const std::string target = text_at(node, "target");
    return target.empty() ? "/" + text_at(node, "source") : target;
}

std::string identity_secret(const Node& node) {
    const std::string target = text_at(node, "target");
    return target.empty() ? "/run/secrets/" + text_at(node, "source") : target;
}

std::string identity_mount(const Node& node) {
    return node.is_mapping() ? clean_path(text_at(node, "target")) : node.text;
}

std::string identity_path(const Node& node) { return text_at(node, "path"); }
std::string identity_subnet(const Node& node) { return text_at(node, "subnet"); }

std::string identity_port(const Node& node) {
    if (!node.is_mapping()) return node.text;
    const auto text = [&](std::string_view key, const char* otherwise) {
        std::string value = text_at(node, key);
        return value.empty() ? std::string(otherwise) : value;
    };
    return fmt::format("{}:{}:{}/{}", text("host_ip", "0.0.0.0"), text("published", ""),
                       text("target", ""), text("protocol", "tcp"));
}

}  // namespace davit::compose
