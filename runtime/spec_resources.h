#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What a container may use: `linux.resources` as plain values.
/// @source OCI runtime-spec config-linux.md "Control groups"
namespace davit::runtime {

struct SpecDeviceRule {
    bool allow = false;
    char type = 'a';                         ///< 'a', 'b' or 'c'
    std::optional<std::int64_t> major = {};  ///< Absent: all.
    std::optional<std::int64_t> minor = {};
    std::string access = "rwm";
};

/// A rate or weight of one block device.
struct SpecBlockDevice {
    std::int64_t major = 0;
    std::int64_t minor = 0;
    std::uint64_t value = 0;  ///< Weight, bytes or operations a second.
};

struct SpecBlockIo {
    std::optional<std::uint64_t> weight = {};  ///< 10…1000
    std::optional<std::uint64_t> leaf_weight = {};
    std::vector<SpecBlockDevice> weight_devices = {};
    std::vector<SpecBlockDevice> leaf_weight_devices = {};
    std::vector<SpecBlockDevice> read_bps = {};
    std::vector<SpecBlockDevice> write_bps = {};
    std::vector<SpecBlockDevice> read_iops = {};
    std::vector<SpecBlockDevice> write_iops = {};
};

struct SpecRdma {
    std::optional<std::uint64_t> handles = {};
    std::optional<std::uint64_t> objects = {};
};

struct SpecResources {
    std::optional<std::int64_t> memory_limit = {};  ///< Bytes; -1: no limit.
    std::optional<std::int64_t> memory_swap = {};   ///< Bytes, memory included; -1: no limit.
    std::optional<std::int64_t> memory_reservation = {};
    std::optional<std::int64_t> memory_kernel = {};
    std::optional<std::int64_t> memory_kernel_tcp = {};
    std::optional<std::uint64_t> memory_swappiness = {};  ///< 0…100
    bool disable_oom_killer = false;
    std::optional<std::uint64_t> cpu_shares = {};
    std::optional<std::int64_t> cpu_quota_us = {};  ///< Below 0: no limit.
    std::optional<std::uint64_t> cpu_period_us = {};
    std::optional<std::uint64_t> cpu_burst_us = {};
    std::optional<std::int64_t> cpu_rt_runtime_us = {};
    std::optional<std::uint64_t> cpu_rt_period_us = {};
    std::optional<std::int64_t> cpu_idle = {};
    std::string cpus = {};                        ///< "0-2,7"
    std::string mems = {};                        ///< Memory nodes, as `cpus`.
    std::optional<std::int64_t> pids_limit = {};  ///< <= 0: no limit.
    SpecBlockIo block_io = {};
    std::map<std::string, std::uint64_t> huge_pages = {};  ///< {"2MB", bytes}
    std::optional<std::uint32_t> net_class = {};
    std::map<std::string, std::uint32_t> net_priorities = {};
    std::map<std::string, SpecRdma> rdma = {};
    std::map<std::string, std::string> unified = {};  ///< Files of cgroup v2, written as they are.
    std::vector<SpecDeviceRule> devices = {};
};

/// Decodes a `linux.resources` object. @errors InvalidInput; throws what the JSON library throws,
/// for decode_json
Result<SpecResources> parse_resources(const Json& json);

/// The device rules in force: nothing but what `rules` and the default devices allow.
/// @source config-linux.md "Default Devices"; runc's allowed devices
std::vector<SpecDeviceRule> effective_device_rules(const std::vector<SpecDeviceRule>& rules);

}  // namespace davit::runtime
