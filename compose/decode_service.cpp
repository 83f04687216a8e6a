#include "base/strings.h"
#include "compose/decode.h"
#include "compose/decode_values.h"
#include "compose/shell_words.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

/// Fills a field of the service that is one string.
template <std::string Service::*member>
void string(DecodeContext& context, const Field& field, Service& service) {
    if (auto text = decode_string(context, field)) service.*member = *std::move(text);
}

/// The words of a command, given as a list or as one string; nothing where it is refused.
std::optional<std::vector<std::string>> words(DecodeContext& context, const Field& field) {
    if (field.node.kind == NodeKind::Sequence) return decode_string_list(context, field);
    const std::optional<std::string> text = decode_text(context, field);
    if (!text) return std::nullopt;
    Result<ShellWords> split = shell_words(*text);
    if (!split) {
        context.error(fmt::format("'{}': {}", field.path, split.error().to_string()),
                      field.node.place(), split.error().help());
        return std::nullopt;
    }
    if (!split->dropped.empty())
        context.diagnostics.warning(
            fmt::format("'{}' needs a shell, none runs this line, and it is dropped",
                        printable(split->dropped)),
            field.node.place(), "write [\"sh\", \"-c\", \"…\"], or put the character in quotes");
    return std::move(split->words);
}

/// An empty command is the image's, as it always was with Docker.
void command(DecodeContext& context, const Field& field, Service& service) {
    service.command.reset();
    if (field.node.kind == NodeKind::Null) return;
    auto list = words(context, field);
    if (list && !list->empty()) service.command = std::move(list);
}

/// An empty entrypoint clears the image's.
void entrypoint(DecodeContext& context, const Field& field, Service& service) {
    service.entrypoint.reset();
    if (field.node.kind != NodeKind::Null) service.entrypoint = words(context, field);
}

void container_name(DecodeContext& context, const Field& field, Service& service) {
    if (auto name = decode_resource_name(context, field)) service.container_name = *std::move(name);
}

void hostname(DecodeContext& context, const Field& field, Service& service) {
    const std::optional<std::string> name = decode_string(context, field);
    if (!name) return;
    constexpr std::size_t kLongest = 64;  // sethostname(2), HOST_NAME_MAX
    const bool plain = std::all_of(name->begin(), name->end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
    });
    if (plain && name->size() <= kLongest)
        service.hostname = *name;
    else
        context.error(fmt::format("'{}' can't be a host name", printable(*name)),
                      field.node.place(),
                      "use letters, digits, '-' and '.' only, at most 64 of them");
}

void working_dir(DecodeContext& context, const Field& field, Service& service) {
    const std::optional<std::string> path = decode_string(context, field);
    if (!path) return;
    if (path->starts_with('/'))
        service.working_dir = *path;
    else
        context.error(fmt::format("the working directory '{}' is not absolute", *path),
                      field.node.place(), "begin it with '/'");
}

void labels(DecodeContext& context, const Field& field, Service& service) {
    service.labels = decode_labels(context, field);
}

void stop_grace_period(DecodeContext& context, const Field& field, Service& service) {
    service.stop_grace_period = decode_duration(context, field);
}

void extension(DecodeContext& context, const Field& field, Service& service) {
    decode_extension(context, field, service.data_root);
}

/// `environment` and `env_file` are decoded together, after the table.
void later(DecodeContext& /*context*/, const Field& /*field*/, Service& /*service*/) {}

constexpr const char* kBuild =
    "build the image beforehand, 'davit load' it, and name it in 'image'";
constexpr const char* kWindows = "take it out: it means something on Windows only";
constexpr const char* kPrivileges = "take it out for now: the container runs with the defaults";

constexpr Key<Service> kServiceKeys[] = {
    {"image", string<&Service::image>},
    {"command", command},
    {"entrypoint", entrypoint},
    {"environment", later},
    {"env_file", later},
    {"working_dir", working_dir},
    {"user", string<&Service::user>},
    {"hostname", hostname},
    {"container_name", container_name},
    {"ports", decode_ports},
    {"volumes", decode_mounts},
    {"depends_on", decode_depends_on},
    {"restart", decode_restart},
    {"labels", labels},
    {"logging", decode_logging},
    {"mem_limit", decode_mem_limit},
    {"cpus", decode_cpus},
    {"pids_limit", decode_pids_limit},
    {"deploy", decode_deploy},
    {"stop_signal", decode_stop_signal},
    {"stop_grace_period", stop_grace_period},
    {"x-davit", extension},
    // Known to the specification, not carried out yet.
    {"annotations", nullptr},
    {"attach", nullptr},
    {"blkio_config", nullptr},
    {"build", nullptr, kBuild},
    {"cap_add", nullptr, kPrivileges},
    {"cap_drop", nullptr, kPrivileges},
    {"cgroup", nullptr},
    {"cgroup_parent", nullptr},
    {"configs", nullptr, "bind-mount the file with 'volumes' for now"},
    {"cpu_count", nullptr, kWindows},
    {"cpu_percent", nullptr, kWindows},
    {"cpu_period", nullptr, "use 'cpus'"},
    {"cpu_quota", nullptr, "use 'cpus'"},
    {"cpu_rt_period", nullptr},
    {"cpu_rt_runtime", nullptr},
    {"cpu_shares", nullptr},
    {"cpuset", nullptr},
    {"credential_spec", nullptr, kWindows},
    {"develop", nullptr},
    {"device_cgroup_rules", nullptr},
    {"devices", nullptr},
    {"dns", nullptr},
    {"dns_opt", nullptr},
    {"dns_search", nullptr},
    {"domainname", nullptr},
    {"expose", nullptr, "take it out: every port is open to the other containers anyway"},
    {"extends", nullptr, "share settings with an anchor and '<<' for now"},
    {"external_links", nullptr},
    {"extra_hosts", nullptr},
    {"gpus", nullptr},
    {"group_add", nullptr},
    {"healthcheck", nullptr, "take it out for now: the container runs unwatched"},
    {"init", nullptr},
    {"ipc", nullptr},
    {"isolation", nullptr, kWindows},
    {"label_file", nullptr, "write the labels into 'labels'"},
    {"links", nullptr, "use 'depends_on': services find each other by name"},
    {"mac_address", nullptr},
    {"mem_reservation", nullptr},
    {"mem_swappiness", nullptr},
    {"memswap_limit", nullptr},
    {"models", nullptr},
    {"network_mode", nullptr},
    {"networks", nullptr, "take it out for now: every service is on the network 'default'"},
    {"oom_kill_disable", nullptr},
    {"oom_score_adj", nullptr},
    {"pid", nullptr},
    {"platform", nullptr, "take it out: the image must be one for this machine"},
    {"post_start", nullptr},
    {"pre_start", nullptr},
    {"pre_stop", nullptr},
    {"privileged", nullptr, kPrivileges},
    {"profiles", nullptr, "name the services to start: davit up SERVICE…"},
    {"provider", nullptr},
    {"pull_policy", nullptr, "'davit load' the image beforehand"},
    {"pull_refresh_after", nullptr},
    {"read_only", nullptr},
    {"runtime", nullptr, "take it out: davit is its own runtime"},
    {"scale", nullptr},
    {"secrets", nullptr, "bind-mount the file read-only with 'volumes' for now"},
    {"security_opt", nullptr, kPrivileges},
    {"shm_size", nullptr},
    {"stdin_open", nullptr},
    {"storage_opt", nullptr},
    {"sysctls", nullptr},
    {"tmpfs", nullptr},
    {"tty", nullptr},
    {"ulimits", nullptr},
    {"use_api_socket", nullptr, "take it out: there is no daemon to talk to"},
    {"userns_mode", nullptr},
    {"uts", nullptr},
    {"volumes_from", nullptr, "name the volumes in 'volumes' of both services"},
};

/// Whether the service names an image, or means to: a misspelt or unsupported key is one mistake.
bool means_an_image(const Node& service) {
    std::vector<std::string> known;
    for (const Key<Service>& key : kServiceKeys) known.emplace_back(key.name);
    for (const Node& node : service.items) {
        for (const char* key : {"image", "build", "extends", "provider"}) {
            if (node.key == key || nearest(node.key, known) == key) return true;
        }
    }
    return false;
}

}  // namespace

void decode_service(DecodeContext& context, const Field& field, Service& service) {
    decode_mapping<Service>(context, field, fmt::format("service '{}'", service.name), kServiceKeys,
                            service);
    if (field.node.kind != NodeKind::Mapping) return;
    if (!means_an_image(field.node))
        context.error(fmt::format("service '{}' has no image", service.name), field.node.key_pos,
                      "add 'image: NAME'");
    decode_environment(context, field, service);
}

}  // namespace davit::compose
