#include "runtime/cgroup.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

// What of `linux.resources` goes into which control file: pure, for both versions of cgroups.

namespace davit::runtime {
namespace {

std::string device_rule(const SpecDeviceRule& rule) {
    const auto number = [](const std::optional<std::int64_t>& n) {
        return n ? fmt::format("{}", *n) : std::string("*");
    };
    if (rule.type == 'a') return "a";
    return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor),
                       rule.access);
}

/// cpu.shares 2…262144 as cpu.weight 1…10000, so that the two defaults, 1024 and 100, meet.
/// @source opencontainers/cgroups ConvertCPUSharesToCgroupV2Value
std::uint64_t weight_of(std::uint64_t shares) {
    if (shares <= 2) return 1;
    if (shares >= 262144) return 10000;
    const double l = std::log2(static_cast<double>(shares));
    return static_cast<std::uint64_t>(
        std::ceil(std::pow(10.0, (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0)));
}

/// blkio weight 10…1000 as io.weight 1…10000.
/// @source opencontainers/cgroups ConvertBlkIOToIOWeightValue
std::uint64_t io_weight_of(std::uint64_t weight) {
    const std::uint64_t bounded = std::clamp<std::uint64_t>(weight, 10, 1000);
    return 1 + (bounded - 10) * 9999 / 990;
}

std::string limit_or_max(std::int64_t limit) {
    return limit < 0 ? std::string("max") : fmt::format("{}", limit);
}

class Writes {
public:
    Writes(const SpecResources& wanted, bool v2) : wanted_(wanted), v2_(v2) {}

    std::vector<ControlWrite> all() && {
        memory();
        cpu();
        cpuset();
        if (wanted_.pids_limit)
            add("pids", "pids.max",
                *wanted_.pids_limit <= 0 ? "max" : fmt::format("{}", *wanted_.pids_limit));
        block_io();
        for (const auto& [size, bytes] : wanted_.huge_pages)
            add("hugetlb", fmt::format("hugetlb.{}.{}", size, v2_ ? "max" : "limit_in_bytes"),
                fmt::format("{}", bytes));
        network();
        rdma();
        for (const auto& [file, value] : wanted_.unified) add("", file, value);
        if (!v2_) {
            for (const SpecDeviceRule& rule : wanted_.devices)
                add("devices", rule.allow ? "devices.allow" : "devices.deny", device_rule(rule));
        }
        return std::move(list_);
    }

private:
    void add(const char* v1_controller, std::string file, std::string value) {
        list_.push_back({v2_ ? std::string() : std::string(v1_controller),
                         std::move(file),
                         std::move(value),
                         {},
                         {}});
    }
    void add_or(const char* v1_controller, std::string file, std::string value,
                std::string other_file, std::string other_value) {
        add(v1_controller, std::move(file), std::move(value));
        list_.back().other_file = std::move(other_file);
        list_.back().other_value = std::move(other_value);
    }

    void memory() {
        const std::int64_t limit = wanted_.memory_limit.value_or(0);
        if (limit != 0)
            add("memory", v2_ ? "memory.max" : "memory.limit_in_bytes",
                v2_ ? limit_or_max(limit) : fmt::format("{}", limit));
        const std::int64_t total = wanted_.memory_swap.value_or(0);
        // v1 counts memory and swap together, v2 swap alone.
        if (total != 0 && !v2_)
            add("memory", "memory.memsw.limit_in_bytes", fmt::format("{}", total));
        if (total != 0 && v2_)
            add("memory", "memory.swap.max",
                total < 0 ? "max"
                          : fmt::format("{}", std::max<std::int64_t>(
                                                  total - std::max<std::int64_t>(limit, 0), 0)));
        if (wanted_.memory_reservation.value_or(0) != 0)
            add("memory", v2_ ? "memory.low" : "memory.soft_limit_in_bytes",
                v2_ ? limit_or_max(*wanted_.memory_reservation)
                    : fmt::format("{}", *wanted_.memory_reservation));
        if (wanted_.memory_kernel_tcp && !v2_)
            add("memory", "memory.kmem.tcp.limit_in_bytes",
                fmt::format("{}", *wanted_.memory_kernel_tcp));
        // v2 has neither; `create` says so.
        if (wanted_.memory_swappiness && !v2_)
            add("memory", "memory.swappiness", fmt::format("{}", *wanted_.memory_swappiness));
        if (wanted_.disable_oom_killer && !v2_) add("memory", "memory.oom_control", "1");
    }

    void cpu() {
        if (wanted_.cpu_shares.value_or(0) > 0)
            add("cpu", v2_ ? "cpu.weight" : "cpu.shares",
                fmt::format("{}", v2_ ? weight_of(*wanted_.cpu_shares) : *wanted_.cpu_shares));
        if (wanted_.cpu_idle) add("cpu", "cpu.idle", fmt::format("{}", *wanted_.cpu_idle));
        const std::int64_t quota = wanted_.cpu_quota_us.value_or(0);
        const std::uint64_t period = wanted_.cpu_period_us.value_or(0);
        if (v2_ && (quota != 0 || period != 0)) {
            constexpr std::uint64_t kDefaultPeriod = 100000;
            add("", "cpu.max",
                fmt::format("{} {}", quota > 0 ? fmt::format("{}", quota) : "max",
                            period != 0 ? period : kDefaultPeriod));
        }
        if (!v2_ && period != 0) add("cpu", "cpu.cfs_period_us", fmt::format("{}", period));
        if (!v2_ && quota != 0) add("cpu", "cpu.cfs_quota_us", fmt::format("{}", quota));
        if (wanted_.cpu_burst_us)
            add("cpu", v2_ ? "cpu.max.burst" : "cpu.cfs_burst_us",
                fmt::format("{}", *wanted_.cpu_burst_us));
        if (wanted_.cpu_rt_period_us.value_or(0) != 0)
            add("cpu", "cpu.rt_period_us", fmt::format("{}", *wanted_.cpu_rt_period_us));
        if (wanted_.cpu_rt_runtime_us.value_or(0) != 0)
            add("cpu", "cpu.rt_runtime_us", fmt::format("{}", *wanted_.cpu_rt_runtime_us));
    }

    void cpuset() {
        if (!wanted_.cpus.empty()) add("cpuset", "cpuset.cpus", wanted_.cpus);
        if (!wanted_.mems.empty()) add("cpuset", "cpuset.mems", wanted_.mems);
    }

    void block_io() {
        const SpecBlockIo& io = wanted_.block_io;
        if (io.weight.value_or(0) != 0) {
            const std::string plain = fmt::format("{}", *io.weight);
            if (v2_)
                add_or("", "io.bfq.weight", plain, "io.weight",
                       fmt::format("{}", io_weight_of(*io.weight)));
            else
                add_or("blkio", "blkio.bfq.weight", plain, "blkio.weight", plain);
        }
        for (const SpecBlockDevice& device : io.weight_devices) {
            const std::string plain =
                fmt::format("{}:{} {}", device.major, device.minor, device.value);
            if (v2_)
                add_or("", "io.bfq.weight", plain, "io.weight",
                       fmt::format("{}:{} {}", device.major, device.minor,
                                   io_weight_of(device.value)));
            else
                add_or("blkio", "blkio.bfq.weight_device", plain, "blkio.weight_device", plain);
        }
        if (io.leaf_weight.value_or(0) != 0)
            add("blkio", "blkio.leaf_weight", fmt::format("{}", *io.leaf_weight));
        for (const SpecBlockDevice& device : io.leaf_weight_devices)
            add("blkio", "blkio.leaf_weight_device",
                fmt::format("{}:{} {}", device.major, device.minor, device.value));
        throttle(io.read_bps, "blkio.throttle.read_bps_device", "rbps");
        throttle(io.write_bps, "blkio.throttle.write_bps_device", "wbps");
        throttle(io.read_iops, "blkio.throttle.read_iops_device", "riops");
        throttle(io.write_iops, "blkio.throttle.write_iops_device", "wiops");
    }

    void throttle(const std::vector<SpecBlockDevice>& devices, const char* v1, const char* v2) {
        for (const SpecBlockDevice& device : devices)
            add("blkio", v2_ ? "io.max" : v1,
                v2_ ? fmt::format("{}:{} {}={}", device.major, device.minor, v2,
                                  device.value == 0 ? "max" : fmt::format("{}", device.value))
                    : fmt::format("{}:{} {}", device.major, device.minor, device.value));
    }

    void network() {
        if (wanted_.net_class)
            add("net_cls", "net_cls.classid", fmt::format("{}", *wanted_.net_class));
        for (const auto& [link, priority] : wanted_.net_priorities)
            add("net_prio", "net_prio.ifpriomap", fmt::format("{} {}", link, priority));
    }

    void rdma() {
        const auto number = [](const std::optional<std::uint64_t>& n) {
            return n ? fmt::format("{}", *n) : std::string("max");
        };
        for (const auto& [device, limits] : wanted_.rdma)
            add("rdma", "rdma.max",
                fmt::format("{} hca_handle={} hca_object={}", device, number(limits.handles),
                            number(limits.objects)));
    }

    const SpecResources& wanted_;
    bool v2_;
    std::vector<ControlWrite> list_;
};

}  // namespace

std::vector<ControlWrite> control_writes(const SpecResources& resources, bool v2) {
    return Writes(resources, v2).all();
}

}  // namespace davit::runtime
