#include "runtime/cgroup.h"

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
    nothing.cpu_quota_us = -1;
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
    CHECK(control_writes(limits, true) == Writes{{"", "memory.max", "1000"},
                                                 {"", "memory.swap.max", "2000"},
                                                 {"", "memory.low", "500"},
                                                 {"", "cpu.weight", "39"},
                                                 {"", "cpu.max", "50000 100000"},
                                                 {"", "pids.max", "42"}});
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
    CHECK(control_writes(limits, false) == Writes{{"memory", "memory.limit_in_bytes", "1000"},
                                                  {"memory", "memory.memsw.limit_in_bytes", "3000"},
                                                  {"memory", "memory.soft_limit_in_bytes", "500"},
                                                  {"cpu", "cpu.shares", "1024"},
                                                  {"cpu", "cpu.cfs_period_us", "20000"},
                                                  {"cpu", "cpu.cfs_quota_us", "50000"},
                                                  {"pids", "pids.max", "max"},
                                                  {"devices", "devices.deny", "a"},
                                                  {"devices", "devices.allow", "c 1:3 rw"},
                                                  {"devices", "devices.allow", "b *:* m"}});
}

TEST_CASE("unlimited swap is max on v2 and the ends of cpu shares are the ends of the weight") {
    SpecResources limits;
    limits.memory_limit = 1000;
    limits.memory_swap = -1;
    CHECK(control_writes(limits, true).back() == ControlWrite{"", "memory.swap.max", "max"});
    CHECK(control_writes(limits, false).back() ==
          ControlWrite{"memory", "memory.memsw.limit_in_bytes", "-1"});
    SpecResources shares;
    shares.cpu_shares = 2;
    CHECK(control_writes(shares, true).back().value == "1");
    shares.cpu_shares = 262144;
    CHECK(control_writes(shares, true).back().value == "10000");
    shares.cpu_shares = 99999999;
    CHECK(control_writes(shares, true).back().value == "10000");
}
