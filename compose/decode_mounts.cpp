#include "base/file.h"
#include "base/strings.h"
#include "compose/decode.h"
#include "compose/decode_values.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

// [SOURCE:]TARGET[:OPTIONS] and the long form. @source Compose spec 05-services.md#volumes
namespace davit::compose {
namespace {

/// Whether a source of the short form is a path on the host and not the name of a volume.
bool is_host_path(std::string_view source) {
    return source.starts_with('.') || source.starts_with('/') || source.starts_with('~');
}

void apply_option(DecodeContext& context, const Field& field, const std::string& option,
                  Mount& mount) {
    const auto is_in = [&](const auto& words) {
        return std::find(words.begin(), words.end(), option) != words.end();
    };
    // SELinux labels: a host without SELinux has none to set. The last three are for Macs.
    constexpr std::array<std::string_view, 6> kWithoutEffect = {
        "rw", "z", "Z", "cached", "delegated", "consistent"};
    constexpr std::array<std::string_view, 8> kNotYet = {"nocopy",  "private", "rprivate", "shared",
                                                         "rshared", "slave",   "rslave",   "U"};
    if (option == "ro") {
        mount.read_only = true;
    } else if (is_in(kNotYet)) {
        context.error(fmt::format("the mount option '{}' is not supported yet", option),
                      field.node.place(), "take it out for now");
    } else if (!is_in(kWithoutEffect)) {
        context.error(fmt::format("'{}': unknown mount option '{}'", field.path, printable(option)),
                      field.node.place(), "the options are 'ro', 'rw', 'z' and 'Z'");
    }
}

/// The target, absolute and clean; nothing where it is refused.
std::optional<std::string> clean_target(DecodeContext& context, const Field& field,
                                        const std::string& target) {
    const std::string clean = clean_path(target);
    if (target.starts_with('/') && clean != "/") return clean;
    context.error(fmt::format("'{}' can't be mounted on '{}' in the container", field.path,
                              printable(target)),
                  field.node.place(), "name an absolute path below '/'");
    return std::nullopt;
}

std::optional<Mount> decode_short_form(DecodeContext& context, const Field& item) {
    const std::optional<std::string> text = decode_string(context, item);
    if (!text) return std::nullopt;
    const VolumeSpec spec = split_volume_spec(*text);
    const bool named = text->find(':') != std::string::npos;
    if (spec.too_many_parts || spec.target.empty() || (named && spec.source.empty())) {
        context.error(fmt::format("'{}' is not a mount: {}", printable(*text),
                                  spec.too_many_parts ? "it has more than three parts"
                                                      : "a part between its colons is empty"),
                      item.node.place(), "write it as ./folder:/path or name:/path, then ':ro'");
        return std::nullopt;
    }
    Mount mount;
    const auto target = clean_target(context, item, spec.target);
    for (const std::string& option : spec.options) apply_option(context, item, option, mount);
    mount.type = is_host_path(spec.source) ? MountType::Bind : MountType::Volume;
    mount.source = spec.source;
    if (mount.type == MountType::Bind) {
        const auto source = resolve_host_path(context, spec.source, item.node.place());
        if (!source) return std::nullopt;
        mount.source = *source;
    }
    if (!target) return std::nullopt;
    mount.target = *target;
    return mount;
}

/// The long form while it is read: `source` means what `type` says.
struct LongForm {
    std::string type = {};
    std::string source = {};
    std::string target = {};
    bool read_only = false;
    bool create_host_path = true;
};

template <std::string LongForm::*member>
void string(DecodeContext& context, const Field& field, LongForm& form) {
    if (auto text = decode_string(context, field)) form.*member = *std::move(text);
}

void type(DecodeContext& context, const Field& field, LongForm& form) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text) return;
    constexpr std::array<std::string_view, 4> kNotYet = {"tmpfs", "image", "npipe", "cluster"};
    if (*text == "bind" || *text == "volume")
        form.type = *text;
    else if (std::find(kNotYet.begin(), kNotYet.end(), *text) != kNotYet.end())
        context.error(fmt::format("a mount of type '{}' is not supported yet", *text),
                      field.node.place(), "use 'bind' or 'volume'");
    else
        context.error(fmt::format("'{}' is not a type of mount", printable(*text)),
                      field.node.place(), "use 'bind' or 'volume'");
}

void read_only(DecodeContext& context, const Field& field, LongForm& form) {
    form.read_only = decode_boolean(context, field).value_or(false);
}

void create_host_path(DecodeContext& context, const Field& field, LongForm& form) {
    form.create_host_path = decode_boolean(context, field).value_or(true);
}

/// SELinux labels: see apply_option.
void selinux(DecodeContext& context, const Field& field, LongForm& /*form*/) {
    decode_string(context, field);
}

constexpr Key<LongForm> kBindKeys[] = {
    {"create_host_path", create_host_path},
    {"selinux", selinux},
    {"propagation", nullptr},
    {"recursive", nullptr},
};

void bind(DecodeContext& context, const Field& field, LongForm& form) {
    decode_mapping<LongForm>(context, field, "'bind'", kBindKeys, form);
}

constexpr Key<LongForm> kVolumeKeys[] = {
    {"nocopy", nullptr},
    {"subpath", nullptr},
    {"labels", nullptr},
};

void volume(DecodeContext& context, const Field& field, LongForm& form) {
    decode_mapping<LongForm>(context, field, "'volume'", kVolumeKeys, form);
}

constexpr Key<LongForm> kMountKeys[] = {
    {"type", type},
    {"source", string<&LongForm::source>},
    {"target", string<&LongForm::target>},
    {"read_only", read_only},
    {"bind", bind},
    {"volume", volume},
    {"tmpfs", nullptr},
    {"image", nullptr},
    {"consistency", nullptr, "take it out: it means something on a Mac only"},
};

std::optional<Mount> decode_long_form(DecodeContext& context, const Field& item) {
    LongForm form;
    decode_mapping<LongForm>(context, item, "a mount", kMountKeys, form);
    const SourcePos where =
        item.node.items.empty() ? item.node.pos : item.node.items.front().key_pos;
    bool complete = true;
    for (const char* key : {"type", "target"}) {
        if (item.node.find(key) != nullptr) continue;
        context.error(fmt::format("'{}' has no '{}'", item.path, key), where,
                      fmt::format("add '{}: …'", key));
        complete = false;
    }
    if (form.type == "bind" && item.node.find("source") == nullptr) {
        context.error(fmt::format("'{}' has no 'source'", item.path), where,
                      "name the folder of the host in 'source'");
        complete = false;
    }
    if (!complete || form.type.empty() || form.target.empty()) return std::nullopt;
    const auto target = clean_target(context, item.entry(*item.node.find("target")), form.target);
    if (!target) return std::nullopt;
    Mount mount;
    mount.type = form.type == "bind" ? MountType::Bind : MountType::Volume;
    mount.source = form.source;
    mount.target = *target;
    mount.read_only = form.read_only;
    mount.create_host_path = form.create_host_path;
    if (mount.type == MountType::Bind) {
        const auto source =
            resolve_host_path(context, form.source, item.node.find("source")->place());
        if (!source) return std::nullopt;
        mount.source = *source;
    }
    return mount;
}

}  // namespace

VolumeSpec split_volume_spec(std::string_view text) {
    std::vector<std::string> parts = split(text, ':');
    VolumeSpec spec;
    spec.too_many_parts = parts.size() > 3;
    if (parts.size() == 1) {
        spec.target = std::move(parts[0]);
        return spec;
    }
    spec.source = std::move(parts[0]);
    spec.target = std::move(parts[1]);
    if (parts.size() > 2) spec.options = split(parts[2], ',');
    return spec;
}

void decode_mounts(DecodeContext& context, const Field& field, Service& service) {
    if (!expect_list(context, field)) return;
    for (std::size_t i = 0; i < field.node.items.size(); ++i) {
        const Field item = field.item(i);
        std::optional<Mount> mount = item.node.kind == NodeKind::Mapping
                                         ? decode_long_form(context, item)
                                         : decode_short_form(context, item);
        if (!mount) continue;
        // By the index that errors which come up later will ask for.
        context.places.set(fmt::format("{}[{}]", field.path, service.volumes.size()),
                           item.node.place());
        service.volumes.push_back(*std::move(mount));
    }
}

}  // namespace davit::compose
