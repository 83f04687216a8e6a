#include "stack/records.h"

#include "base/json.h"
#include "base/log.h"
#include "base/parallel.h"
#include "stack/record_parts.h"

// How each record looks on disk. Adding a field: one line in to_json, one in the reader, where an
// absent field must get the value that older records meant.
namespace davit::stack {
namespace {

constexpr int kVersion = 1;

using Texts = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

const char* word_of(compose::RestartPolicy::Condition condition) {
    using enum compose::RestartPolicy::Condition;
    switch (condition) {
        case No: return "no";
        case Always: return "always";
        case OnFailure: return "on-failure";
        case UnlessStopped: return "unless-stopped";
    }
    return "no";
}

compose::RestartPolicy::Condition condition_of(const std::string& word) {
    using enum compose::RestartPolicy::Condition;
    for (const auto condition : {Always, OnFailure, UnlessStopped})
        if (word == word_of(condition)) return condition;
    return No;
}

Json to_json(const compose::Port& port) {
    return {{"host_ip", port.host_ip},
            {"published", port.published},
            {"target", port.target},
            {"protocol", port.protocol},
            {"published_last", port.published_last}};
}

constexpr const char* kAwaited[] = {"started", "healthy", "completed", "running"};

Json to_json(const compose::Gate& gate) {
    return {{"container", gate.container},
            {"condition", kAwaited[static_cast<std::size_t>(gate.condition)]},
            {"required", gate.required},
            {"restart", gate.restart}};
}

compose::Gate gate_of(const Json& json) {
    compose::Gate gate;
    gate.container = value_or<std::string>(json, "container", "");
    const std::string condition = value_or<std::string>(json, "condition", "started");
    for (std::size_t i = 0; i < std::size(kAwaited); ++i)
        if (condition == kAwaited[i]) gate.condition = static_cast<compose::Awaited>(i);
    gate.required = value_or(json, "required", true);
    gate.restart = value_or(json, "restart", false);
    return gate;
}

compose::Port port_of(const Json& json) {
    compose::Port port;
    port.host_ip = value_or<std::string>(json, "host_ip", "");
    port.published = value_or<std::uint16_t>(json, "published", 0);
    port.target = value_or<std::uint16_t>(json, "target", 0);
    port.protocol = value_or<std::string>(json, "protocol", "tcp");
    port.published_last = value_or<std::uint16_t>(json, "published_last", 0);
    return port;
}

Json to_json(const Endpoint& endpoint) {
    return {{"network", endpoint.network},
            {"ip", endpoint.ip},
            {"prefix", endpoint.prefix},
            {"gateway", endpoint.gateway},
            {"mac", endpoint.mac},
            {"host_link", endpoint.host_link},
            {"aliases", endpoint.aliases},
            {"ip6", endpoint.ip6},
            {"prefix6", endpoint.prefix6},
            {"gateway6", endpoint.gateway6},
            {"interface", endpoint.interface},
            {"link_local_ips", endpoint.link_local_ips},
            {"default4", endpoint.default4},
            {"default6", endpoint.default6},
            {"internal", endpoint.internal},
            {"sysctls", endpoint.sysctls}};
}

Endpoint endpoint_of(const Json& json) {
    Endpoint endpoint;
    endpoint.network = value_or<std::string>(json, "network", "");
    endpoint.ip = value_or<std::string>(json, "ip", "");
    endpoint.prefix = value_or(json, "prefix", 16);
    endpoint.gateway = value_or<std::string>(json, "gateway", "");
    endpoint.mac = value_or<std::string>(json, "mac", "");
    endpoint.host_link = value_or<std::string>(json, "host_link", "");
    endpoint.aliases = value_or<Texts>(json, "aliases", {});
    endpoint.ip6 = value_or<std::string>(json, "ip6", "");
    endpoint.prefix6 = value_or(json, "prefix6", 64);
    endpoint.gateway6 = value_or<std::string>(json, "gateway6", "");
    endpoint.interface = value_or<std::string>(json, "interface", "eth0");
    endpoint.link_local_ips = value_or<Texts>(json, "link_local_ips", {});
    endpoint.default4 = value_or(json, "default4", true);
    endpoint.default6 = value_or(json, "default6", false);
    endpoint.internal = value_or(json, "internal", false);
    endpoint.sysctls = value_or<TextMap>(json, "sysctls", {});
    return endpoint;
}

Json to_json(const compose::Device& device) {
    return {
        {"source", device.source}, {"target", device.target}, {"permissions", device.permissions}};
}

compose::Device device_of(const Json& json) {
    compose::Device device;
    device.source = value_or<std::string>(json, "source", "");
    device.target = value_or<std::string>(json, "target", "");
    device.permissions = value_or<std::string>(json, "permissions", "rwm");
    return device;
}

Json to_json(const SubnetRecord& subnet) {
    return {{"subnet", subnet.subnet},
            {"gateway", subnet.gateway},
            {"range", subnet.range},
            {"reserved", subnet.reserved}};
}

SubnetRecord subnet_of(const Json& json) {
    SubnetRecord subnet;
    subnet.subnet = value_or<std::string>(json, "subnet", "");
    subnet.gateway = value_or<std::string>(json, "gateway", "");
    subnet.range = value_or<std::string>(json, "range", "");
    subnet.reserved = value_or<TextMap>(json, "reserved", {});
    return subnet;
}

template <typename T>
Json list_of(const std::vector<T>& items) {
    Json list = Json::array();
    for (const T& item : items) list.push_back(to_json(item));
    return list;
}

template <typename Decode>
auto read_list(const Json& json, const char* key, Decode decode) {
    std::vector<decltype(decode(json))> items;
    const auto found = json.find(key);
    if (found == json.end()) return items;
    for (const Json& item : *found) items.push_back(decode(item));
    return items;
}

/// Without the members that are empty, or no: to the reader that is what an absent one is, and
/// every command reads the records of all containers.
Json without_empty(const Json& all) {
    Json json = Json::object();
    for (const auto& [key, value] : all.items()) {
        const bool no = value.is_null() || value == Json(false) || value == Json("");
        const bool structure = value.is_object() || value.is_array();
        if (!no && !(structure && value.empty())) json[key] = value;
    }
    return json;
}

Json to_json(const ContainerRecord& record) {
    return {{"version", kVersion},
            {"id", record.id},
            {"name", record.name},
            {"project", record.project},
            {"service", record.service},
            {"number", record.number},
            {"image", record.image},
            {"image_id", record.image_id},
            {"config_hash", record.config_hash},
            {"created", record.created},
            {"working_dir", record.working_dir},
            {"files", record.files},
            {"hostname", record.hostname},
            {"user", record.user},
            {"cwd", record.cwd},
            {"entrypoint", record.entrypoint},
            {"cmd", record.cmd},
            {"env", record.env},
            {"labels", record.labels},
            {"exposed_ports", record.exposed_ports},
            {"ports", list_of(record.ports)},
            {"mounts", mounts_json(record.mounts)},
            {"endpoints", list_of(record.endpoints)},
            {"needs", record.needs},
            {"gates", list_of(record.gates)},
            {"one_off", record.one_off},
            {"restart",
             {{"condition", word_of(record.restart.condition)},
              {"max_attempts", record.restart.max_attempts}}},
            {"logging", {{"driver", record.logging.driver}, {"options", record.logging.options}}},
            {"resources",
             record.resources == compose::Resources{}
                 ? Json()
                 : Json{{"memory_bytes", record.resources.memory_bytes},
                        {"cpus", record.resources.cpus},
                        {"pids", record.resources.pids},
                        {"memory_reservation_bytes", record.resources.memory_reservation_bytes},
                        {"memory_swap_bytes", record.resources.memory_swap_bytes},
                        {"cpu_shares", record.resources.cpu_shares},
                        {"cpu_quota_us", record.resources.cpu_quota_us},
                        {"cpu_period_us", record.resources.cpu_period_us}}},
            {"resolver",
             {{"servers", record.resolver.servers},
              {"options", record.resolver.options},
              {"search", record.resolver.search},
              {"extra_hosts", record.resolver.extra_hosts}}},
            {"privileges", without_empty(privileges_json(record.privileges))},
            {"links", record.links},
            {"network_mode", record.network_mode},
            {"network_container", record.network_container},
            {"network_id", record.network_id},
            {"relay_ports", record.relay_ports},
            {"own_dns", record.own_dns},
            {"read_only", record.read_only},
            {"tty", record.tty},
            {"stdin_open", record.stdin_open},
            {"shm_size_bytes", record.shm_size_bytes},
            {"sharing", without_empty({{"pid", record.sharing.pid},
                                       {"ipc", record.sharing.ipc},
                                       {"uts", record.sharing.uts},
                                       {"cgroup", record.sharing.cgroup}})},
            {"devices", list_of(record.devices)},
            {"cgroup_parent", record.cgroup_parent},
            {"health_check",
             record.health_check ? runtime::to_json(*record.health_check) : Json(nullptr)},
            {"stop_signal", record.stop_signal},
            {"stop_timeout_ms", record.stop_timeout.count()},
            {"post_start", hooks_json(record.post_start)},
            {"pre_stop", hooks_json(record.pre_stop)},
            {"uid_base", record.uid_base},
            {"state_dir", record.state_dir},
            {"log_path", record.log_path}};
}

ContainerRecord container_of(const Json& json) {
    ContainerRecord record;
    record.id = json.at("id").get<std::string>();
    record.name = json.at("name").get<std::string>();
    record.project = json.at("project").get<std::string>();
    record.service = value_or<std::string>(json, "service", "");
    record.number = value_or(json, "number", 1);
    record.image = value_or<std::string>(json, "image", "");
    record.image_id = value_or<std::string>(json, "image_id", "");
    record.config_hash = value_or<std::string>(json, "config_hash", "");
    record.created = value_or<std::string>(json, "created", "");
    record.working_dir = value_or<std::string>(json, "working_dir", "");
    record.files = value_or<Texts>(json, "files", {});
    record.hostname = value_or<std::string>(json, "hostname", "");
    record.user = value_or<std::string>(json, "user", "");
    record.cwd = value_or<std::string>(json, "cwd", "");
    record.entrypoint = value_or<Texts>(json, "entrypoint", {});
    record.cmd = value_or<Texts>(json, "cmd", {});
    record.env = value_or<Texts>(json, "env", {});
    record.labels = value_or<TextMap>(json, "labels", {});
    record.exposed_ports = value_or<Texts>(json, "exposed_ports", {});
    record.ports = read_list(json, "ports", port_of);
    record.mounts = mounts_of(value_or<Json>(json, "mounts", Json::array()));
    record.endpoints = read_list(json, "endpoints", endpoint_of);
    record.needs = value_or<Texts>(json, "needs", {});
    record.gates = read_list(json, "gates", gate_of);
    record.one_off = value_or(json, "one_off", false);
    const Json restart = value_or<Json>(json, "restart", Json::object());
    record.restart.condition = condition_of(value_or<std::string>(restart, "condition", "no"));
    record.restart.max_attempts = value_or(restart, "max_attempts", 0);
    const Json logging = value_or<Json>(json, "logging", Json::object());
    record.logging.driver = value_or<std::string>(logging, "driver", "json-file");
    record.logging.options = value_or<TextMap>(logging, "options", {});
    const Json resources = value_or<Json>(json, "resources", Json::object());
    record.resources.memory_bytes = value_or<std::int64_t>(resources, "memory_bytes", 0);
    record.resources.cpus = value_or(resources, "cpus", 0.0);
    record.resources.pids = value_or<std::int64_t>(resources, "pids", 0);
    record.resources.memory_reservation_bytes =
        value_or<std::int64_t>(resources, "memory_reservation_bytes", 0);
    record.resources.memory_swap_bytes = value_or<std::int64_t>(resources, "memory_swap_bytes", 0);
    record.resources.cpu_shares = value_or<std::int64_t>(resources, "cpu_shares", 0);
    record.resources.cpu_quota_us = value_or<std::int64_t>(resources, "cpu_quota_us", 0);
    record.resources.cpu_period_us = value_or<std::int64_t>(resources, "cpu_period_us", 0);
    const Json resolver = value_or<Json>(json, "resolver", Json::object());
    record.resolver.servers = value_or<Texts>(resolver, "servers", {});
    record.resolver.options = value_or<Texts>(resolver, "options", {});
    record.resolver.search = value_or<Texts>(resolver, "search", {});
    record.resolver.extra_hosts = value_or<Texts>(resolver, "extra_hosts", {});
    record.privileges = privileges_of(value_or<Json>(json, "privileges", Json::object()));
    record.tty = value_or(json, "tty", false);
    record.stdin_open = value_or(json, "stdin_open", false);
    const Json sharing = value_or<Json>(json, "sharing", Json::object());
    record.shm_size_bytes = value_or<std::int64_t>(json, "shm_size_bytes", 0);
    record.sharing.pid = value_or<std::string>(sharing, "pid", "");
    record.sharing.ipc = value_or<std::string>(sharing, "ipc", "");
    record.sharing.uts = value_or<std::string>(sharing, "uts", "");
    record.sharing.cgroup = value_or<std::string>(sharing, "cgroup", "");
    record.devices = read_list(json, "devices", device_of);
    record.post_start = hooks_of(value_or<Json>(json, "post_start", Json::array()));
    record.pre_stop = hooks_of(value_or<Json>(json, "pre_stop", Json::array()));
    record.cgroup_parent = value_or<std::string>(json, "cgroup_parent", "");
    if (const auto check = json.find("health_check"); check != json.end() && check->is_object())
        if (Result<runtime::HealthCheck> read = runtime::health_check_of(*check); read)
            record.health_check = *std::move(read);
    record.links = value_or<Texts>(json, "links", {});
    record.network_mode = value_or<std::string>(json, "network_mode", "");
    record.network_container = value_or<std::string>(json, "network_container", "");
    record.network_id = value_or<std::string>(json, "network_id", "");
    record.relay_ports = value_or(json, "relay_ports", false);
    record.own_dns = value_or(json, "own_dns", false);
    record.read_only = value_or(json, "read_only", false);
    record.stop_signal = value_or<std::string>(json, "stop_signal", "");
    record.stop_timeout =
        std::chrono::milliseconds(value_or<std::int64_t>(json, "stop_timeout_ms", 10000));
    record.uid_base = value_or<std::uint32_t>(json, "uid_base", 0);
    record.state_dir = value_or<std::string>(json, "state_dir", "");
    record.log_path = value_or<std::string>(json, "log_path", "");
    return record;
}

Json to_json(const NetworkRecord& record) {
    return {{"version", kVersion},
            {"name", record.name},
            {"key", record.key},
            {"project", record.project},
            {"bridge", record.bridge},
            {"subnets", list_of(record.subnets)},
            {"config_hash", record.config_hash},
            {"created", record.created},
            {"driver", record.driver},
            {"internal", record.internal},
            {"masquerade", record.masquerade},
            {"icc", record.icc},
            {"mtu", record.mtu},
            {"host_binding", record.host_binding},
            {"prefix", record.prefix},
            {"parent", record.parent},
            {"mode", record.mode},
            {"labels", record.labels},
            {"options", record.options}};
}

NetworkRecord network_of(const Json& json) {
    NetworkRecord record;
    record.name = json.at("name").get<std::string>();
    record.key = value_or<std::string>(json, "key", "");
    record.project = value_or<std::string>(json, "project", "");
    record.bridge = value_or<std::string>(json, "bridge", "");
    record.subnets = read_list(json, "subnets", subnet_of);
    // As records had it when a network had one subnet.
    if (record.subnets.empty() && json.contains("subnet"))
        record.subnets.push_back({value_or<std::string>(json, "subnet", ""),
                                  value_or<std::string>(json, "gateway", ""),
                                  {},
                                  {}});
    record.config_hash = value_or<std::string>(json, "config_hash", "");
    record.created = value_or<std::string>(json, "created", "");
    record.driver = value_or<std::string>(json, "driver", "bridge");
    record.internal = value_or(json, "internal", false);
    record.masquerade = value_or(json, "masquerade", true);
    record.icc = value_or(json, "icc", true);
    record.mtu = value_or(json, "mtu", 0);
    record.host_binding = value_or<std::string>(json, "host_binding", "");
    record.prefix = value_or<std::string>(json, "prefix", "eth");
    record.parent = value_or<std::string>(json, "parent", "");
    record.mode = value_or<std::string>(json, "mode", "");
    record.labels = value_or<TextMap>(json, "labels", {});
    record.options = value_or<TextMap>(json, "options", {});
    return record;
}

Json to_json(const VolumeRecord& record) {
    return {{"version", kVersion},       {"name", record.name},     {"project", record.project},
            {"created", record.created}, {"labels", record.labels}, {"options", record.options}};
}

VolumeRecord volume_of(const Json& json) {
    VolumeRecord record;
    record.name = json.at("name").get<std::string>();
    record.project = value_or<std::string>(json, "project", "");
    record.created = value_or<std::string>(json, "created", "");
    record.labels = value_or<TextMap>(json, "labels", {});
    record.options = value_or<TextMap>(json, "options", {});
    return record;
}

/// The record at `path`; `half_made` where it is not there or not whole. A record that a newer
/// davit wrote stays an error: taking it for half-made would throw away what it says.
template <typename Record, typename Decode>
Result<Record> read_or(const std::string& path, Record half_made, Decode decode) {
    Result<Json> json = read_record(path, kVersion);
    if (!json && (json.error().kind() == ErrorKind::NotFound ||
                  json.error().kind() == ErrorKind::InvalidInput)) {
        log::debug("stack", "record is missing or broken, taken for half-made path={}", path);
        return half_made;
    }
    if (!json) return std::move(json).error();
    Result<Record> record = decode_json(*json, fmt::format("record '{}'", path), decode);
    if (!record && record.error().kind() == ErrorKind::InvalidInput) {
        log::debug("stack", "{}, taken for half-made", record.error().to_string());
        return half_made;
    }
    return record;
}

std::string container_file(const Paths& paths, const std::string& project,
                           const std::string& name) {
    return paths.container(project, name) + "/record.json";
}

}  // namespace

Result<std::map<std::string, ContainerRecord>> read_containers(const Paths& paths,
                                                               const std::string& project) {
    const std::vector<std::string> names = TRY(list_directory(paths.containers(project)));
    std::vector<ContainerRecord> read(names.size());
    const auto read_one = [&](std::size_t i) -> Result<void> {
        ContainerRecord half_made;
        half_made.name = names[i];
        half_made.project = project;
        const std::string path = container_file(paths, project, names[i]);
        read[i] = TRY(read_or(path, half_made, container_of));
        return {};
    };
    TRY(in_parallel(names.size(), kWorthAThread, read_one));
    std::map<std::string, ContainerRecord> records;
    for (std::size_t i = 0; i < names.size(); ++i) records[names[i]] = std::move(read[i]);
    return records;
}

Result<std::map<std::string, NetworkRecord>> read_networks(const Paths& paths,
                                                           const std::string& project) {
    constexpr std::string_view kSuffix = ".json";
    std::map<std::string, NetworkRecord> records;
    for (const std::string& file : TRY(list_directory(paths.networks(project)))) {
        if (!file.ends_with(kSuffix)) continue;  // a temporary file of a killed writer
        NetworkRecord half_made;
        half_made.name = file.substr(0, file.size() - kSuffix.size());
        half_made.project = project;
        const std::string name = half_made.name;
        records[name] = TRY(read_or(paths.networks(project) + "/" + file, half_made, network_of));
    }
    return records;
}

Result<std::map<std::string, VolumeRecord>> read_volumes(const Paths& paths) {
    std::map<std::string, VolumeRecord> records;
    for (const std::string& name : TRY(list_directory(paths.volumes()))) {
        // What begins with a dot is being made or removed.
        if (!name.starts_with('.')) records[name] = TRY(read_volume(paths, name));
    }
    return records;
}

Result<VolumeRecord> read_volume(const Paths& paths, const std::string& name) {
    VolumeRecord bare;
    bare.name = name;
    return read_or(paths.volumes() + "/" + name + "/record.json", bare, volume_of);
}

Result<std::vector<std::string>> list_projects(const Paths& paths) {
    return list_directory(paths.projects());
}

Result<void> write_record(const Paths& paths, const ContainerRecord& record) {
    TRY(make_directories(paths.container(record.project, record.name), 0700));
    return write_json(container_file(paths, record.project, record.name),
                      without_empty(to_json(record)), Sync::Yes);
}

Result<void> write_record(const Paths& paths, const NetworkRecord& record) {
    TRY(make_directories(paths.networks(record.project), 0700));
    return write_json(paths.networks(record.project) + "/" + record.name + ".json", to_json(record),
                      Sync::Yes);
}

Result<void> write_record(const std::string& folder, const VolumeRecord& record) {
    return write_json(folder + "/record.json", to_json(record), Sync::Yes);
}

}  // namespace davit::stack
