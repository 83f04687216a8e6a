#include "runtime/attach_client.h"
#include "tests/runtime/guarded_container.h"
#include "tests/support/text.h"

#include <filesystem>

// A guard that becomes another version of its program while its container runs.
using namespace davit;
using davit::testing::eventually;
using davit::testing::GuardedContainer;
using davit::testing::sh;
using std::chrono::milliseconds;

namespace {

/// A copy of the runtime: another file, as an upgrade brings it.
std::string new_version(const GuardedContainer& box) {
    const std::string path = box.path("davit-runtime-2");
    std::filesystem::copy_file(DAVIT_RUNTIME_PROGRAM, path);
    return path;
}

std::string program_of(pid_t pid) {
    std::error_code failed;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", failed).string();
}

}  // namespace

TEST_CASE("a guard becomes another program and its container goes on [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh(
        "trap 'echo bye; exit 7' TERM; i=0; while :; do i=$((i + 1)); echo n$i; sleep 0.02; done"));
    box.run();
    REQUIRE(box.await_output("n3\n"));
    const auto before = box.state();
    const std::string program = new_version(box);
    CHECK(*runtime::renew(box.run_dir(), DAVIT_RUNTIME_PROGRAM) == false);  // it is that already
    const auto renewed = runtime::renew(box.run_dir(), program);
    REQUIRE_MESSAGE(renewed.ok(), (renewed ? "" : renewed.error().to_string()));
    CHECK(*renewed);
    CHECK(eventually([&] { return program_of(before.guard_pid) == program; }));
    // Asked at once: the socket is the same one.
    REQUIRE(runtime::pause(box.run_dir()).ok());
    REQUIRE(runtime::unpause(box.run_dir()).ok());
    const auto after = box.state();
    CHECK(after.guard_pid == before.guard_pid);
    CHECK(after.pid == before.pid);
    CHECK(after.started_at == before.started_at);
    const std::string seen = box.output();
    CHECK(eventually([&] { return box.output().size() > seen.size() + 10; }));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(10000)).ok());
    CHECK(box.state().exit_code == 7);  // still the parent of its container
    const std::string all = box.output();
    int expected = 0;
    for (const std::string& line : split(all, '\n')) {
        if (!line.starts_with('n')) continue;
        CHECK(line == "n" + std::to_string(++expected));  // no line is lost or there twice
    }
    CHECK(all.ends_with("bye\n"));
    CHECK(box.leftovers() == "");
    CHECK_FALSE(exists(box.run_dir() + "/renew.json"));
}

TEST_CASE("a guard with a terminal keeps it when it becomes another program [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("trap 'echo hup' HUP; echo ready; read line; echo got $line; sleep 100"));
    box.config["process"]["terminal"] = true;
    box.annotate(runtime::kStdin, "open");
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(runtime::renew(box.run_dir(), new_version(box)).ok());
    REQUIRE(runtime::pause(box.run_dir()).ok());  // answered by the new one
    REQUIRE(runtime::unpause(box.run_dir()).ok());
    ::usleep(50000);
    CHECK(box.output().find("hup") == std::string::npos);
    CHECK(runtime::read_state(box.run_dir())->pid != 0);
}

TEST_CASE("a guard that can't become another program stays what it is [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo ready; exec sleep 1000"));
    box.run();
    REQUIRE(box.await_output("ready"));
    const auto missing = runtime::renew(box.run_dir(), "/nowhere/davit-runtime");
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().kind() == ErrorKind::NotFound);
    // There, but no program: execve(2) fails after everything else has been prepared.
    const std::string text = box.path("text");
    REQUIRE(write_in_place(text,
                           "\x7f"
                           "ELF no",
                           0755)
                .ok());
    (void)runtime::renew(box.run_dir(), text);
    REQUIRE(runtime::pause(box.run_dir()).ok());
    REQUIRE(runtime::unpause(box.run_dir()).ok());
    CHECK(program_of(box.state().guard_pid) == DAVIT_RUNTIME_PROGRAM);
    CHECK_FALSE(exists(box.run_dir() + "/renew.json"));
    REQUIRE(runtime::stop(box.run_dir(), 9, milliseconds(10000)).ok());
    CHECK(runtime::renew(box.run_dir(), DAVIT_RUNTIME_PROGRAM).error().kind() ==
          ErrorKind::NotFound);
}

TEST_CASE("rotated logs are compressed beside the guard [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh(
        "i=0; while [ $i -lt 600 ]; do i=$((i + 1)); echo line $i; sleep 0.001; done; sleep 100"));
    box.annotate(runtime::kLogMaxSize, "8000");
    box.annotate(runtime::kLogMaxFile, "4");
    box.annotate(runtime::kLogCompress, "yes");
    box.run();
    REQUIRE(box.await_output("line 600\n"));
    CHECK(eventually(
        [&] { return exists(box.log_path() + ".1.gz") && !exists(box.log_path() + ".1"); }));
    CHECK_FALSE(exists(box.log_path() + ".4.gz"));
    // Nothing is left of the processes that did it.
    CHECK(eventually([&] {
        const auto children =
            read_file(fmt::format("/proc/{0}/task/{0}/children", box.state().guard_pid));
        return children && split(trim(*children), ' ').size() == 1;
    }));
}
