#include "stack/exec.h"

#include "runtime/capabilities.h"
#include "runtime/spec.h"
#include "stack/lower_config.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <linux/capability.h>

using namespace davit;
using namespace davit::stack;

namespace {

constexpr std::uint64_t bit(int capability) {
    return std::uint64_t{1} << static_cast<unsigned>(capability);
}

/// A container whose image has a user "app".
struct Fixture {
    testing::TempDir layer = {};
    ContainerRecord record = {};
    Json config = {};

    Fixture() {
        REQUIRE(make_directories(layer / "etc", 0755).ok());
        REQUIRE(write_in_place(layer / "etc/passwd", "app:x:1000:1001::/home/app:/bin/sh\n", 0644)
                    .ok());
        REQUIRE(write_in_place(layer / "etc/group", "app:x:1001:\naudio:x:29:app\n", 0644).ok());
        record.env = {"PATH=/bin", "FOO=bar"};
        config["process"] = {{"args", {"sleep", "1"}},
                             {"cwd", "/srv"},
                             {"user", {{"uid", 0}, {"gid", 0}}},
                             {"capabilities", {{"bounding", {"CAP_CHOWN"}}}}};
        config["annotations"] = {{runtime::kOverlayUpper, "/nowhere"},
                                 {runtime::kOverlayLower, std::string(layer.path())}};
    }
};

}  // namespace

TEST_CASE("a further program has what the container has unless it is told otherwise") {
    const Fixture fixture;
    const auto process = exec_process(fixture.record, fixture.config, {.command = {"ls", "-l"}});
    REQUIRE(process.ok());
    CHECK((*process)["args"] == Json({"ls", "-l"}));
    CHECK((*process)["cwd"] == "/srv");
    CHECK((*process)["env"] == Json({"FOO=bar", "PATH=/bin"}));
    CHECK((*process)["user"]["uid"] == 0);
    CHECK((*process)["capabilities"]["bounding"] == Json({"CAP_CHOWN"}));
}

TEST_CASE("a further program takes another user with its groups and home") {
    const Fixture fixture;
    const auto process = exec_process(fixture.record, fixture.config,
                                      {.command = {"id"},
                                       .env = {"FOO=other"},
                                       .user = "app",
                                       .working_dir = "/tmp",
                                       .terminal = true});
    REQUIRE(process.ok());
    CHECK((*process)["user"]["uid"] == 1000);
    CHECK((*process)["user"]["gid"] == 1001);
    CHECK((*process)["user"]["additionalGids"] == Json({1001, 29}));
    CHECK((*process)["cwd"] == "/tmp");
    CHECK((*process)["env"] == Json({"FOO=other", "HOME=/home/app", "PATH=/bin", "TERM=xterm"}));
    CHECK(
        !exec_process(fixture.record, fixture.config, {.command = {"id"}, .user = "nobody"}).ok());
    CHECK(!exec_process(fixture.record, fixture.config, {.command = {"id"}, .working_dir = "tmp"})
               .ok());
}

TEST_CASE("capabilities are docker's less the dropped and with the added ones") {
    compose::Service service;
    const std::uint64_t usual = runtime::default_capabilities();
    CHECK(*capabilities_of(service) == usual);
    service.privileges.cap_drop = {"CHOWN"};
    service.privileges.cap_add = {"cap_net_admin"};
    CHECK(*capabilities_of(service) == ((usual & ~bit(CAP_CHOWN)) | bit(CAP_NET_ADMIN)));
    service.privileges.cap_drop = {"ALL"};
    CHECK(*capabilities_of(service) == bit(CAP_NET_ADMIN));
    service.privileges = {.cap_add = {"ALL"}, .cap_drop = {"SYS_ADMIN"}};
    CHECK(*capabilities_of(service) == (runtime::all_capabilities() & ~bit(CAP_SYS_ADMIN)));
}

TEST_CASE("names that only the kernel knows are checked before anything is made") {
    const auto problem = [](auto change) {
        compose::Service service;
        change(service);
        const auto found = kernel_problem(service);
        return found ? found->attribute : std::string();
    };
    using compose::Service;
    CHECK(problem([](Service&) {}).empty());
    CHECK(problem([](Service& s) { s.privileges.cap_add = {"NET_ADMIN", "ALL"}; }).empty());
    CHECK(problem([](Service& s) { s.privileges.cap_add = {"NET_ADMN"}; }) == "cap_add");
    CHECK(problem([](Service& s) { s.privileges.cap_drop = {"X"}; }) == "cap_drop");
    CHECK(problem([](Service& s) { s.ulimits["nofile"] = {1, 2}; }).empty());
    CHECK(problem([](Service& s) { s.ulimits["files"] = {1, 2}; }) == "ulimits");
    CHECK(problem([](Service& s) { s.sysctls["net.core.somaxconn"] = "1"; }).empty());
    CHECK(problem([](Service& s) { s.sysctls["vm.swappiness"] = "1"; }) == "sysctls");
    CHECK(problem([](Service& s) { s.annotations["io.davit.log.path"] = "/x"; }) == "annotations");
}
