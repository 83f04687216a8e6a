#include "compose/config_hash.h"

#include "base/digest.h"
#include "base/json.h"

namespace davit::compose {
namespace {

/// Adds a field where it isn't what it would be without the file saying anything.
template <typename T>
void add(Json& json, const char* key, const T& value) {
    if (value != T{}) json[key] = value;
}

Json to_json(const Port& port) {
    Json json = {{"ip", port.host_ip},
                 {"published", port.published},
                 {"target", port.target},
                 {"protocol", port.protocol}};
    add(json, "published_last", port.published_last);
    return json;
}

/// A network by its name on this host, as with volumes.
Json to_json(const Project& project, const Attachment& attachment) {
    const auto network = project.networks.find(attachment.network);
    Json json = {
        {"network", network == project.networks.end() ? attachment.network : network->second.name}};
    add(json, "aliases", attachment.aliases);
    add(json, "ipv4", attachment.ipv4_address);
    add(json, "ipv6", attachment.ipv6_address);
    add(json, "link_local_ips", attachment.link_local_ips);
    add(json, "mac", attachment.mac_address);
    add(json, "interface", attachment.interface_name);
    add(json, "driver_opts", attachment.driver_opts);
    add(json, "priority", attachment.priority);
    add(json, "gw_priority", attachment.gw_priority);
    return json;
}

Json to_json(const AddressPool& pool) {
    Json json = Json::object();
    add(json, "subnet", pool.subnet);
    add(json, "ip_range", pool.ip_range);
    add(json, "gateway", pool.gateway);
    add(json, "aux_addresses", pool.aux_addresses);
    return json;
}

/// A volume by its name on this host: another volume under the same key is a change.
Json to_json(const Project& project, const Mount& mount) {
    std::string source = mount.source;
    if (mount.type == MountType::Volume) {
        const auto volume = project.volumes.find(mount.source);
        if (volume != project.volumes.end()) source = volume->second.name;
    }
    Json json = {{"type", mount.type == MountType::Bind     ? "bind"
                          : mount.type == MountType::Volume ? "volume"
                                                            : "image"},
                 {"source", source},
                 {"target", mount.target}};
    add(json, "read_only", mount.read_only);
    if (!mount.create_host_path) json["create_host_path"] = false;
    add(json, "propagation", mount.propagation);
    add(json, "recursive", mount.recursive);
    add(json, "no_copy", mount.no_copy);
    add(json, "subpath", mount.subpath);
    return json;
}

Json to_json(const BlockIo& limits) {
    Json json = {{"weight", limits.weight}};
    const auto list = [&](const char* key, const std::vector<BlockLimit>& devices) {
        for (const BlockLimit& device : devices) json[key].push_back({device.path, device.value});
    };
    list("weight_device", limits.weight_device);
    list("read_bps", limits.read_bps);
    list("read_iops", limits.read_iops);
    list("write_bps", limits.write_bps);
    list("write_iops", limits.write_iops);
    return json;
}

Json to_json(const HealthCheck& check) {
    Json json = Json::object();
    add(json, "disabled", check.disabled);
    if (check.test) json["test"] = *check.test;
    const auto time = [&](const char* key, const std::optional<std::chrono::microseconds>& value) {
        if (value) json[key] = value->count();
    };
    time("interval", check.interval);
    time("timeout", check.timeout);
    time("start_period", check.start_period);
    time("start_interval", check.start_interval);
    if (check.retries) json["retries"] = *check.retries;
    return json;
}

/// Where a service is whose file says nothing of networks.
bool only_on_default(const Project& project, const Service& service) {
    if (service.networks != std::vector<Attachment>{Attachment{.network = "default"}}) return false;
    const auto network = project.networks.find("default");
    return network != project.networks.end() && network->second.name == project.name + "_default";
}

/// What isn't said counts as it always has, so that an update recreates nothing.
std::uint32_t id_or_root(const std::optional<std::uint32_t>& id) { return id.value_or(0); }

Json to_json(const std::vector<Hook>& hooks) {
    Json list = Json::array();
    for (const Hook& hook : hooks) {
        Json json = {{"command", hook.command}};
        add(json, "image", hook.image);
        add(json, "user", hook.user);
        add(json, "working_dir", hook.working_dir);
        add(json, "privileged", hook.privileged);
        add(json, "environment", hook.environment);
        list.push_back(std::move(json));
    }
    return list;
}

const char* name_of(RestartPolicy::Condition condition) {
    switch (condition) {
        case RestartPolicy::Condition::No: return "no";
        case RestartPolicy::Condition::Always: return "always";
        case RestartPolicy::Condition::OnFailure: return "on-failure";
        case RestartPolicy::Condition::UnlessStopped: return "unless-stopped";
    }
    return "?";
}

/// Text that may be any bytes (an environment variable), in a form that JSON takes.
std::string digest_of(const Json& json) {
    return sha256_hex(json.dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace

std::string config_hash(const Project& project, const Service& service) {
    Json json;
    json["image"] = service.image;
    if (service.command) json["command"] = *service.command;
    if (service.entrypoint) json["entrypoint"] = *service.entrypoint;
    add(json, "environment", service.environment);
    add(json, "working_dir", service.working_dir);
    add(json, "user", service.user);
    add(json, "hostname", service.hostname);
    add(json, "container_name", service.container_name);
    for (const Port& port : service.ports) json["ports"].push_back(to_json(port));
    for (const Mount& mount : service.volumes) json["volumes"].push_back(to_json(project, mount));
    if (service.restart != RestartPolicy{})
        json["restart"] = {{"condition", name_of(service.restart.condition)},
                           {"max_attempts", service.restart.max_attempts}};
    add(json, "labels", service.labels);
    if (service.logging != Logging{})
        json["logging"] = {{"driver", service.logging.driver},
                           {"options", service.logging.options}};
    add(json, "memory_bytes", service.resources.memory_bytes);
    add(json, "cpus", service.resources.cpus);
    add(json, "pids", service.resources.pids);
    const Resources& limits = service.resources;
    add(json, "memory_reservation_bytes", limits.memory_reservation_bytes);
    add(json, "memory_swap_bytes", limits.memory_swap_bytes);
    add(json, "cpu_shares", limits.cpu_shares);
    add(json, "cpu_quota_us", limits.cpu_quota_us);
    add(json, "cpu_period_us", limits.cpu_period_us);
    add(json, "cpu_rt_runtime_us", limits.cpu_realtime_runtime_us);
    add(json, "cpu_rt_period_us", limits.cpu_realtime_period_us);
    add(json, "cpuset", limits.cpuset);
    if (limits.block_io != BlockIo{}) json["block_io"] = to_json(limits.block_io);
    const Privileges& privileges = service.privileges;
    add(json, "cap_add", privileges.cap_add);
    add(json, "cap_drop", privileges.cap_drop);
    add(json, "no_new_privileges", privileges.no_new_privileges);
    add(json, "unfiltered", privileges.unfiltered);
    add(json, "unmasked_paths", privileges.unmasked_paths);
    add(json, "host_users", privileges.host_users);
    add(json, "privileged", privileges.privileged);
    add(json, "seccomp_profile", privileges.seccomp_profile);
    add(json, "apparmor_profile", privileges.apparmor_profile);
    if (!privileges.selinux_parts.empty()) json["selinux_parts"] = privileges.selinux_parts;
    if (service.healthcheck) json["healthcheck"] = to_json(*service.healthcheck);
    for (const Device& device : service.devices)
        json["devices"].push_back({device.source, device.target, device.permissions});
    for (const CdiDevice& device : service.cdi_devices)
        json["cdi_devices"].push_back({device.name, device.attribute});
    add(json, "storage_bytes", service.storage_bytes);
    add(json, "device_cgroup_rules", service.device_cgroup_rules);
    add(json, "pid", service.sharing.pid);
    add(json, "ipc", service.sharing.ipc);
    add(json, "uts", service.sharing.uts);
    add(json, "cgroup", service.sharing.cgroup);
    add(json, "cgroup_parent", service.cgroup_parent);
    add(json, "tty", service.tty);
    add(json, "stdin_open", service.stdin_open);
    add(json, "dns", service.resolver.servers);
    add(json, "dns_opt", service.resolver.options);
    add(json, "dns_search", service.resolver.search);
    add(json, "extra_hosts", service.resolver.extra_hosts);
    add(json, "domainname", service.domainname);
    add(json, "group_add", service.group_add);
    for (const auto& [name, limit] : service.ulimits)
        json["ulimits"][name] = {limit.soft, limit.hard};
    add(json, "sysctls", service.sysctls);
    add(json, "annotations", service.annotations);
    for (const Tmpfs& tmpfs : service.tmpfs)
        json["tmpfs"].push_back({{"target", tmpfs.target}, {"options", tmpfs.options}});
    for (const InlineFile& file : service.inline_files)
        json["files"].push_back(
            {file.target, file.content, id_or_root(file.uid), id_or_root(file.gid), file.mode});
    add(json, "shm_size_bytes", service.shm_size_bytes);
    if (service.oom_score_adj) json["oom_score_adj"] = *service.oom_score_adj;
    add(json, "read_only", service.read_only);
    add(json, "init", service.init);
    if (!only_on_default(project, service))
        for (const Attachment& one : service.networks)
            json["networks"].push_back(to_json(project, one));
    if (service.network_mode == "none")
        json["no_network"] = true;  // what it was called first
    else
        add(json, "network_mode", service.network_mode);
    add(json, "links", service.links);
    add(json, "external_links", service.external_links);
    add(json, "expose", service.expose);
    add(json, "relay_ports", service.relay_ports);
    add(json, "stop_signal", service.stop_signal);
    if (service.stop_grace_period)
        json["stop_grace_period_us"] = service.stop_grace_period->count();
    if (!service.pre_start.empty()) json["pre_start"] = to_json(service.pre_start);
    if (!service.post_start.empty()) json["post_start"] = to_json(service.post_start);
    if (!service.pre_stop.empty()) json["pre_stop"] = to_json(service.pre_stop);
    add(json, "data_root", service.data_root);
    return digest_of(json);
}

std::string config_hash(const Network& network) {
    Json json;
    json["name"] = network.name;
    // As it was when a network had nothing but a subnet, so that an update changes no network.
    const bool plain = network.pools.size() == 1 &&
                       network.pools.front() == AddressPool{.subnet = network.pools.front().subnet};
    if (plain)
        json["subnet"] = network.pools.front().subnet;
    else
        for (const AddressPool& pool : network.pools) json["pools"].push_back(to_json(pool));
    add(json, "labels", network.labels);
    if (network.driver != "bridge") json["driver"] = network.driver;
    add(json, "driver_opts", network.driver_opts);
    add(json, "internal", network.internal);
    if (!network.ipv4) json["ipv4"] = false;
    add(json, "ipv6", network.ipv6);
    return digest_of(json);
}

}  // namespace davit::compose
