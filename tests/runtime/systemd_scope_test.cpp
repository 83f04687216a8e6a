#include "runtime/systemd_scope.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::runtime;

TEST_CASE("a path for systemd names a slice, a prefix and a container") {
    const auto libpod = parse_systemd_path("machine.slice:libpod:abc", "id");
    REQUIRE(libpod.ok());
    CHECK(libpod->unit == "libpod-abc.scope");
    CHECK(libpod->path == "/machine.slice/libpod-abc.scope");
    CHECK(parse_systemd_path("", "id")->path == "/system.slice/davit-id.scope");
    CHECK(parse_systemd_path(":p:n", "id")->path == "/system.slice/p-n.scope");
    CHECK(parse_systemd_path("-.slice::n", "id")->path == "/n.scope");
    CHECK(parse_systemd_path("a-b-c.slice:p:n", "id")->path ==
          "/a.slice/a-b.slice/a-b-c.slice/p-n.scope");
    for (const char* bad :
         {"x", "a:b", "a:b:c", "a.slice:b:c:d", "-a.slice:b:c", "a-.slice:b:c", "a--b.slice:b:c",
          "a/b.slice:b:c", "a.slice:b:", "a.slice:b/c:d", "a.slice:b:c.slice", ".slice:b:c"})
        CHECK_MESSAGE(parse_systemd_path(bad, "id").error().kind() == ErrorKind::InvalidInput, bad);
}

TEST_CASE("limits are given to systemd in its own units") {
    SpecResources wanted;
    wanted.memory_limit = 64 << 20;
    wanted.memory_swap = 96 << 20;
    wanted.cpu_shares = 1024;
    wanted.cpu_quota_us = 25300;
    wanted.pids_limit = -1;
    using Words = std::vector<std::string>;
    CHECK(scope_properties(wanted, true) == Words{"MemoryMax", "t", "67108864", "MemorySwapMax",
                                                  "t", "33554432", "CPUWeight", "t", "100",
                                                  "CPUQuotaPerSecUSec", "t", "260000", "TasksMax",
                                                  "t", "18446744073709551615"});
    wanted.cpu_period_us = 50000;
    CHECK(scope_properties(wanted, false) == Words{"MemoryLimit", "t", "67108864", "CPUShares", "t",
                                                   "1024", "CPUQuotaPeriodUSec", "t", "50000",
                                                   "CPUQuotaPerSecUSec", "t", "510000", "TasksMax",
                                                   "t", "18446744073709551615"});
    CHECK(scope_properties({}, true).empty());
}
