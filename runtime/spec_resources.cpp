#include "runtime/spec_resources.h"

#include "runtime/spec_json.h"

namespace davit::runtime {
namespace {

std::vector<SpecBlockDevice> block_devices(const Json& json, const char* key, const char* value) {
    std::vector<SpecBlockDevice> list;
    for (const Json& entry : array_at(json, key)) {
        SpecBlockDevice device;
        device.major = entry.at("major").get<std::int64_t>();
        device.minor = entry.at("minor").get<std::int64_t>();
        device.value = number_at<std::uint64_t>(entry, value).value_or(0);
        list.push_back(device);
    }
    return list;
}

Result<SpecDeviceRule> parse_rule(const Json& entry) {
    SpecDeviceRule rule;
    rule.allow = entry.at("allow").get<bool>();
    const std::string type = string_or(entry, "type", "a");
    rule.type = type.empty() ? 'a' : type.front();
    rule.major = number_at<std::int64_t>(entry, "major");
    rule.minor = number_at<std::int64_t>(entry, "minor");
    // In rules -1 stands for all as well.
    if (rule.major && *rule.major < 0) rule.major.reset();
    if (rule.minor && *rule.minor < 0) rule.minor.reset();
    rule.access = string_or(entry, "access", "rwm");
    if (rule.access.empty()) rule.access = "rwm";
    if (type.size() > 1 || std::string_view("abcup").find(rule.type) == std::string_view::npos)
        return invalid_spec(fmt::format("a device rule has the unknown type '{}'", type));
    if (rule.access.find_first_not_of("rwm") != std::string::npos)
        return invalid_spec(fmt::format("a device rule has the unknown access '{}'", rule.access));
    if (rule.type == 'a' && (rule.major || rule.minor))
        return invalid_spec("a device rule for all types can't name a device");
    if (rule.type == 'u') rule.type = 'c';  // mknod(1) calls unbuffered ones so
    return rule;
}

void parse_memory(const Json& memory, SpecResources& resources) {
    resources.memory_limit = number_at<std::int64_t>(memory, "limit");
    resources.memory_swap = number_at<std::int64_t>(memory, "swap");
    resources.memory_reservation = number_at<std::int64_t>(memory, "reservation");
    resources.memory_kernel = number_at<std::int64_t>(memory, "kernel");
    resources.memory_kernel_tcp = number_at<std::int64_t>(memory, "kernelTCP");
    resources.memory_swappiness = number_at<std::uint64_t>(memory, "swappiness");
    resources.disable_oom_killer = memory.value("disableOOMKiller", false);
}

void parse_cpu(const Json& cpu, SpecResources& resources) {
    resources.cpu_shares = number_at<std::uint64_t>(cpu, "shares");
    resources.cpu_quota_us = number_at<std::int64_t>(cpu, "quota");
    resources.cpu_period_us = number_at<std::uint64_t>(cpu, "period");
    resources.cpu_burst_us = number_at<std::uint64_t>(cpu, "burst");
    resources.cpu_rt_runtime_us = number_at<std::int64_t>(cpu, "realtimeRuntime");
    resources.cpu_rt_period_us = number_at<std::uint64_t>(cpu, "realtimePeriod");
    resources.cpu_idle = number_at<std::int64_t>(cpu, "idle");
    resources.cpus = string_or(cpu, "cpus");
    resources.mems = string_or(cpu, "mems");
}

void parse_block_io(const Json& io, SpecResources& resources) {
    resources.block_io.weight = number_at<std::uint64_t>(io, "weight");
    resources.block_io.leaf_weight = number_at<std::uint64_t>(io, "leafWeight");
    for (const Json& entry : array_at(io, "weightDevice")) {
        SpecBlockDevice device;
        device.major = entry.at("major").get<std::int64_t>();
        device.minor = entry.at("minor").get<std::int64_t>();
        const auto add = [&](const char* key, std::vector<SpecBlockDevice>& list) {
            device.value = number_at<std::uint64_t>(entry, key).value_or(0);
            if (device.value != 0) list.push_back(device);
        };
        add("weight", resources.block_io.weight_devices);
        add("leafWeight", resources.block_io.leaf_weight_devices);
    }
    resources.block_io.read_bps = block_devices(io, "throttleReadBpsDevice", "rate");
    resources.block_io.write_bps = block_devices(io, "throttleWriteBpsDevice", "rate");
    resources.block_io.read_iops = block_devices(io, "throttleReadIOPSDevice", "rate");
    resources.block_io.write_iops = block_devices(io, "throttleWriteIOPSDevice", "rate");
}

}  // namespace

Result<SpecResources> parse_resources(const Json& json) {
    SpecResources resources;
    parse_memory(object_at(json, "memory"), resources);
    parse_cpu(object_at(json, "cpu"), resources);
    parse_block_io(object_at(json, "blockIO"), resources);
    resources.pids_limit = number_at<std::int64_t>(object_at(json, "pids"), "limit");
    for (const Json& entry : array_at(json, "hugepageLimits"))
        resources.huge_pages[entry.at("pageSize").get<std::string>()] =
            entry.at("limit").get<std::uint64_t>();
    const Json& network = object_at(json, "network");
    resources.net_class = number_at<std::uint32_t>(network, "classID");
    for (const Json& entry : array_at(network, "priorities"))
        resources.net_priorities[entry.at("name").get<std::string>()] =
            entry.at("priority").get<std::uint32_t>();
    for (const auto& [device, limits] : object_at(json, "rdma").items())
        resources.rdma[device] = {number_at<std::uint64_t>(limits, "hcaHandles"),
                                  number_at<std::uint64_t>(limits, "hcaObjects")};
    resources.unified = object_at(json, "unified").get<std::map<std::string, std::string>>();
    for (const auto& [file, value] : resources.unified) {
        if (file.empty() || file.find('/') != std::string::npos || file.starts_with('.') ||
            file.starts_with("cgroup."))
            return invalid_spec(fmt::format("'{}' in unified is no file of a controller", file));
    }
    for (const Json& entry : array_at(json, "devices"))
        resources.devices.push_back(TRY(parse_rule(entry)));
    return resources;
}

std::vector<SpecDeviceRule> effective_device_rules(const std::vector<SpecDeviceRule>& rules) {
    std::vector<SpecDeviceRule> list = {{.allow = false}};
    list.insert(list.end(), rules.begin(), rules.end());
    const auto allow = [&](char type, std::optional<std::int64_t> major,
                           std::optional<std::int64_t> minor, const char* access) {
        list.push_back({true, type, major, minor, access});
    };
    // A node may be made, but not opened.
    allow('c', {}, {}, "m");
    allow('b', {}, {}, "m");
    for (const int minor : {3, 5, 7, 8, 9}) allow('c', 1, minor, "rwm");  // null … urandom
    for (const int minor : {0, 1, 2}) allow('c', 5, minor, "rwm");        // tty, console, ptmx
    allow('c', 136, {}, "rwm");                                           // pts
    return list;
}

}  // namespace davit::runtime
