#include "base/file.h"
#include "base/strings.h"
#include "compose/short_forms.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>

// [SOURCE:]TARGET[:OPTIONS] and the long form.
// @source Compose spec 05-services.md#volumes; compose-go format/volume.go
namespace davit::compose {
namespace {

/// A single letter before a colon is a drive of Windows, in every file of the world.
bool is_drive(std::string_view part) {
    return part.size() == 1 && std::isalpha(static_cast<unsigned char>(part.front())) != 0;
}

/// Whether a source of the short form is a path on the host and not the name of a volume.
bool is_host_path(std::string_view source) {
    return source.starts_with('.') || source.starts_with('/') || source.starts_with('~') ||
           source.starts_with("\\\\") ||
           (source.size() > 1 && source[1] == ':' && is_drive(source.substr(0, 1)));
}

/// The parts between colons; a drive's colon and those of a variable don't part.
std::vector<std::string> split_spec(std::string_view text) {
    std::vector<std::string> parts(1);
    std::size_t depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') ++depth;
        if (text[i] == '}' && depth > 0) --depth;
        if (text[i] == ':' && depth == 0 && !is_drive(parts.back()))
            parts.emplace_back();
        else
            parts.back() += text[i];
    }
    return parts;
}

void apply_options(Canonicalizer& canonicalizer, const Node& node, std::string_view options,
                   Node& mount, Node& bind) {
    constexpr std::array<std::string_view, 6> kPropagations = {"private", "rprivate", "shared",
                                                               "rshared", "slave",    "rslave"};
    constexpr std::array<std::string_view, 4> kForMacs = {"cached", "delegated", "consistent", ""};
    for (const std::string& option : split(options, ',')) {
        const auto is_in = [&](const auto& words) {
            return std::find(words.begin(), words.end(), option) != words.end();
        };
        if (option == "ro" || option == "rw") {
            mount.put("read_only", plain_node(option == "ro" ? "true" : "false", node));
        } else if (option == "nocopy") {
            Node volume = mapping_node(node);
            volume.put("nocopy", plain_node("true", node));
            mount.put("volume", std::move(volume));
        } else if (option == "z" || option == "Z") {
            bind.put("selinux", string_node(option, node));
        } else if (is_in(kPropagations)) {
            bind.put("propagation", string_node(option, node));
        } else if (!is_in(kForMacs)) {
            canonicalizer.warn(
                node,
                fmt::format("the mount option '{}' is unknown and ignored", printable(option)),
                "the options are 'ro', 'rw', 'z', 'Z' and 'nocopy'");
        }
    }
}

bool short_form(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (scalar_type(node) != ScalarType::String)
        return canonicalizer.refuse_type(node, path, "a string or a mapping");
    if (node.text.empty())
        return canonicalizer.refuse(node, fmt::format("'{}' is empty", path.text()),
                                    "write it as ./folder:/path or name:/path, then ':ro'");
    const Node like = node;
    Node mount = mapping_node(like);
    const std::vector<std::string> parts =
        node.text.size() <= 2 ? std::vector<std::string>{node.text} : split_spec(node.text);
    const bool empty = std::find(parts.begin(), parts.end(), std::string()) != parts.end();
    if (empty || parts.size() > 3)
        return canonicalizer.refuse(node,
                                    fmt::format("'{}' is not a mount: {}", printable(node.text),
                                                empty ? "a part between its colons is empty"
                                                      : "it has more than three parts"),
                                    "write it as ./folder:/path or name:/path, then ':ro'");
    const std::string source = parts.size() > 1 ? parts[0] : std::string();
    Node bind = mapping_node(like);
    mount.put("type", string_node(is_host_path(source) ? "bind" : "volume", like));
    if (!source.empty()) mount.put("source", string_node(source, like));
    mount.put("target", string_node(clean_path(parts.size() > 1 ? parts[1] : parts[0]), like));
    if (parts.size() > 2) apply_options(canonicalizer, like, parts[2], mount, bind);
    if (is_host_path(source)) bind.put("create_host_path", plain_node("true", like));
    if (!bind.items.empty()) mount.put("bind", std::move(bind));
    if (!is_host_path(source) && node.text.size() > 2 && mount.find("volume") == nullptr)
        mount.put("volume", mapping_node(like));
    node.become(std::move(mount));
    return true;
}

}  // namespace

bool rewrite_volume(Canonicalizer& canonicalizer, Node& node, const NodePath& path) {
    if (node.is_scalar() && !short_form(canonicalizer, node, path)) return false;
    if (!node.is_mapping()) return canonicalizer.refuse_type(node, path, "a string or a mapping");
    const Node* type = node.find("type");
    Node* source = node.find("source");
    if (type != nullptr && type->is_scalar() && type->text == "bind") {
        const bool named = source != nullptr && source->is_scalar() && !source->text.empty();
        const bool misspelt =
            std::any_of(node.items.begin(), node.items.end(), [](const Node& entry) {
                return entry.key == "src" ||
                       (entry.key != "source" && nearest(entry.key, {"source"}));
            });
        if (!named && !misspelt && (source == nullptr || !source->refused))
            return canonicalizer.refuse(node, fmt::format("'{}' has no 'source'", path.text()),
                                        "name the folder of the host in 'source'");
        if (named && !canonicalizer.keeps(*source))
            source->text = canonicalizer.host_path(source->text, *source);
    }
    Node* target = node.find("target");
    if (target != nullptr && target->is_scalar() && !target->text.empty() &&
        !canonicalizer.keeps(*target))
        target->text = clean_path(target->text);
    return true;
}

}  // namespace davit::compose
