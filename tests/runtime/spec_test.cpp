#include "runtime/spec.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <linux/capability.h>
#include <sys/mount.h>
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
    json["linux"]["namespaces"].push_back({{"type", "uts"}});
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
        {"/hooks", R"({"prestart":[{"path":"x"}]})",
         "the path 'x' of a prestart hook is not absolute"},
        {"/hooks", R"({"poststop":[{"path":"/x","timeout":0}]})",
         "the timeout of poststop hook '/x' is not above 0"},
        {"/process/args", "[]", "process.args is empty: there is no program to run"},
        {"/process/args", R"(["a\u0000b"])", "process.args holds a NUL byte"},
        {"/process/cwd", R"("tmp")", "cwd 'tmp' is not absolute"},
        {"/process/env", R"(["=x"])", "environment variable '=x' is malformed"},
        {"/process/env", R"(["A=\u0000"])", "environment variable 'A=\\x00' is malformed"},
        {"/process/rlimits", R"([{"type":"RLIMIT_X","soft":1,"hard":1}])",
         "unknown rlimit 'RLIMIT_X'"},
        {"/process/rlimits", R"([{"type":"RLIMIT_NOFILE","soft":2,"hard":1}])",
         "rlimit 'RLIMIT_NOFILE' has a soft limit above its hard one"},
        {"/process/scheduler", R"({"policy":"SCHED_X"})", "unknown scheduler policy 'SCHED_X'"},
        {"/process/ioPriority", R"({"class":"IOPRIO_CLASS_BE","priority":8})",
         "ioPriority 8 is not in 0…7"},
        {"/mounts", R"([{"destination":"data"}])", "mount target 'data' is not absolute"},
        {"/linux/namespaces", R"([{"type":"mount"},{"type":"network","path":"x"}])",
         "namespace path 'x' is not absolute"},
        {"/linux/namespaces", R"([{"type":"mount"},{"type":"thing"}])",
         "unknown namespace 'thing'"},
        {"/linux/namespaces", R"([{"type":"mount"},{"type":"mount"}])",
         "namespace 'mount' is there twice"},
        {"/linux/timeOffsets", R"({"boottime":{"secs":1}})",
         "timeOffsets need a time namespace of the container's own"},
        {"/linux/rootfsPropagation", R"("wild")", "unknown rootfsPropagation 'wild'"},
        {"/linux/personality", R"({"domain":"BSD"})", "unknown personality 'BSD'"},
        {"/hostname", R"("box")", "hostname and domainname need a uts namespace"},
        {"/linux/namespaces", R"([{"type":"pid"},{"type":"mount"},{"type":"user"}])",
         "a user namespace needs uidMappings and gidMappings"},
        {"/linux/namespaces", R"([{"type":"pid"}])",
         "a container without a mount namespace is not supported: its mounts would be the host's"},
        {"/linux/cgroupsPath", R"("davit/a")",
         "cgroupsPath 'davit/a' is not a clean absolute path"},
        {"/linux/cgroupsPath", R"("/davit/../a")",
         "cgroupsPath '/davit/../a' is not a clean absolute path"},
        {"/linux/devices", R"([{"path":"dev/fuse","type":"c","major":1,"minor":2}])",
         "device path 'dev/fuse' is not a clean absolute path"},
        {"/linux/devices", R"([{"path":"/dev/fuse","type":"x","major":1,"minor":2}])",
         "device '/dev/fuse' has the unknown type 'x'"},
        {"/linux/memoryPolicy", R"({"mode":"MPOL_X"})", "unknown memoryPolicy mode 'MPOL_X'"},
        {"/linux/memoryPolicy", R"({"mode":"MPOL_BIND","flags":["MPOL_F_X"]})",
         "unknown memoryPolicy flag 'MPOL_F_X'"},
        {"/linux/memoryPolicy", R"({"mode":"MPOL_BIND","nodes":"x"})",
         "cannot read memoryPolicy.nodes: 'x' is no list of CPUs or nodes"},
        {"/linux/intelRdt", R"({"closID":"x"})", "'linux.intelRdt' is not supported yet"},
        {"/linux/resources", R"({"unified":{"../x":"1"}})",
         "'../x' in unified is no file of a controller"},
        {"/linux/resources", R"({"unified":{"cgroup.procs":"1"}})",
         "'cgroup.procs' in unified is no file of a controller"},
        {"/linux/resources", R"({"devices":[{"allow":true,"type":"c","access":"x"}]})",
         "a device rule has the unknown access 'x'"},
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

TEST_CASE("the rest of a configuration is decoded") {
    Json json = small();
    json["process"]["terminal"] = true;
    json["process"]["consoleSize"] = {{"height", 24}, {"width", 80}};
    json["process"]["ioPriority"] = {{"class", "IOPRIO_CLASS_IDLE"}, {"priority", 3}};
    json["process"]["scheduler"] = {
        {"policy", "SCHED_BATCH"}, {"nice", 5}, {"flags", {"SCHED_FLAG_RESET_ON_FORK"}}};
    json["process"]["execCPUAffinity"] = {{"initial", "0"}, {"final", "0-1"}};
    json["hooks"] = {
        {"poststart",
         Json::array(
             {{{"path", "/bin/x"}, {"args", {"x", "y"}}, {"env", {"A=1"}}, {"timeout", 3}}})}};
    Json& part = json["linux"];
    part["namespaces"] = Json::array(
        {{{"type", "mount"}}, {{"type", "network"}, {"path", "/run/netns/x"}}, {{"type", "time"}}});
    part["timeOffsets"] = {{"boottime", {{"secs", -5}, {"nanosecs", 7}}}};
    part["devices"] = Json::array({{{"path", "/dev/fuse"},
                                    {"type", "c"},
                                    {"major", 10},
                                    {"minor", 229},
                                    {"fileMode", 0600},
                                    {"uid", 3}}});
    part["rootfsPropagation"] = "rslave";
    part["personality"] = {{"domain", "LINUX32"}};
    part["resources"] = {{"unified", {{"memory.high", "1"}}},
                         {"hugepageLimits", Json::array({{{"pageSize", "2MB"}, {"limit", 4}}})}};
    const auto spec = parse_spec(json);
    REQUIRE_MESSAGE(spec.ok(), (spec ? "" : spec.error().to_string()));
    CHECK(spec->terminal);
    CHECK(spec->console_rows == 24);
    CHECK(spec->console_columns == 80);
    CHECK(spec->io_priority == ((3 << 13) | 3));
    REQUIRE(spec->scheduler);
    CHECK(spec->scheduler->policy == 3);
    CHECK(spec->scheduler->nice == 5);
    CHECK(spec->scheduler->flags == 1);
    CHECK(spec->exec_cpus == "0-1");
    REQUIRE(spec->hooks.poststart.size() == 1);
    CHECK(spec->hooks.poststart[0].args == std::vector<std::string>{"x", "y"});
    CHECK(spec->hooks.poststart[0].timeout_seconds == 3);
    CHECK_FALSE(spec->namespaces.pid);
    CHECK(spec->namespaces.network);
    CHECK(spec->namespaces.path_of("network") == "/run/netns/x");
    CHECK(spec->namespaces.path_of("time") == "");
    CHECK(spec->time_offsets.at("boottime") == "-5 7");
    REQUIRE(spec->devices.size() == 1);
    CHECK(spec->devices[0].mode == 0600);
    CHECK(spec->devices[0].uid == 3);
    CHECK(spec->rootfs_propagation == (MS_SLAVE | MS_REC));
    CHECK(spec->personality == 8UL);
    CHECK(spec->resources.unified.at("memory.high") == "1");
    CHECK(spec->resources.huge_pages.at("2MB") == 4);
}

TEST_CASE("a capability that nobody knows can't be given, and keeps no program from running") {
    Json json = small();
    json["process"]["capabilities"] = {{"bounding", {"CAP_NOPE", "CAP_KILL"}}};
    const auto spec = parse_spec(json);
    REQUIRE(spec.ok());
    CHECK(spec->capabilities.bounding == 1U << CAP_KILL);
}
