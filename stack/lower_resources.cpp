#include "base/strings.h"
#include "stack/lower_config.h"

#include <cmath>

// Limits and devices of a container. @source OCI runtime-spec config-linux.md "Control groups"
namespace davit::stack {
namespace {

void add_memory(const compose::Resources& limits, Json& resources) {
    if (limits.memory_bytes > 0) {
        // As Docker: as much swap again as memory, where the file doesn't say.
        const std::int64_t swap =
            limits.memory_swap_bytes != 0 ? limits.memory_swap_bytes : limits.memory_bytes * 2;
        resources["memory"] = {{"limit", limits.memory_bytes}, {"swap", swap}};
    }
    if (limits.memory_reservation_bytes > 0)
        resources["memory"]["reservation"] = limits.memory_reservation_bytes;
}

void add_cpu(const compose::Resources& limits, Json& resources) {
    if (limits.cpus > 0) {
        constexpr long kPeriodUs = 100000;
        resources["cpu"] = {{"quota", std::lround(limits.cpus * kPeriodUs)}, {"period", kPeriodUs}};
    } else {
        if (limits.cpu_quota_us > 0) resources["cpu"]["quota"] = limits.cpu_quota_us;
        if (limits.cpu_period_us > 0) resources["cpu"]["period"] = limits.cpu_period_us;
    }
    if (limits.cpu_shares > 0) resources["cpu"]["shares"] = limits.cpu_shares;
    if (!limits.cpuset.empty()) resources["cpu"]["cpus"] = limits.cpuset;
    if (limits.cpu_realtime_period_us > 0)
        resources["cpu"]["realtimePeriod"] = limits.cpu_realtime_period_us;
    if (limits.cpu_realtime_runtime_us > 0)
        resources["cpu"]["realtimeRuntime"] = limits.cpu_realtime_runtime_us;
}

void add_block_io(const ContainerInputs& in, Json& resources) {
    const compose::BlockIo& limits = in.wanted->config.resources.block_io;
    if (limits == compose::BlockIo{}) return;
    Json block = Json::object();
    if (limits.weight > 0) block["weight"] = limits.weight;
    const auto add = [&](const char* key, const char* value,
                         const std::vector<compose::BlockLimit>& devices) {
        for (const compose::BlockLimit& device : devices) {
            const DeviceNumber& number = in.block_devices.at(device.path);
            block[key].push_back(
                {{"major", number.major}, {"minor", number.minor}, {value, device.value}});
        }
    };
    add("weightDevice", "weight", limits.weight_device);
    add("throttleReadBpsDevice", "rate", limits.read_bps);
    add("throttleReadIOPSDevice", "rate", limits.read_iops);
    add("throttleWriteBpsDevice", "rate", limits.write_bps);
    add("throttleWriteIOPSDevice", "rate", limits.write_iops);
    resources["blockIO"] = std::move(block);
}

Json rule_json(char type, std::optional<std::int64_t> major, std::optional<std::int64_t> minor,
               const std::string& access) {
    Json rule = {{"allow", true}, {"type", std::string(1, type)}, {"access", access}};
    if (major) rule["major"] = *major;
    if (minor) rule["minor"] = *minor;
    return rule;
}

/// "c 1:3 rwm"; checked when it was read.
Json rule_of(const std::string& text) {
    const std::vector<std::string> parts = split(text, ' ');
    const std::vector<std::string> numbers = split(parts.at(1), ':');
    return rule_json(parts.at(0).front(), parse_integer(numbers.at(0)),
                     parse_integer(numbers.at(1)), parts.at(2));
}

Json device_rules(const ContainerInputs& in) {
    const compose::Service& service = in.wanted->config;
    if (service.privileges.privileged)
        return Json::array({Json{{"allow", true}, {"access", "rwm"}}});
    Json rules = Json::array({Json{{"allow", false}, {"access", "rwm"}}});
    const auto allow = [&](char type, std::optional<std::int64_t> major,
                           std::optional<std::int64_t> minor, const std::string& access) {
        rules.push_back(rule_json(type, major, minor, access));
    };
    allow('c', {}, {}, "m");
    allow('b', {}, {}, "m");
    for (const int minor : {3, 5, 7, 8, 9}) allow('c', 1, minor, "rwm");
    for (const int minor : {0, 1, 2}) allow('c', 5, minor, "rwm");
    allow('c', 136, {}, "rwm");
    for (const DeviceNode& device : in.devices)
        allow(device.type, device.number.major, device.number.minor, device.permissions);
    for (const std::string& rule : service.device_cgroup_rules) rules.push_back(rule_of(rule));
    return rules;
}

}  // namespace

Json resources_json(const ContainerInputs& in) {
    const compose::Resources& limits = in.wanted->config.resources;
    Json resources = Json::object();
    add_memory(limits, resources);
    add_cpu(limits, resources);
    if (limits.pids > 0) resources["pids"] = {{"limit", limits.pids}};
    add_block_io(in, resources);
    resources["devices"] = device_rules(in);
    return resources;
}

Json devices_json(const ContainerInputs& in) {
    Json devices = Json::array();
    if (in.uid_base != 0) return devices;  // made beforehand, and bound: see mounts_json
    for (const DeviceNode& device : in.devices)
        devices.push_back({{"path", device.target},
                           {"type", std::string(1, device.type)},
                           {"major", device.number.major},
                           {"minor", device.number.minor},
                           {"fileMode", device.mode},
                           {"uid", device.uid},
                           {"gid", device.gid}});
    return devices;
}

}  // namespace davit::stack
