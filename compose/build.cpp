#include "compose/build.h"

#include "base/file.h"
#include "base/strings.h"
#include "compose/bind.h"
#include "compose/node_access.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

const Node* build_of(const LoadedProject& loaded, const std::string& service) {
    const Node* services = loaded.model.find("services");
    const Node* node = services != nullptr ? services->find(service) : nullptr;
    const Node* build = node != nullptr ? node->find("build") : nullptr;
    return build != nullptr && build->is_mapping() ? build : nullptr;
}

class Binder {
public:
    Binder(const LoadedProject& loaded, Diagnostics& diagnostics)
        : loaded_(loaded), diagnostics_(diagnostics) {}

    Build bind(const Service& service, const Node& node) {
        Build build;
        build.service = service.name;
        build.image = service.image;
        build.place = node.place();
        build.dockerfile = text_at(node, "dockerfile");
        build.dockerfile_inline = text_at(node, "dockerfile_inline");
        build.target = text_at(node, "target");
        build.args = bind_table(node.find("args"));
        build.labels = bind_table(node.find("labels"));
        build.tags = texts_at(node, "tags");
        build.extra_hosts = texts_at(node, "extra_hosts");
        build.platforms = texts_at(node, "platforms");
        build.ssh = texts_at(node, "ssh");
        build.cache_from = texts_at(node, "cache_from");
        build.cache_to = texts_at(node, "cache_to");
        build.entitlements = texts_at(node, "entitlements");
        build.no_cache_filter = texts_at(node, "no_cache_filter");
        build.no_cache = text_at(node, "no_cache") == "true";
        build.pull = text_at(node, "pull") == "true";
        build.privileged = text_at(node, "privileged") == "true";
        build.shm_size_bytes = parse_integer(text_at(node, "shm_size")).value_or(0);
        bind_context(node, build);
        bind_network(node, build);
        bind_contexts(node, build);
        bind_secrets(node, build);
        bind_ulimits(node, build);
        return build;
    }

private:
    void error(std::string message, const Node& node, std::string help) {
        diagnostics_.error(std::move(message), node.place(), std::move(help));
    }

    static bool is_remote(const std::string& place) {
        return place.find("://") != std::string::npos || place.starts_with("git@") ||
               place.starts_with("github.com/");
    }

    std::string folder(const std::string& path) const {
        return clean_path(join_path(loaded_.project.working_dir, path));
    }

    void bind_context(const Node& node, Build& build) {
        const Node* context = node.find("context");
        const std::string text = context != nullptr ? context->text : ".";
        build.context = is_remote(text) ? text : folder(text);
    }

    void bind_network(const Node& node, Build& build) {
        build.network = text_at(node, "network");
        if (build.network.empty() || build.network == "default" || build.network == "none" ||
            build.network == "host")
            return;
        error(fmt::format("a build on the network '{}' is not supported", printable(build.network)),
              *node.find("network"), "use default, none or host");
    }

    void bind_contexts(const Node& node, Build& build) {
        const Node* contexts = node.find("additional_contexts");
        if (contexts == nullptr) return;
        for (const Node& context : contexts->items) {
            constexpr std::string_view kService = "service:";
            const std::string& place = context.text;
            if (place.starts_with(kService)) {
                const std::string name = place.substr(kService.size());
                const auto other = loaded_.project.services.find(name);
                if (other == loaded_.project.services.end()) {
                    error(fmt::format("the service '{}' takes no part now", name), context,
                          "activate its profile with --profile");
                    continue;
                }
                build.context_services.push_back(name);
                build.contexts[context.key] = "docker-image://" + other->second.image;
            } else {
                build.contexts[context.key] = is_remote(place) ? place : folder(place);
            }
        }
    }

    void bind_secrets(const Node& node, Build& build) {
        const Node* references = node.find("secrets");
        const Node* objects = loaded_.model.find("secrets");
        if (references == nullptr || objects == nullptr) return;
        for (const Node& reference : references->items) {
            const std::string source = text_at(reference, "source");
            const Node* object = objects->find(source);
            if (object == nullptr) continue;  // said already
            const std::string target = text_at(reference, "target");
            BuildSecret secret;
            secret.file = text_at(*object, "file");
            if (!secret.file.empty()) secret.file = folder(secret.file);
            const std::string variable = text_at(*object, "environment");
            if (const auto value = loaded_.environment.find(variable);
                value != loaded_.environment.end())
                secret.content = value->second;
            if (secret.file.empty() && !secret.content) {
                error(fmt::format("the secret '{}' has no content here", source), reference,
                      "name a file with 'file', or a variable that is set with 'environment'");
                continue;
            }
            build.secrets[target.empty() ? source : target] = std::move(secret);
        }
    }

    static void bind_ulimits(const Node& node, Build& build) {
        const Node* table = node.find("ulimits");
        if (table == nullptr) return;
        for (const Node& limit : table->items) {
            Ulimit& ulimit = build.ulimits[limit.key];
            if (limit.is_scalar())
                ulimit.soft = ulimit.hard = parse_integer(limit.text).value_or(0);
            else
                ulimit = {parse_integer(text_at(limit, "soft")).value_or(0),
                          parse_integer(text_at(limit, "hard")).value_or(0)};
        }
    }

    const LoadedProject& loaded_;
    Diagnostics& diagnostics_;
};

}  // namespace

bool is_built(const LoadedProject& loaded, const std::string& service) {
    return build_of(loaded, service) != nullptr;
}

std::map<std::string, Build> find_builds(const LoadedProject& loaded, Diagnostics& diagnostics) {
    std::map<std::string, Build> builds;
    Binder binder(loaded, diagnostics);
    for (const auto& [name, service] : loaded.project.services)
        if (const Node* node = build_of(loaded, name)) builds[name] = binder.bind(service, *node);
    return builds;
}

}  // namespace davit::compose
