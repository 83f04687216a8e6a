#include "compose/bind.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>

namespace davit::compose {
namespace {

bool is_resource_name(const std::string& name) {
    constexpr std::string_view kFirst =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::string_view kRest =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return !name.empty() && kFirst.find(name.front()) != std::string_view::npos &&
           name.find_first_not_of(kRest) == std::string::npos && name.size() <= 200;
}

/// Absent where the key is, or where its value is null.
std::optional<std::vector<std::string>> words_at(const Node& service, const char* key) {
    const Node* list = service.find(key);
    if (list == nullptr || !list->is_list()) return std::nullopt;
    std::vector<std::string> words;
    for (const Node& item : list->items) words.push_back(item.text);
    return words;
}

void bind_hostname(const Node& node, Service& service, Diagnostics& diagnostics) {
    const std::string name = text_at(node, "hostname");
    constexpr std::size_t kLongest = 64;  // sethostname(2), HOST_NAME_MAX
    const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
    });
    if (plain && name.size() <= kLongest)
        service.hostname = name;
    else
        diagnostics.error(fmt::format("'{}' can't be a host name", printable(name)),
                          node.find("hostname")->place(),
                          "use letters, digits, '-' and '.' only, at most 64 of them");
}

void bind_working_dir(const Node& node, Service& service, Diagnostics& diagnostics) {
    const std::string path = text_at(node, "working_dir");
    if (path.empty() || path.starts_with('/'))
        service.working_dir = path;
    else
        diagnostics.error(
            fmt::format("the working directory '{}' is not absolute", printable(path)),
            node.find("working_dir")->place(), "begin it with '/'");
}

void bind_environment(const Node& node, Service& service) {
    const Node* table = node.find("environment");
    if (table == nullptr) return;
    for (const Node& variable : table->items)
        if (variable.is_scalar()) service.environment[variable.key] = variable.text;
}

const Node* limit_of(const Node& node, const char* attribute, const char* in_deploy,
                     const char* group = "limits") {
    if (const Node* own = node.find(attribute); own != nullptr && own->is_scalar()) return own;
    const Node* below = &node;
    for (const char* key : {"deploy", "resources", group, in_deploy})
        below = below != nullptr ? below->find(key) : nullptr;
    return below != nullptr && below->is_scalar() ? below : nullptr;
}

void bind_limits(const Node& node, Service& service, Diagnostics& diagnostics) {
    constexpr double kMostCpus = 8192;             // more than the kernel is built for
    constexpr std::int64_t kMostPids = 4'194'304;  // PID_MAX_LIMIT
    if (const Node* memory = limit_of(node, "mem_limit", "memory"))
        service.resources.memory_bytes =
            std::max<std::int64_t>(parse_integer(memory->text).value_or(0), 0);
    if (const Node* pids = limit_of(node, "pids_limit", "pids")) {
        const std::int64_t count = parse_integer(pids->text).value_or(0);
        if (count > kMostPids)
            diagnostics.error(fmt::format("{} processes are more than the kernel knows", count),
                              pids->place(), fmt::format("use at most {}", kMostPids));
        service.resources.pids = std::clamp<std::int64_t>(count, 0, kMostPids);
    }
    const auto whole = [](const Node* limit) {
        return limit != nullptr ? parse_integer(limit->text).value_or(0) : 0;
    };
    service.resources.memory_reservation_bytes =
        whole(limit_of(node, "mem_reservation", "memory", "reservations"));
    service.resources.memory_swap_bytes = whole(node.find("memswap_limit"));
    service.resources.cpu_shares = whole(node.find("cpu_shares"));
    service.resources.cpu_quota_us = whole(node.find("cpu_quota"));
    service.resources.cpu_period_us = whole(node.find("cpu_period"));
    if (const std::int64_t swap = service.resources.memory_swap_bytes;
        swap > 0 && swap < service.resources.memory_bytes)
        diagnostics.error("'memswap_limit' is less than 'mem_limit', and it counts both",
                          node.find("memswap_limit")->place(), "use at least 'mem_limit', or -1");
    if (const Node* cpus = limit_of(node, "cpus", "cpus")) {
        double number = 0;
        std::from_chars(cpus->text.data(), cpus->text.data() + cpus->text.size(), number);
        if (number < 0 || number > kMostCpus)
            diagnostics.error(
                fmt::format("'cpus' must be 0 to {}, found {}", kMostCpus, cpus->text),
                cpus->place(), "use the number of processors, such as 0.5 or 2");
        else
            service.resources.cpus = number;
    }
}

/// How published ports are passed on: by the kernel, or by the guard. After the ports.
void bind_publish(const Node& extension, Service& service, Diagnostics& diagnostics) {
    const std::string way = text_at(extension, "publish");
    service.relay_ports = way == "relay";
    if (way.empty()) return;
    const SourcePos place = extension.find("publish")->place();
    if (way != "relay" && way != "kernel")
        diagnostics.error(fmt::format("ports can't be published by '{}'", printable(way)), place,
                          "use 'kernel' or 'relay'");
    const bool sctp = std::any_of(service.ports.begin(), service.ports.end(),
                                  [](const Port& port) { return port.protocol == "sctp"; });
    if (service.relay_ports && sctp)
        diagnostics.error("a port of sctp can't be relayed", place,
                          "leave 'publish' out: the kernel forwards it");
}

}  // namespace

bool true_at(const Node& mapping, std::string_view key) { return text_at(mapping, key) == "true"; }

std::vector<std::string> texts_at(const Node& mapping, const char* key) {
    std::vector<std::string> texts;
    if (const Node* list = mapping.find(key))
        for (const Node& item : list->items) texts.push_back(item.text);
    return texts;
}

std::string bind_name(const Node& mapping, std::string_view key, Diagnostics& diagnostics) {
    const std::string name = text_at(mapping, key);
    if (name.empty() || is_resource_name(name)) return name;
    diagnostics.error(fmt::format("the name '{}' can't be used", printable(name)),
                      mapping.find(key)->place(),
                      "use letters, digits, '_', '.' and '-' only, a letter or digit first");
    return {};
}

std::map<std::string, std::string> bind_table(const Node* table) {
    std::map<std::string, std::string> values;
    if (table == nullptr) return values;
    for (const Node& entry : table->items)
        values[entry.key] = entry.is_scalar() ? entry.text : std::string();
    return values;
}

void bind_service(const Node& node, Service& service, Diagnostics& diagnostics) {
    service.name = node.key;
    constexpr std::size_t kLongestName = 63;  // of a label of DNS, RFC 1035 §2.3.4
    if (node.key.size() > kLongestName)
        diagnostics.error(fmt::format("'{}' can't be the name of a service", node.key),
                          node.key_pos, "use at most 63 letters");
    service.image = text_at(node, "image");
    service.pull_policy = text_at(node, "pull_policy");
    service.platform = text_at(node, "platform");
    // An empty command is the image's, as it always was with Docker.
    service.command = words_at(node, "command");
    if (service.command && service.command->empty()) service.command.reset();
    service.entrypoint = words_at(node, "entrypoint");
    service.user = text_at(node, "user");
    service.container_name = bind_name(node, "container_name", diagnostics);
    service.labels = bind_table(node.find("labels"));
    bind_hostname(node, service, diagnostics);
    bind_working_dir(node, service, diagnostics);
    bind_environment(node, service);
    bind_limits(node, service, diagnostics);
    bind_networks(node, service, diagnostics);
    bind_ports(node, service, diagnostics);
    if (const Node* extension = node.find("x-davit")) {
        service.data_root = text_at(*extension, "data_root");
        bind_publish(*extension, service, diagnostics);
    }
    bind_mounts(node, service, diagnostics);
    bind_lifecycle(node, service, diagnostics);
    bind_privileges(node, service, diagnostics);
}

void bind_project(const Node& model, const std::map<std::string, std::string>& environment,
                  Project& project, Diagnostics& diagnostics) {
    if (const Node* extension = model.find("x-davit"))
        project.data_root = text_at(*extension, "data_root");
    if (const Node* services = model.find("services")) {
        for (const Node& node : services->items) {
            if (!node.is_mapping()) continue;
            bind_service(node, project.services[node.key], diagnostics);
            // As Docker Compose names what is built.
            if (std::string& image = project.services[node.key].image;
                image.empty() && node.find("build") != nullptr)
                image = project.name + "-" + node.key;
            bind_hooks(node, environment, project.services[node.key], diagnostics);
            bind_files(model, node, environment, project.services[node.key], diagnostics);
            bind_seccomp_profile(node, project.working_dir, project.services[node.key],
                                 diagnostics);
        }
    }
    if (const Node* volumes = model.find("volumes"))
        for (const Node& node : volumes->items)
            bind_volume(node, project.volumes[node.key], diagnostics);
    if (const Node* networks = model.find("networks"))
        for (const Node& node : networks->items)
            bind_network(node, project.networks[node.key], diagnostics);
    settle_networks(model, project, diagnostics);
    settle_volumes_from(model, project, diagnostics);
    if (project.services.empty()) return;
    Network& everyone = project.networks["default"];
    if (everyone.name.empty()) everyone.name = project.name + "_default";
}

}  // namespace davit::compose
