#include "compose/decode.h"
#include "compose/decode_values.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

void version(DecodeContext& context, const Field& field, Project& /*project*/) {
    context.diagnostics.warning("the key 'version' is obsolete and means nothing",
                                field.node.key_pos, "take it out");
}

/// Decoded before anything else, see project_name.h; here only its type is checked.
void name(DecodeContext& context, const Field& field, Project& /*project*/) {
    decode_text(context, field);
}

bool is_service_name(const std::string& name) {
    constexpr std::string_view kAllowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return !name.empty() && name.find_first_not_of(kAllowed) == std::string::npos &&
           name.size() <= 63 && name != "." && name != "..";
}

/// Whether the key of a service, volume or network is one; says so where it isn't.
bool expect_name(DecodeContext& context, const Field& entry, std::string_view what) {
    if (is_service_name(entry.node.key)) return true;
    context.error(fmt::format("'{}' can't be the name of a {}", entry.node.key, what),
                  entry.node.key_pos, "use letters, digits, '.', '_' and '-' only, at most 63");
    return false;
}

void services(DecodeContext& context, const Field& field, Project& project) {
    if (!expect_mapping(context, field)) return;
    for (const Node& node : field.node.items) {
        const Field entry = field.entry(node);
        context.places.set(entry.path, node.key_pos);
        expect_name(context, entry, "service");
        Service& service = project.services[node.key];
        service.name = node.key;
        decode_service(context, entry, service);
    }
}

void volumes(DecodeContext& context, const Field& field, Project& project) {
    if (!expect_mapping(context, field)) return;
    for (const Node& node : field.node.items) {
        const Field entry = field.entry(node);
        context.places.set(entry.path, node.key_pos);
        expect_name(context, entry, "volume");
        decode_volume(context, entry, project.name, project.volumes[node.key]);
    }
}

void networks(DecodeContext& context, const Field& field, Project& project) {
    if (!expect_mapping(context, field)) return;
    for (const Node& node : field.node.items) {
        const Field entry = field.entry(node);
        context.places.set(entry.path, node.key_pos);
        expect_name(context, entry, "network");
        decode_network(context, entry, project.name, project.networks[node.key]);
    }
}

void extension(DecodeContext& context, const Field& field, Project& project) {
    decode_extension(context, field, project.data_root);
}

constexpr Key<Project> kProjectKeys[] = {
    {"version", version},
    {"name", name},
    {"services", services},
    {"volumes", volumes},
    {"networks", networks},
    {"x-davit", extension},
    {"include", nullptr, "name the other file with a second -f"},
    {"configs", nullptr, "bind-mount the file with 'volumes' for now"},
    {"secrets", nullptr, "bind-mount the file read-only with 'volumes' for now"},
    {"models", nullptr, nullptr},
};

void data_root(DecodeContext& context, const Field& field, std::string& root) {
    const std::optional<std::string> path = decode_string(context, field);
    if (!path) return;
    if (auto absolute = resolve_host_path(context, *path, field.node.place()))
        root = *std::move(absolute);
}

constexpr Key<std::string> kExtensionKeys[] = {
    {"data_root", data_root},
    {"publish", nullptr, nullptr},
    {"update", nullptr, nullptr},
    {"balance", nullptr, nullptr},
};

}  // namespace

void decode_extension(DecodeContext& context, const Field& field, std::string& data_root) {
    decode_mapping<std::string>(context, field, "'x-davit'", kExtensionKeys, data_root);
}

void decode_project(DecodeContext& context, const Node& document, Project& project) {
    decode_mapping<Project>(context, Field{document, ""}, "the compose file", kProjectKeys,
                            project);
    if (project.services.empty()) return;
    // Where the file has none, nothing around it is its place either.
    if (!project.networks.contains("default")) context.places.set("networks.default", {});
    Network& everyone = project.networks["default"];
    if (everyone.name.empty()) everyone.name = project.name + "_default";
}

}  // namespace davit::compose
