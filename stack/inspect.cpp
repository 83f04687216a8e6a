#include "stack/inspect.h"

#include "stack/inspect_host.h"

#include <cmath>

namespace davit::stack {
namespace {

/// What Docker writes for a time that never was.
constexpr const char* kNever = "0001-01-01T00:00:00Z";

std::string or_never(const std::string& time) { return time.empty() ? kNever : time; }

bool has_process(const ContainerView& view) {
    return view.state.status == runtime::Status::Running ||
           view.state.status == runtime::Status::Paused;
}

std::string image_digest(const ContainerRecord& record) {
    return record.image_id.empty() ? "" : "sha256:" + record.image_id;
}

std::string key_of(const compose::Port& port) {
    return fmt::format("{}/{}", port.target, port.protocol);
}

/// @source moby api/types/container Health
Json health_of(const runtime::Health& health) {
    Json log = Json::array();
    for (const runtime::ProbeResult& result : health.log)
        log.push_back({{"Start", result.start},
                       {"End", result.end},
                       {"ExitCode", result.exit_code},
                       {"Output", result.output}});
    return {{"Status", runtime::to_string(health.status)},
            {"FailingStreak", health.failing_streak},
            {"Log", std::move(log)}};
}

Json health_check_of(const runtime::HealthCheck& check) {
    const auto nanoseconds = [](std::chrono::microseconds time) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
    };
    return {{"Test", check.test},
            {"Interval", nanoseconds(check.interval)},
            {"Timeout", nanoseconds(check.timeout)},
            {"StartPeriod", nanoseconds(check.start_period)},
            {"StartInterval", nanoseconds(check.start_interval)},
            {"Retries", check.retries}};
}

Json state_of(const ContainerView& view) {
    const runtime::ContainerState& state = view.state;
    Json json = {{"Status", runtime::to_string(state.status)},
                 {"Running", has_process(view)},
                 {"Paused", state.status == runtime::Status::Paused},
                 {"Restarting", state.status == runtime::Status::Restarting},
                 {"OOMKilled", state.oom_killed},
                 {"Dead", false},
                 {"Pid", state.pid},
                 {"ExitCode", state.exit_code},
                 {"Error", state.error},
                 {"StartedAt", or_never(state.started_at)},
                 {"FinishedAt", or_never(state.finished_at)}};
    if (state.health) json["Health"] = health_of(*state.health);
    return json;
}

/// {"80/tcp": [{"HostIp": …, "HostPort": "8080"}]}; a port that is only exposed has null.
Json bindings_of(const ContainerRecord& record, bool with_exposed, const char* any_address) {
    Json ports = Json::object();
    if (with_exposed)
        for (const std::string& exposed : record.exposed_ports) ports[exposed] = nullptr;
    for (const compose::Port& port : record.ports) {
        Json& list = ports[key_of(port)];
        if (!list.is_array()) list = Json::array();
        list.push_back({{"HostIp", port.host_ip.empty() ? any_address : port.host_ip},
                        {"HostPort", std::to_string(port.published)}});
    }
    return ports;
}

Json mounts_of(const ContainerRecord& record) {
    Json mounts = Json::array();
    for (const MountRecord& mount : record.mounts) {
        Json shown = {{"Type", mount.type}};
        if (mount.file) continue;  // configs and secrets are nobody's business
        if (mount.type == "volume") shown["Name"] = mount.name;
        shown["Source"] = mount.source;
        shown["Destination"] = mount.destination;
        if (mount.type == "volume") shown["Driver"] = "local";
        shown["Mode"] = mount.read_only ? "ro" : "rw";
        shown["RW"] = !mount.read_only;
        shown["Propagation"] = mount.type != "bind"        ? ""
                               : mount.propagation.empty() ? "rprivate"
                                                           : mount.propagation;
        mounts.push_back(std::move(shown));
    }
    return mounts;
}

/// `docker run --security-opt` as it was given.
std::vector<std::string> security_options(const compose::Privileges& privileges) {
    std::vector<std::string> options;
    if (privileges.no_new_privileges) options.emplace_back("no-new-privileges");
    if (privileges.unfiltered) options.emplace_back("seccomp=unconfined");
    if (!privileges.seccomp_file.empty()) options.push_back("seccomp=" + privileges.seccomp_file);
    if (privileges.unmasked_paths) options.emplace_back("systempaths=unconfined");
    if (!privileges.apparmor_profile.empty())
        options.push_back("apparmor=" + privileges.apparmor_profile);
    for (const auto& [part, value] : privileges.selinux_parts)
        options.push_back("label=" + part + ":" + value);
    return options;
}

Json or_null(const std::vector<std::string>& words) {
    return words.empty() ? Json(nullptr) : Json(words);
}

Json config_of(const ContainerRecord& record) {
    Json exposed = Json::object();
    for (const std::string& port : record.exposed_ports) exposed[port] = Json::object();
    for (const compose::Port& port : record.ports) exposed[key_of(port)] = Json::object();
    Json config = {{"Hostname", record.hostname},
                   {"User", record.user},
                   {"ExposedPorts", exposed},
                   {"Tty", record.tty},
                   {"OpenStdin", record.stdin_open},
                   {"Env", record.env},
                   {"Cmd", or_null(record.cmd)},
                   {"Image", record.image},
                   {"WorkingDir", record.cwd},
                   {"Entrypoint", or_null(record.entrypoint)},
                   {"Labels", compose_labels(record)},
                   {"StopSignal", record.stop_signal},
                   {"StopTimeout",
                    std::chrono::duration_cast<std::chrono::seconds>(record.stop_timeout).count()}};
    if (record.health_check) config["Healthcheck"] = health_check_of(*record.health_check);
    return config;
}

std::string mode_or(const std::string& mode, const char* otherwise) {
    return mode.empty() ? otherwise : mode;
}

Json devices_of(const ContainerRecord& record) {
    Json devices = Json::array();
    for (const compose::Device& device : record.devices)
        devices.push_back({{"PathOnHost", device.source},
                           {"PathInContainer", device.target},
                           {"CgroupPermissions", device.permissions}});
    return devices;
}

Json host_config_of(const ContainerRecord& record) {
    constexpr double kNanosPerCpu = 1e9;
    Json binds = Json::array();
    for (const MountRecord& mount : record.mounts) {
        if (mount.file || mount.type == "image") continue;
        const std::string& source = mount.type == "volume" ? mount.name : mount.source;
        binds.push_back(
            fmt::format("{}:{}:{}", source, mount.destination, mount.read_only ? "ro" : "rw"));
    }
    const char* restart = "no";
    switch (record.restart.condition) {
        case compose::RestartPolicy::Condition::No: break;
        case compose::RestartPolicy::Condition::Always: restart = "always"; break;
        case compose::RestartPolicy::Condition::OnFailure: restart = "on-failure"; break;
        case compose::RestartPolicy::Condition::UnlessStopped: restart = "unless-stopped"; break;
    }
    const compose::Resources& limits = record.resources;
    return {
        {"Binds", binds},
        {"LogConfig", {{"Type", record.logging.driver}, {"Config", record.logging.options}}},
        {"NetworkMode", !record.network_id.empty()     ? "container:" + record.network_id
                        : !record.network_mode.empty() ? record.network_mode
                        : record.endpoints.empty()     ? "none"
                                                       : record.endpoints.front().network},
        {"PortBindings", bindings_of(record, false, "")},
        {"RestartPolicy", {{"Name", restart}, {"MaximumRetryCount", record.restart.max_attempts}}},
        {"Memory", limits.memory_bytes},
        {"NanoCpus", std::llround(limits.cpus * kNanosPerCpu)},
        {"PidsLimit", limits.pids == 0 ? Json(nullptr) : Json(limits.pids)},
        {"MemoryReservation", limits.memory_reservation_bytes},
        {"MemorySwap",
         limits.memory_swap_bytes != 0 ? limits.memory_swap_bytes : limits.memory_bytes * 2},
        {"CpuShares", limits.cpu_shares},
        {"CpuQuota", limits.cpu_quota_us},
        {"CpuPeriod", limits.cpu_period_us},
        {"CapAdd", or_null(record.privileges.cap_add)},
        {"CapDrop", or_null(record.privileges.cap_drop)},
        {"CpusetCpus", limits.cpuset},
        {"BlkioWeight", limits.block_io.weight},
        {"Privileged", record.privileges.privileged},
        {"SecurityOpt", or_null(security_options(record.privileges))},
        {"PidMode", record.sharing.pid},
        {"IpcMode", mode_or(record.sharing.ipc, "private")},
        {"UTSMode", record.sharing.uts},
        {"CgroupnsMode", mode_or(record.sharing.cgroup, "private")},
        {"CgroupParent", record.cgroup_parent},
        {"Devices", devices_of(record)},
        {"UsernsMode", record.uid_base == 0 ? "host" : ""},
        {"ReadonlyRootfs", record.read_only},
        {"Dns", record.resolver.servers},
        {"DnsOptions", record.resolver.options},
        {"DnsSearch", record.resolver.search},
        {"ExtraHosts", or_null(record.resolver.extra_hosts)}};
}

/// An address is shown for as long as the container is attached, as Docker does.
Json network_settings_of(const ContainerView& view) {
    const ContainerRecord& record = view.record;
    const bool attached = has_process(view) || view.state.status == runtime::Status::Restarting;
    Json networks = Json::object();
    for (const Endpoint& endpoint : record.endpoints) {
        networks[endpoint.network] = {
            {"Aliases", or_null(endpoint.aliases)},
            {"NetworkID", endpoint.network},
            {"Gateway", attached ? endpoint.gateway : ""},
            {"IPAddress", attached ? endpoint.ip : ""},
            {"IPPrefixLen", attached ? endpoint.prefix : 0},
            {"IPv6Gateway", attached ? endpoint.gateway6 : ""},
            {"GlobalIPv6Address", attached ? endpoint.ip6 : ""},
            {"GlobalIPv6PrefixLen", attached && !endpoint.ip6.empty() ? endpoint.prefix6 : 0},
            {"MacAddress", attached ? endpoint.mac : ""}};
    }
    const Endpoint first =
        attached && !record.endpoints.empty() ? record.endpoints.front() : Endpoint{};
    // What `nsenter --net=` takes.
    const std::string space =
        has_process(view) ? fmt::format("/proc/{}/ns/net", view.state.pid) : std::string();
    return {{"SandboxKey", space},
            {"Ports", attached ? bindings_of(record, true, "0.0.0.0") : Json::object()},
            {"Gateway", first.gateway},
            {"IPAddress", first.ip},
            {"IPPrefixLen", first.ip.empty() ? 0 : first.prefix},
            {"MacAddress", first.mac},
            {"Networks", networks}};
}

}  // namespace

std::map<std::string, std::string> compose_labels(const ContainerRecord& record) {
    std::map<std::string, std::string> labels = record.labels;
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty()) labels[fmt::format("com.docker.compose.{}", key)] = value;
    };
    std::string files;
    for (const std::string& file : record.files) files += (files.empty() ? "" : ",") + file;
    add("config-hash", record.config_hash);
    add("container-number", std::to_string(record.number));
    add("image", image_digest(record));
    add("oneoff", record.one_off ? "True" : "False");
    add("project", record.project);
    add("project.config_files", files);
    add("project.working_dir", record.working_dir);
    add("service", record.service);
    return labels;
}

Json inspect(const Paths& paths, const ContainerView& view, const Json& config) {
    const ContainerRecord& record = view.record;
    std::vector<std::string> words = record.entrypoint;
    words.insert(words.end(), record.cmd.begin(), record.cmd.end());
    const std::string run_dir = paths.run_container(record.project, record.name);
    Json host_config = host_config_of(record);
    add_host_config(config, host_config);
    const auto args_begin = words.empty() ? words.end() : words.begin() + 1;
    return {{"Id", record.id},
            {"Created", or_never(record.created)},
            {"Path", words.empty() ? "" : words.front()},
            {"Args", std::vector<std::string>(args_begin, words.end())},
            {"State", state_of(view)},
            {"Image", image_digest(record)},
            {"ResolvConfPath", run_dir + "/resolv.conf"},
            {"HostnamePath", run_dir + "/hostname"},
            {"HostsPath", run_dir + "/hosts"},
            {"LogPath", record.log_path},
            {"Name", "/" + record.name},
            {"RestartCount", view.state.restart_count},
            {"Driver", "overlay"},
            {"Platform", "linux"},
            {"HostConfig", std::move(host_config)},
            {"Mounts", mounts_of(record)},
            {"Config", config_of(record)},
            {"NetworkSettings", network_settings_of(view)}};
}

}  // namespace davit::stack
