#include "runtime/container.h"
#include "tests/runtime/guarded_container.h"
#include "tests/support/text.h"

#include <cstdlib>

// Published ways out of containers that are tried here again: each must fail. docs/security.md
// lists them.

using namespace davit;
using davit::testing::GuardedContainer;
using davit::testing::sh;

namespace {

std::string refused(GuardedContainer& box) {
    const auto created = box.launch();
    const std::string said = created ? "" : created.error().to_string();
    CHECK(box.leftovers() == "");
    return said;
}

void replace_mount(GuardedContainer& box, const std::string& target, const Json& mount) {
    for (Json& entry : box.config["mounts"])
        if (entry.at("destination") == target) entry = mount;
}

}  // namespace

TEST_CASE("no working directory leads through a descriptor of the host [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (int number = 3; number < 24; ++number) {
        CAPTURE(number);
        GuardedContainer box(sh("pwd; ls"));
        box.config["process"]["cwd"] = fmt::format("/proc/self/fd/{}", number);
        CHECK(refused(box).find("enter the working directory") != std::string::npos);
    }
}

TEST_CASE("a sysctl is not written where /proc is something else [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"true"});
    REQUIRE(make_directories(box.path("fake/sys/kernel"), 0755).ok());
    REQUIRE(write_in_place(box.path("fake/sys/kernel/shmmni"), "untouched", 0666).ok());
    replace_mount(box, "/proc",
                  GuardedContainer::mount("/proc", "bind", {"bind", "idmap"}, box.path("fake")));
    box.config["linux"]["sysctl"] = {{"kernel.shmmni", "123"}};
    box.config["linux"]["maskedPaths"] = Json::array();
    box.config["linux"]["readonlyPaths"] = Json::array();
    CHECK(refused(box).find("set sysctl 'kernel.shmmni'") != std::string::npos);
    CHECK(*read_file(box.path("fake/sys/kernel/shmmni")) == "untouched");
}

TEST_CASE("nothing but the null device is laid over a masked path [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (const bool link : {false, true}) {
        CAPTURE(link);
        GuardedContainer box(sh("cat /proc/kcore"));
        const std::string dev = box.path("dev");
        REQUIRE(make_directories(dev, 0755).ok());
        if (link)
            REQUIRE(::symlink("/etc/passwd", (dev + "/null").c_str()) == 0);
        else
            REQUIRE(write_in_place(dev + "/null", "mine", 0666).ok());
        replace_mount(box, "/dev", GuardedContainer::mount("/dev", "bind", {"bind", "idmap"}, dev));
        for (const char* target : {"/dev/pts", "/dev/shm", "/dev/mqueue"})
            REQUIRE(make_directories(dev + std::string(target).substr(4), 0755).ok());
        const std::string said = refused(box);
        CHECK_MESSAGE(said.find("mask '/proc/") != std::string::npos, said);
    }
}

TEST_CASE("names of sysctls hide no others") {
    runtime::Spec spec;
    spec.namespaces = {.network = true, .ipc = true, .uts = true};
    for (const char* name :
         {"kernel.core_pattern", "kernel.shm_rmid_forced=1+kernel.core_pattern", "net.//.//.kernel",
          "net..kernel", "net.ipv4.x\nkernel.core_pattern", "fs.file-max", "kernel.hostname"}) {
        CAPTURE(std::string(name));
        spec.sysctl = {{name, "1"}};
        CHECK_FALSE(runtime::container_sysctls(spec).ok());
    }
    spec.sysctl = {{"net.ipv4.conf.eth0/1.forwarding", "1"}};
    const auto dotted = runtime::container_sysctls(spec);
    REQUIRE(dotted.ok());
    CHECK(dotted->front().first == "sys/net/ipv4/conf/eth0.1/forwarding");
    spec.namespaces.network = false;
    CHECK_FALSE(runtime::container_sysctls(spec).ok());
}

TEST_CASE("a program can't write to the runtime that enters its container [root]") {
    NEED_ROOT_AND_BUSYBOX();
    const auto before = read_file(DAVIT_RUNTIME_PROGRAM);
    REQUIRE(before.ok());
    GuardedContainer box(
        sh("echo ready; while :; do for p in /proc/[0-9]*/exe; do "
           "{ echo taken >> $p; } 2>/dev/null && echo wrote $p; done; done"));
    box.run();
    REQUIRE(box.await_output("ready"));
    // The entry that is entered through itself. CVE-2019-5736
    REQUIRE(write_in_place(box.layer() + "/bin/itself", "#!/proc/self/exe\n", 0755).ok());
    for (int i = 0; i < 10; ++i) {
        const std::string process = box.path("process.json");
        REQUIRE(write_in_place(process, R"({"args":["/bin/itself"],"cwd":"/"})", 0600).ok());
        const std::string call =
            fmt::format("{} exec --bundle {} --pid {} --process {} >/dev/null 2>&1",
                        DAVIT_RUNTIME_PROGRAM, box.bundle(), box.state().pid, process);
        CHECK(std::system(call.c_str()) != 0);
    }
    CHECK(box.output() == "ready\n");
    CHECK(*read_file(DAVIT_RUNTIME_PROGRAM) == *before);
}
