#include "cli/registries.h"

#include "base/file.h"
#include "cli/containers_conf.h"
#include "cli/interrupts.h"
#include "compose/yaml_reader.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

using compose::Node;
using compose::NodeKind;

Error at(const Node& node, std::string message, std::string help = {}) {
    Error error = Error(ErrorKind::InvalidInput, std::move(message)).at(node.place());
    if (help.empty()) return error;
    return std::move(error).help(std::move(help));
}

Result<std::string> text(const Node& node) {
    if (node.kind == NodeKind::Scalar) return node.text;
    return at(node, fmt::format("'{}' must be a text, not {}", node.key, compose::describe(node)));
}

Result<std::string> path(const Node& node) {
    std::string value = TRY(text(node));
    if (value.starts_with('/')) return value;
    return at(node, fmt::format("'{}' must be an absolute path", node.key));
}

Result<image::RegistryHost> read_host(const Node& node) {
    image::RegistryHost host;
    if (node.kind != NodeKind::Mapping)
        return at(node, fmt::format("registry '{}' must be a mapping", node.key));
    for (const Node& item : node.items) {
        if (item.key == "mirrors" && item.kind == NodeKind::Sequence) {
            for (const Node& mirror : item.items) {
                if (mirror.kind != NodeKind::Scalar || mirror.text.empty())
                    return at(mirror, "a mirror is the address of a registry",
                              "write https://mirror.example.com");
                host.mirrors.push_back(mirror.text);
            }
        } else if (item.key == "mirrors") {
            return at(item, "'mirrors' must be a list", "write [https://mirror.example.com]");
        } else if (item.key == "insecure") {
            const std::string value = TRY(text(item));
            if (value != "true" && value != "false")
                return at(item, fmt::format("'insecure' is '{}'", value), "write true or false");
            host.insecure = value == "true";
        } else if (item.key == "ca") {
            host.tls.ca = TRY(path(item));
        } else if (item.key == "cert") {
            host.tls.cert = TRY(path(item));
        } else if (item.key == "key") {
            host.tls.key = TRY(path(item));
        } else {
            return Error(ErrorKind::InvalidInput, fmt::format("unknown key '{}'", item.key))
                .at(item.key_pos)
                .help("a registry has mirrors, insecure, ca, cert and key");
        }
    }
    return host;
}

}  // namespace

Result<std::map<std::string, image::RegistryHost>> read_registries(const std::string& file) {
    std::map<std::string, image::RegistryHost> hosts;
    Result<std::string> content = read_file(file);
    if (!content && content.error().kind() == ErrorKind::NotFound) return hosts;
    if (!content) return std::move(content).error();
    Diagnostics diagnostics;
    const auto documents =
        compose::read_yaml(compose::make_source(file, *std::move(content)), diagnostics);
    for (const Diagnostic& problem : diagnostics.list())
        if (problem.severity == Severity::Error)
            return Error(ErrorKind::InvalidInput, problem.message)
                .at(problem.where)
                .help(problem.help);
    if (!documents || documents->empty()) return hosts;
    const Node& root = documents->front();
    if (root.kind != NodeKind::Mapping) return at(root, "the file is not a mapping");
    for (const Node& item : root.items) {
        if (item.key != "registries" || item.kind != NodeKind::Mapping)
            return at(item, fmt::format("unknown key '{}', or no mapping", item.key),
                      "the only key is 'registries'");
        for (const Node& registry : item.items) hosts[registry.key] = TRY(read_host(registry));
    }
    return hosts;
}

std::string docker_config(const Context& context) {
    const std::string folder = context.variable("DOCKER_CONFIG");
    if (!folder.empty()) return join_path(context.working_dir, folder) + "/config.json";
    const std::string home = context.variable("HOME");
    return (home.empty() ? "/root" : home) + "/.docker/config.json";
}

Result<image::RegistrySettings> registry_settings(const Context& context) {
    image::RegistrySettings settings;
    const std::string other = context.variable("DAVIT_REGISTRIES");
    settings.hosts = TRY(read_registries(other.empty() ? kRegistriesFile : other));
    settings.rules = TRY(containers_rules(context));
    for (const std::string& file :
         {context.variable("REGISTRY_AUTH_FILE"),
          context.variable("XDG_RUNTIME_DIR").empty()
              ? std::string()
              : context.variable("XDG_RUNTIME_DIR") + "/containers/auth.json"})
        if (!file.empty() && exists(file)) settings.credential_files.push_back(file);
    settings.credential_files.push_back(docker_config(context));
    settings.certificate_folders = {"/etc/davit/certs.d", "/etc/containers/certs.d",
                                    "/etc/docker/certs.d"};
    settings.cancelled = [] { return Interrupts::count() > 0; };
    return settings;
}

}  // namespace davit::cli
