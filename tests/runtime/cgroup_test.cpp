#include "runtime/cgroup.h"

#include "runtime/device_filter.h"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>

using namespace davit::runtime;

namespace {
using Writes = std::vector<ControlWrite>;
}

TEST_CASE("no limits make no writes") {
    CHECK(control_writes({}, true).empty());
    CHECK(control_writes({}, false).empty());
    SpecResources nothing;
    nothing.memory_limit = 0;
    nothing.cpu_quota_us = 0;
    nothing.cpu_shares = 0;
    CHECK(control_writes(nothing, true).empty());
}

TEST_CASE("limits become the files of cgroup v2") {
    SpecResources limits;
    limits.memory_limit = 1000;
    limits.memory_swap = 3000;
    limits.memory_reservation = 500;
    limits.cpu_shares = 1024;
    limits.cpu_quota_us = 50000;
    limits.pids_limit = 42;
    limits.devices = {{.allow = false}};
    CHECK(control_writes(limits, true) == Writes{{"", "memory.max", "1000", "", ""},
                                                 {"", "memory.swap.max", "2000", "", ""},
                                                 {"", "memory.low", "500", "", ""},
                                                 {"", "cpu.weight", "100", "", ""},
                                                 {"", "cpu.max", "50000 100000", "", ""},
                                                 {"", "pids.max", "42", "", ""}});
}

TEST_CASE("limits become the files of cgroup v1") {
    SpecResources limits;
    limits.memory_limit = 1000;
    limits.memory_swap = 3000;
    limits.memory_reservation = 500;
    limits.cpu_shares = 1024;
    limits.cpu_quota_us = 50000;
    limits.cpu_period_us = 20000;
    limits.pids_limit = -1;
    limits.devices = {{.allow = false},
                      {.allow = true, .type = 'c', .major = 1, .minor = 3, .access = "rw"},
                      {.allow = true, .type = 'b', .access = "m"}};
    CHECK(control_writes(limits, false) ==
          Writes{{"memory", "memory.limit_in_bytes", "1000", "", ""},
                 {"memory", "memory.memsw.limit_in_bytes", "3000", "", ""},
                 {"memory", "memory.soft_limit_in_bytes", "500", "", ""},
                 {"cpu", "cpu.shares", "1024", "", ""},
                 {"cpu", "cpu.cfs_period_us", "20000", "", ""},
                 {"cpu", "cpu.cfs_quota_us", "50000", "", ""},
                 {"pids", "pids.max", "max", "", ""},
                 {"devices", "devices.deny", "a", "", ""},
                 {"devices", "devices.allow", "c 1:3 rw", "", ""},
                 {"devices", "devices.allow", "b *:* m", "", ""}});
}

TEST_CASE("unlimited swap is max on v2 and the ends of cpu shares are the ends of the weight") {
    SpecResources limits;
    limits.memory_limit = 1000;
    limits.memory_swap = -1;
    CHECK(control_writes(limits, true).back() ==
          ControlWrite{"", "memory.swap.max", "max", "", ""});
    CHECK(control_writes(limits, false).back() ==
          ControlWrite{"memory", "memory.memsw.limit_in_bytes", "-1", "", ""});
    SpecResources shares;
    shares.cpu_shares = 2;
    CHECK(control_writes(shares, true).back().value == "1");
    shares.cpu_shares = 262144;
    CHECK(control_writes(shares, true).back().value == "10000");
    shares.cpu_shares = 99999999;
    CHECK(control_writes(shares, true).back().value == "10000");
}

TEST_CASE("a limit of below zero takes a limit away") {
    SpecResources limits;
    limits.memory_limit = -1;
    limits.memory_swap = -1;
    limits.cpu_quota_us = -1;
    limits.pids_limit = 0;
    CHECK(control_writes(limits, true) == Writes{{"", "memory.max", "max", "", ""},
                                                 {"", "memory.swap.max", "max", "", ""},
                                                 {"", "cpu.max", "max 100000", "", ""},
                                                 {"", "pids.max", "max", "", ""}});
    CHECK(control_writes(limits, false) ==
          Writes{{"memory", "memory.limit_in_bytes", "-1", "", ""},
                 {"memory", "memory.memsw.limit_in_bytes", "-1", "", ""},
                 {"cpu", "cpu.cfs_quota_us", "-1", "", ""},
                 {"pids", "pids.max", "max", "", ""}});
}

TEST_CASE("the rarer limits have their files on both versions") {
    SpecResources limits;
    limits.memory_swappiness = 10;
    limits.disable_oom_killer = true;
    limits.cpu_burst_us = 500;
    limits.cpu_idle = 1;
    limits.cpu_rt_period_us = 1000;
    limits.cpu_rt_runtime_us = 900;
    limits.cpus = "0-1";
    limits.mems = "0";
    limits.block_io.weight = 500;
    limits.block_io.weight_devices = {{8, 0, 1000}};
    limits.block_io.read_bps = {{8, 0, 1024}};
    limits.block_io.write_iops = {{8, 16, 7}};
    limits.huge_pages = {{"2MB", 4194304}};
    limits.net_class = 7;
    limits.net_priorities = {{"lo", 3}};
    limits.rdma = {{"mlx5_1", {3, std::nullopt}}};
    CHECK(
        control_writes(limits, false) ==
        Writes{{"memory", "memory.swappiness", "10", "", ""},
               {"memory", "memory.oom_control", "1", "", ""},
               {"cpu", "cpu.idle", "1", "", ""},
               {"cpu", "cpu.cfs_burst_us", "500", "", ""},
               {"cpu", "cpu.rt_period_us", "1000", "", ""},
               {"cpu", "cpu.rt_runtime_us", "900", "", ""},
               {"cpuset", "cpuset.cpus", "0-1", "", ""},
               {"cpuset", "cpuset.mems", "0", "", ""},
               {"blkio", "blkio.bfq.weight", "500", "blkio.weight", "500"},
               {"blkio", "blkio.bfq.weight_device", "8:0 1000", "blkio.weight_device", "8:0 1000"},
               {"blkio", "blkio.throttle.read_bps_device", "8:0 1024", "", ""},
               {"blkio", "blkio.throttle.write_iops_device", "8:16 7", "", ""},
               {"hugetlb", "hugetlb.2MB.limit_in_bytes", "4194304", "", ""},
               {"net_cls", "net_cls.classid", "7", "", ""},
               {"net_prio", "net_prio.ifpriomap", "lo 3", "", ""},
               {"rdma", "rdma.max", "mlx5_1 hca_handle=3 hca_object=max", "", ""}});
    limits.unified = {{"memory.high", "4096"}};
    const Writes v2 = control_writes(limits, true);
    const auto has = [&](const ControlWrite& one) {
        return std::find(v2.begin(), v2.end(), one) != v2.end();
    };
    CHECK(has({"", "cpu.max.burst", "500", "", ""}));
    CHECK(has({"", "io.bfq.weight", "500", "io.weight", "4950"}));
    CHECK(has({"", "io.bfq.weight", "8:0 1000", "io.weight", "8:0 10000"}));
    CHECK(has({"", "io.max", "8:0 rbps=1024", "", ""}));
    CHECK(has({"", "io.max", "8:16 wiops=7", "", ""}));
    CHECK(has({"", "hugetlb.2MB.max", "4194304", "", ""}));
    CHECK(has({"", "memory.high", "4096", "", ""}));
    CHECK_FALSE(has({"", "memory.swappiness", "10", "", ""}));
}

namespace {

/// eBPF as the kernel runs it, as far as device programs need it.
/// @source bpf/standardization/instruction-set.rst
int answer(const std::vector<bpf_insn>& code, const bpf_cgroup_dev_ctx& context) {
    std::uint64_t registers[11] = {};
    for (std::size_t at = 0; at < code.size(); ++at) {
        const bpf_insn& one = code[at];
        std::uint64_t& to = registers[one.dst_reg];
        const bool from_register = BPF_SRC(one.code) == BPF_X;
        const auto constant = static_cast<std::uint64_t>(std::int64_t{one.imm});
        const std::uint64_t value = from_register ? registers[one.src_reg] : constant;
        switch (BPF_CLASS(one.code)) {
            case BPF_LDX: {
                std::uint32_t word = 0;
                std::memcpy(&word, reinterpret_cast<const char*>(&context) + one.off, sizeof word);
                to = word;
                break;
            }
            case BPF_ALU:
            case BPF_ALU64:
                if (BPF_OP(one.code) == BPF_MOV) to = value;
                if (BPF_OP(one.code) == BPF_AND) to &= value;
                if (BPF_OP(one.code) == BPF_RSH) to >>= value;
                if (BPF_CLASS(one.code) == BPF_ALU) to &= 0xFFFFFFFFU;
                break;
            case BPF_JMP:
                if (BPF_OP(one.code) == BPF_EXIT) return static_cast<int>(registers[0]);
                if ((BPF_OP(one.code) == BPF_JNE && to != value) ||
                    (BPF_OP(one.code) == BPF_JEQ && to == value))
                    at += static_cast<std::size_t>(one.off);
                break;
            default: FAIL("an unknown instruction");
        }
    }
    FAIL("the program runs over its end");
    return -1;
}

int asks(const std::vector<SpecDeviceRule>& rules, char type, const std::string& access,
         unsigned major, unsigned minor) {
    unsigned bits = 0;
    for (const char c : access)
        bits |= c == 'r'   ? BPF_DEVCG_ACC_READ
                : c == 'w' ? BPF_DEVCG_ACC_WRITE
                           : BPF_DEVCG_ACC_MKNOD;
    bpf_cgroup_dev_ctx context{};
    context.access_type = (bits << 16U) | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    context.major = major;
    context.minor = minor;
    return answer(device_program(rules), context);
}

}  // namespace

TEST_CASE("a device program answers as the last rule that fits") {
    CHECK(asks({}, 'c', "r", 1, 3) == 0);
    CHECK(asks({{.allow = true}}, 'b', "rwm", 8, 0) == 1);
    const auto rules = effective_device_rules(
        {{.allow = true, .type = 'b', .major = 8, .minor = 0, .access = "r"},
         {.allow = true, .type = 'c', .major = 10, .access = "rw"},
         {.allow = false, .type = 'c', .major = 10, .minor = 200, .access = "w"}});
    struct Case {
        char type;
        const char* access;
        unsigned major, minor;
        int allowed;
    };
    for (const Case& c :
         {Case{'b', "r", 8, 0, 1}, Case{'b', "w", 8, 0, 0}, Case{'b', "rw", 8, 0, 0},
          Case{'b', "r", 8, 1, 0}, Case{'c', "r", 8, 0, 0}, Case{'b', "m", 8, 1, 1},
          Case{'c', "rw", 10, 5, 1}, Case{'c', "r", 10, 200, 1}, Case{'c', "w", 10, 200, 0},
          Case{'c', "rw", 10, 200, 0}, Case{'c', "rwm", 1, 3, 1}, Case{'c', "r", 1, 1, 0},
          Case{'c', "rw", 136, 9, 1}, Case{'c', "rwm", 4, 0, 0}}) {
        CAPTURE(c.type);
        CAPTURE(c.access);
        CAPTURE(c.major);
        CAPTURE(c.minor);
        CHECK(asks(rules, c.type, c.access, c.major, c.minor) == c.allowed);
    }
}
