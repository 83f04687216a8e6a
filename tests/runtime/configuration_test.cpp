#include "tests/runtime/guarded_container.h"
#include "tests/support/text.h"

#include <fcntl.h>
#include <sys/wait.h>

// What a configuration can ask for beyond what Compose does by default, asked of the program itself
// and of the kernel.

using namespace davit;
using davit::testing::eventually;
using davit::testing::GuardedContainer;
using davit::testing::sh;

namespace {

std::string space_of(const std::string& pid, const std::string& name) {
    char target[64] = {};
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    return ::readlink(path.c_str(), target, sizeof target - 1) > 0 ? target : "";
}

void without(GuardedContainer& box, std::initializer_list<const char*> types) {
    Json kept = Json::array();
    for (const Json& entry : box.config["linux"]["namespaces"]) {
        const std::string type = entry.at("type");
        const bool dropped =
            std::any_of(types.begin(), types.end(), [&](const char* t) { return type == t; });
        if (!dropped) kept.push_back(entry);
    }
    box.config["linux"]["namespaces"] = kept;
}

void as_host_user(GuardedContainer& box) {
    without(box, {"user"});
    box.config["linux"].erase("uidMappings");
    box.config["linux"].erase("gidMappings");
}

void join(GuardedContainer& box, const char* type, const std::string& path) {
    without(box, {type});
    box.config["linux"]["namespaces"].push_back({{"type", type}, {"path", path}});
}

}  // namespace

TEST_CASE("namespaces that are not asked for are the host's, also below a user namespace [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("ls -d /proc/self /sys/class /dev/mqueue; echo ready; sleep 100"));
    without(box, {"pid", "network", "ipc"});
    box.run();
    REQUIRE_MESSAGE(box.await_output("ready"), box.output());
    CHECK(box.output() == "/dev/mqueue\n/proc/self\n/sys/class\nready\n");
    const std::string pid = std::to_string(box.state().pid);
    for (const char* name : {"pid", "net", "ipc"})
        CHECK(space_of(pid, name) == space_of("self", name));
    for (const char* name : {"mnt", "user"}) CHECK(space_of(pid, name) != space_of("self", name));
    // What it has started ends with it, though no pid namespace does that.
    CHECK(runtime::stop(box.run_dir(), 0, std::chrono::milliseconds(0)).ok());
    CHECK(box.await_guard());
    CHECK(box.leftovers() == "");
}

TEST_CASE("namespaces of another container are joined by path [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer first({"sleep", "100"});
    first.run();
    const std::string of_first = fmt::format("/proc/{}/ns/", first.state().pid);
    GuardedContainer second(
        sh("hostname; ls /proc | busybox grep -c '^[0-9]*$'; ls /sys/class/net; sleep 100"));
    for (const auto& [type, file] : {std::pair{"pid", "pid"}, std::pair{"network", "net"},
                                     std::pair{"ipc", "ipc"}, std::pair{"uts", "uts"}})
        join(second, type, of_first + file);
    second.config["hostname"] = "other";
    second.run();
    REQUIRE_MESSAGE(second.await_output("lo\n"), second.output());
    CHECK(second.output().starts_with("other\n"));
    const std::string one = std::to_string(first.state().pid);
    const std::string other = std::to_string(second.state().pid);
    for (const char* name : {"pid", "net", "ipc", "uts"})
        CHECK(space_of(one, name) == space_of(other, name));
    for (const char* name : {"mnt", "user"}) CHECK(space_of(one, name) != space_of(other, name));
}

TEST_CASE("a path that is no namespace of the type is refused [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"true"});
    join(box, "network", "/proc/self/ns/uts");
    const auto created = box.launch();
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().to_string() ==
          "join the network namespace: '/proc/self/ns/uts' is not a network namespace");
    CHECK(box.leftovers() == "");
}

TEST_CASE("devices have the type and numbers and owner that were asked for [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("stat -c '%n %F %t:%T %a %u:%g' /dev/fuse /dev/deep/loop /dev/pipe; "
           "head -c 1 /dev/also-zero | busybox wc -c; cat /dev/deep/loop"));
    const auto device = [](const char* path, const char* type, int major, int minor) {
        return Json{{"path", path},     {"type", type}, {"major", major}, {"minor", minor},
                    {"fileMode", 0640}, {"uid", 5},     {"gid", 6}};
    };
    box.config["linux"]["devices"] =
        Json::array({device("/dev/fuse", "c", 10, 229), device("/dev/deep/loop", "b", 7, 250),
                     device("/dev/pipe", "p", 0, 0), device("/dev/also-zero", "c", 1, 5)});
    CHECK(box.run_to_end().exit_code == 1);
    CHECK(box.log_text("stdout") ==
          "/dev/fuse character special file a:e5 640 5:6\n"
          "/dev/deep/loop block special file 7:fa 640 5:6\n"
          "/dev/pipe fifo 0:0 640 5:6\n1\n");
    // The rules say nothing of it: made, but not to be opened.
    CHECK(box.log_text("stderr").find("'/dev/deep/loop': Operation not permitted") !=
          std::string::npos);
}

TEST_CASE("cgroups can be looked at but not changed [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || "
           "cat /sys/fs/cgroup/memory.max; cat /proc/self/cgroup; "
           "for f in $(busybox find /sys/fs/cgroup -name cgroup.procs); do "
           "echo 1 > $f; done 2>&1 | busybox grep -vc 'Read-only'; "
           "mkdir /sys/fs/cgroup/x 2>&1"));
    box.config["mounts"].push_back(GuardedContainer::mount(
        "/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
    box.config["linux"]["resources"]["memory"] = {{"limit", 67108864}};
    box.run_to_end();
    CHECK_MESSAGE(box.output().starts_with("67108864\n"), box.output());
    CHECK(box.output().find("\n0\n") != std::string::npos);
    CHECK(box.output().find(box.cgroup()) == std::string::npos);  // a namespace hides what is above
    CHECK(box.output().find("Read-only file system") != std::string::npos);
}

TEST_CASE("a tmpfs begins with what the image has in its place [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("cat /data/deep/file /data/link; stat -c '%a %u' /data /data/deep; "
           "touch /data/new && echo written; ls /empty"));
    const std::string image = box.layer() + "/data";
    REQUIRE(make_directories(image + "/deep", 0750).ok());
    REQUIRE(write_in_place(image + "/deep/file", "text\n", 0600).ok());
    REQUIRE(::symlink("deep/file", (image + "/link").c_str()) == 0);
    REQUIRE(::symlink("/etc/shadow", (image + "/out").c_str()) == 0);
    for (const char* target : {"/data", "/empty"})
        box.config["mounts"].push_back(
            GuardedContainer::mount(target, "tmpfs", {"tmpcopyup", "size=1m", "nosuid"}));
    CHECK(box.run_to_end().exit_code == 0);
    CHECK(box.output() == "text\ntext\n750 0\n750 0\nwritten\n");
    CHECK_FALSE(exists(box.upper() + "/data/new"));
}

TEST_CASE("recursive read-only holds for what is mounted inside [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo x > /dev/shm/x; touch /in/shm/x 2>&1; ls /in"));
    REQUIRE(make_directories(box.path("in/shm"), 0755).ok());
    box.bind("/in", box.path("in"), {"rbind", "rro", "idmap"});
    box.run_to_end();
    CHECK(box.output() == "touch: /in/shm/x: Read-only file system\nshm\n");
}

TEST_CASE("clocks of a time namespace are moved [root]") {
    NEED_ROOT_AND_BUSYBOX();
    if (!exists("/proc/self/timens_offsets")) SKIP_TEST("the kernel has no time namespaces");
    GuardedContainer box(sh("cat /proc/uptime /proc/self/timens_offsets"));
    box.config["linux"]["namespaces"].push_back({{"type", "time"}});
    box.config["linux"]["timeOffsets"] = {{"boottime", {{"secs", 864000000}}}};
    CHECK(box.run_to_end().exit_code == 0);
    CHECK(parse_integer(box.output().substr(0, box.output().find('.'))).value_or(0) > 864000000);
    CHECK(box.output().find("boottime    864000000") != std::string::npos);
}

TEST_CASE("personality and io priority and scheduler are set [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("uname -m; busybox ionice; busybox awk '{print $19}' /proc/self/stat"));
    REQUIRE(::symlink("busybox", (box.layer() + "/bin/uname").c_str()) == 0);
    box.config["linux"]["personality"] = {{"domain", "LINUX32"}};
    box.config["process"]["ioPriority"] = {{"class", "IOPRIO_CLASS_BE"}, {"priority", 6}};
    box.config["process"]["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 7}};
    CHECK(box.run_to_end().exit_code == 0);
    const auto lines = split(box.output(), '\n');
    REQUIRE(lines.size() >= 3);
    CHECK(lines[0] != "x86_64");
    CHECK(lines[1] == "best-effort: prio 6");
    CHECK(lines[2] == "7");
}

TEST_CASE("memory comes from the nodes that a policy names [root]") {
    NEED_ROOT_AND_BUSYBOX();
    if (!exists("/proc/self/numa_maps")) SKIP_ON_THIS_MACHINE("this kernel has no NUMA");
    GuardedContainer box(sh("head -n 1 /proc/self/numa_maps"));
    box.config["linux"]["memoryPolicy"] = {
        {"mode", "MPOL_BIND"}, {"nodes", "0"}, {"flags", {"MPOL_F_STATIC_NODES"}}};
    CHECK(box.run_to_end().exit_code == 0);
    CHECK_MESSAGE(box.output().find(" bind=static:0 ") != std::string::npos, box.output());
}

TEST_CASE("a label is refused where the kernel has no such module [root]") {
    NEED_ROOT_AND_BUSYBOX();
    if (exists("/sys/fs/selinux/enforce")) SKIP_TEST("SELinux is enabled here");
    GuardedContainer box({"true"});
    box.config["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0";
    const auto created = box.launch();
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().to_string().find("SELinux is not enabled") != std::string::npos);
    CHECK(box.leftovers() == "");
}

TEST_CASE("hooks run in their order with the state on standard input [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo program"));
    const std::string out = box.path("order");
    // createContainer is run by the container's root, which is nobody on the host.
    REQUIRE(write_in_place(out, "", 0666).ok());
    REQUIRE(::chmod(out.c_str(), 0666) == 0);
    REQUIRE(::chmod(box.path("").c_str(), 0711) == 0);
    const auto hook = [&](const char* name, const std::string& script) {
        box.config["hooks"][name] = Json::array({{{"path", "/bin/sh"},
                                                  {"args", {"sh", "-c", script}},
                                                  {"env", {"PATH=/bin:/usr/bin"}}}});
    };
    const std::string note = " $(busybox grep -o '\"status\":\"[a-z]*\"') >> " + out;
    for (const char* name : {"prestart", "createRuntime", "createContainer", "poststart"})
        hook(name, std::string("echo ") + name + note);
    hook("startContainer", "echo startContainer $(busybox grep -o '\"status\":\"[a-z]*\"')");
    box.run_to_end();
    const auto order = read_file(out);
    REQUIRE(order.ok());
    CHECK(*order ==
          "prestart \"status\":\"creating\"\ncreateRuntime \"status\":\"creating\"\n"
          "createContainer \"status\":\"creating\"\npoststart \"status\":\"running\"\n");
    CHECK(box.output() == "program\n");
}

TEST_CASE("a hook that fails or hangs leaves no container [root]") {
    NEED_ROOT_AND_BUSYBOX();
    struct Case {
        const char* kind;
        const char* script;
        const char* said;
    };
    for (const Case& c :
         {Case{"createRuntime", "exit 3", "run createRuntime hook '/bin/sh': exit status 3"},
          Case{"createContainer", "exit 4", "run createContainer hook '/bin/sh': exit status 4"},
          Case{"createContainer", "sleep 100", "createContainer hook '/bin/sh' takes too long"},
          Case{"prestart", "sleep 100", "run prestart hook '/bin/sh': it takes longer than 1 s"}}) {
        CAPTURE(c.kind);
        GuardedContainer box({"true"});
        box.config["hooks"][c.kind] =
            Json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", c.script}}, {"timeout", 1}}});
        const auto created = box.launch();
        REQUIRE_FALSE(created.ok());
        CHECK(created.error().to_string() == c.said);
        CHECK(eventually([&] { return box.leftovers().empty(); }));
    }
}

TEST_CASE("without a user namespace the devices rules are what keeps disks away [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("busybox mknod /dev/disk b 8 0 && cat /dev/disk; "
           "busybox mknod /dev/kmsg c 1 11 && head -c 1 /dev/kmsg"));
    as_host_user(box);
    box.run_to_end();
    CHECK_MESSAGE(box.output().find("'/dev/disk': Operation not permitted") != std::string::npos,
                  box.output());
    CHECK(box.output().find("/dev/kmsg: Operation not permitted") != std::string::npos);
}

TEST_CASE("ambient capabilities are given where they are inheritable, and else left out [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (const bool inheritable : {true, false}) {
        CAPTURE(inheritable);
        GuardedContainer box(sh("busybox grep CapAmb /proc/self/status"));
        Json& sets = box.config["process"]["capabilities"];
        sets["ambient"] = {"CAP_KILL"};
        if (inheritable) sets["inheritable"] = {"CAP_KILL"};
        CHECK(box.run_to_end().exit_code == 0);
        CHECK(box.output() ==
              (inheritable ? "CapAmb:\t0000000000000020\n" : "CapAmb:\t0000000000000000\n"));
    }
}
