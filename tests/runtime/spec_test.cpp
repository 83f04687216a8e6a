#include "runtime/spec.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/resource.h>

using namespace davit;
using namespace davit::runtime;

namespace {

/// The smallest configuration that is accepted.
Json small() {
    return parse_json(R"({
        "ociVersion": "1.2.0",
        "process": {"args": ["/bin/true"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "cgroupsPath": "/davit/t/a"}
    })",
                      "test")
        .
        operator*();
}

}  // namespace

TEST_CASE("a whole configuration is decoded") {
    Json json = small();
    json["hostname"] = "box";
    json["process"]["env"] = {"A=1", "B="};
    json["process"]["user"] = {{"uid", 7}, {"gid", 8}, {"umask", 63}, {"additionalGids", {8, 9}}};
    json["process"]["capabilities"] = {{"bounding", {"CAP_CHOWN", "CAP_KILL"}},
                                       {"effective", {"CAP_KILL"}}};
    json["process"]["rlimits"] =
        Json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 10}, {"hard", 20}}});
    json["process"]["noNewPrivileges"] = true;
    json["process"]["oomScoreAdj"] = -5;
    json["root"]["readonly"] = true;
    json["mounts"] = Json::array({{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
                                  {{"destination", "/data"},
                                   {"type", "bind"},
                                   {"source", "/srv"},
                                   {"options", {"rbind", "ro"}}}});
    Json& part = json["linux"];
    part["namespaces"].push_back({{"type", "user"}});
    part["uidMappings"] = Json::array({{{"containerID", 0}, {"hostID", 524288}, {"size", 65536}}});
    part["gidMappings"] = part["uidMappings"];
    part["resources"] = {
        {"memory", {{"limit", 1048576}, {"swap", -1}}},
        {"cpu", {{"quota", 50000}, {"period", 100000}, {"shares", 512}}},
        {"pids", {{"limit", 10}}},
        {"devices",
         Json::array({{{"allow", false}},
                      {{"allow", true}, {"type", "c"}, {"major", 1}, {"access", "r"}}})}};
    part["maskedPaths"] = {"/proc/kcore"};
    part["readonlyPaths"] = {"/proc/sys"};
    part["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
    json["annotations"] = {{kRestart, "always"}};

    const auto spec = parse_spec(json);
    REQUIRE(spec.ok());
    CHECK(spec->args == std::vector<std::string>{"/bin/true"});
    CHECK(spec->env == std::vector<std::string>{"A=1", "B="});
    CHECK(spec->user.uid == 7);
    CHECK(spec->user.gid == 8);
    CHECK(spec->user.umask == 077);
    CHECK(spec->user.additional_gids == std::vector<std::uint32_t>{8, 9});
    CHECK(spec->capabilities.bounding == ((1U << CAP_CHOWN) | (1U << CAP_KILL)));
    CHECK(spec->capabilities.effective == 1U << CAP_KILL);
    CHECK(spec->capabilities.inheritable == 0);
    REQUIRE(spec->rlimits.size() == 1);
    CHECK(spec->rlimits[0].resource == RLIMIT_NOFILE);
    CHECK(spec->rlimits[0].soft == 10);
    CHECK(spec->rlimits[0].hard == 20);
    CHECK(spec->no_new_privileges);
    CHECK(spec->oom_score_adj == -5);
    CHECK(spec->root_path == "rootfs");
    CHECK(spec->root_readonly);
    CHECK(spec->hostname == "box");
    REQUIRE(spec->mounts.size() == 2);
    CHECK(spec->mounts[1].source == "/srv");
    CHECK(spec->mounts[1].options == std::vector<std::string>{"rbind", "ro"});
    CHECK(spec->namespaces.user);
    CHECK(spec->namespaces.pid);
    CHECK_FALSE(spec->namespaces.network);
    REQUIRE(spec->uid_mappings.size() == 1);
    CHECK(spec->uid_mappings[0].host_id == 524288);
    CHECK(spec->cgroups_path == "/davit/t/a");
    CHECK(spec->resources.memory_limit == 1048576);
    CHECK(spec->resources.memory_swap == -1);
    CHECK_FALSE(spec->resources.memory_reservation);
    CHECK(spec->resources.cpu_quota_us == 50000);
    CHECK(spec->resources.cpu_shares == 512U);
    CHECK(spec->resources.pids_limit == 10);
    REQUIRE(spec->resources.devices.size() == 2);
    CHECK(spec->resources.devices[0].type == 'a');
    CHECK(spec->resources.devices[1].major == 1);
    CHECK_FALSE(spec->resources.devices[1].minor);
    CHECK(spec->masked_paths == std::vector<std::string>{"/proc/kcore"});
    CHECK(spec->readonly_paths == std::vector<std::string>{"/proc/sys"});
    CHECK(spec->sysctl.at("net.ipv4.ip_forward") == "1");
    CHECK(spec->annotations.at(kRestart) == "always");
    CHECK_FALSE(spec->seccomp);
}

TEST_CASE("what cannot be done is refused by name") {
    struct Case {
        const char* pointer;
        const char* value;
        const char* message;
    };
    const Case cases[] = {
        {"/ociVersion", R"("2.0")", "ociVersion '2.0' is not 1.x"},
        {"/hooks", R"({"prestart":[{"path":"/x"}]})", "hooks are not supported yet"},
        {"/process/terminal", "true", "a terminal is not supported yet"},
        {"/process/args", "[]", "process.args is empty: there is no program to run"},
        {"/process/args", R"(["a\u0000b"])", "process.args holds a NUL byte"},
        {"/process/cwd", R"("tmp")", "cwd 'tmp' is not absolute"},
        {"/process/env", R"(["=x"])", "environment variable '=x' is malformed"},
        {"/process/env", R"(["A=\u0000"])", "environment variable 'A=\\x00' is malformed"},
        {"/process/capabilities", R"({"bounding":["CAP_NOPE"]})", "unknown capability 'CAP_NOPE'"},
        {"/process/rlimits", R"([{"type":"RLIMIT_X","soft":1,"hard":1}])",
         "unknown rlimit 'RLIMIT_X'"},
        {"/process/rlimits", R"([{"type":"RLIMIT_NOFILE","soft":2,"hard":1}])",
         "rlimit 'RLIMIT_NOFILE' has a soft limit above its hard one"},
        {"/process/apparmorProfile", R"("mine")", "'process.apparmorProfile' is not supported yet"},
        {"/mounts", R"([{"destination":"data"}])", "mount target 'data' is not absolute"},
        {"/linux/namespaces", R"([{"type":"pid"},{"type":"mount"},{"type":"network","path":"/x"}])",
         "joining a network namespace by path is not supported yet"},
        {"/linux/namespaces", R"([{"type":"pid"},{"type":"mount"},{"type":"time"}])",
         "unknown namespace 'time'"},
        {"/linux/namespaces", R"([{"type":"pid"},{"type":"mount"},{"type":"user"}])",
         "a user namespace needs uidMappings and gidMappings"},
        {"/linux/namespaces", R"([{"type":"pid"}])",
         "a container without a mount and a pid namespace of its own is not supported yet"},
        {"/linux/cgroupsPath", R"("davit/a")",
         "cgroupsPath 'davit/a' is not a clean absolute path"},
        {"/linux/cgroupsPath", R"("/davit/../a")",
         "cgroupsPath '/davit/../a' is not a clean absolute path"},
        {"/linux/cgroupsPath", R"("")", "cgroupsPath '' is not a clean absolute path"},
        {"/linux/devices", R"([{"path":"/dev/fuse","type":"c"}])",
         "'linux.devices' is not supported yet"},
        {"/linux/resources", R"({"cpu":{"cpus":"0"}})",
         "'linux.resources.cpu.cpus' is not supported yet"},
        {"/linux/resources", R"({"memory":{"swappiness":5}})",
         "'linux.resources.memory.swappiness' is not supported yet"},
    };
    for (const Case& c : cases) {
        Json json = small();
        json[Json::json_pointer(c.pointer)] = *parse_json(c.value, "value");
        const auto spec = parse_spec(json);
        REQUIRE_MESSAGE(!spec.ok(), c.pointer << " " << c.value);
        CHECK(spec.error().to_string() == c.message);
    }
}

TEST_CASE("a missing field and a wrong type are errors and not exceptions") {
    for (const char* pointer : {"/process", "/ociVersion", "/process/cwd"}) {
        Json json = small();
        json[Json::json_pointer(pointer)] = 5;
        const auto spec = parse_spec(json);
        REQUIRE_MESSAGE(!spec.ok(), pointer);
        CHECK(spec.error().kind() == ErrorKind::InvalidInput);
    }
    CHECK_FALSE(parse_spec(Json::object()).ok());
    CHECK_FALSE(parse_spec(Json::array()).ok());
    CHECK_FALSE(parse_spec(Json("text")).ok());
}

TEST_CASE("a relative root is the bundle's own") {
    const davit::testing::TempDir bundle;
    REQUIRE(write_atomically(bundle / "config.json", small().dump(), 0600, Sync::No).ok());
    const auto spec = read_spec(bundle.path());
    REQUIRE(spec.ok());
    CHECK(spec->root_path == bundle / "rootfs");
    const auto missing = read_spec(bundle / "nothing");
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().kind() == ErrorKind::NotFound);
}
