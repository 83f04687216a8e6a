#include "runtime/guard_client.h"
#include "tests/runtime/guarded_container.h"
#include "tests/support/text.h"

#include <functional>
#include <future>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

// The life of a guard: start, output, end, restart, stop, and what is left after accidents.

using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::GuardedContainer;
using davit::testing::sh;
using std::chrono::milliseconds;

namespace {

std::string ns_of(pid_t pid, const std::string& name) {
    char target[64] = {};
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    return ::readlink(path.c_str(), target, sizeof target - 1) > 0 ? target : "";
}

bool alive(pid_t pid) {
    return exists(fmt::format("/proc/{}/root", pid)) && ns_of(pid, "pid") != "";
}

}  // namespace

TEST_CASE("output reaches the log with its stream [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo to out; echo to err >&2; echo -n tail"));
    const auto state = box.run_to_end();
    CHECK(state.status == runtime::Status::Exited);
    CHECK(state.exit_code == 0);
    CHECK(box.log_text("stdout") == "to out\ntail");
    CHECK(box.log_text("stderr") == "to err\n");
    CHECK_FALSE(state.started_at.empty());
    CHECK_FALSE(state.finished_at.empty());
    CHECK(box.leftovers() == "");
}

TEST_CASE("a burst before the end is not lost [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"seq", "1", "40000"});
    CHECK(box.run_to_end().exit_code == 0);
    std::string wanted;
    for (int i = 1; i <= 40000; ++i) wanted += std::to_string(i) + "\n";
    REQUIRE(wanted.size() > 200000);
    CHECK((box.output() == wanted));  // in brackets: a failure must not print 200 KB
}

TEST_CASE("the exit status is recorded [root]") {
    NEED_ROOT_AND_BUSYBOX();
    {
        GuardedContainer box(sh("exit 42"));
        CHECK(box.run_to_end().exit_code == 42);
    }
    GuardedContainer box({"sleep", "100"});
    box.run();
    CHECK(box.state().status == runtime::Status::Running);
    REQUIRE(runtime::kill(box.run_dir(), SIGKILL).ok());
    const auto state = box.await_end();
    CHECK(state.exit_code == 128 + SIGKILL);
    CHECK_FALSE(state.oom_killed);
    CHECK_FALSE(state.stopped_by_user);
    CHECK_FALSE(runtime::kill(box.run_dir(), SIGKILL).ok());
}

TEST_CASE("stop lets the program finish [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done"));
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(10000)).ok());
    const auto state = box.state();
    CHECK(state.status == runtime::Status::Exited);
    CHECK(state.exit_code == 7);
    CHECK(state.stopped_by_user);
    CHECK(box.output() == "ready\nbye\n");
    CHECK(box.leftovers() == "");
    CHECK(runtime::stop(box.run_dir(), 0, milliseconds(10000)).ok());  // twice is as once
}

TEST_CASE("the configured stop signal is sent [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done"));
    box.annotate(runtime::kStopSignal, std::to_string(SIGUSR1));
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(10000)).ok());
    CHECK(box.state().exit_code == 9);
}

TEST_CASE("stop kills a program that does not listen after the timeout [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"));
    box.annotate(runtime::kRestart, "always");
    box.run();
    REQUIRE(box.await_output("ready"));
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(300)).ok());
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took >= milliseconds(300));
    CHECK(took < milliseconds(5000));
    CHECK(box.state().exit_code == 128 + SIGKILL);
    CHECK(box.state().restart_count == 0);
    CHECK(box.leftovers() == "");
}

TEST_CASE("a program that is paused is let go on to hear that it has to end [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"));
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(runtime::pause(box.run_dir()).ok());
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(3000)).ok());
    CHECK(box.state().exit_code == 9);
    CHECK(box.leftovers() == "");
}

TEST_CASE(
    "where memory is short the guard is the last to be ended, and its program is not [root]") {
    NEED_ROOT_AND_BUSYBOX();
    if (::prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) != 1)
        SKIP_ON_THIS_MACHINE("needs CAP_SYS_RESOURCE");
    const auto own = read_file("/proc/self/oom_score_adj");
    REQUIRE(own.ok());
    GuardedContainer box({"sleep", "100"});
    box.run();
    const auto score = [](pid_t pid) {
        return *read_file(fmt::format("/proc/{}/oom_score_adj", pid));
    };
    CHECK(score(box.state().guard_pid) == "-999\n");
    CHECK(score(box.state().pid) == *own);
}

TEST_CASE("a guard that is asked to end stops its container [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"));
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(::kill(box.state().guard_pid, SIGTERM) == 0);
    CHECK(box.await_end().exit_code == 5);
    CHECK(box.leftovers() == "");
}

TEST_CASE("a system that goes down ends a container for good, and no user has stopped it [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"));
    box.annotate(runtime::kRestart, "always");
    box.run();
    REQUIRE(box.await_output("ready"));
    REQUIRE(::kill(box.state().guard_pid, SIGTERM) == 0);
    const auto state = box.await_end();
    CHECK(state.exit_code == 5);
    CHECK(state.restart_count == 0);
    CHECK_FALSE(state.stopped_by_user);  // else it would not come back with the next boot
    CHECK(contains(*read_file(box.bundle() + "/ended.json"), "\"stopped_by_user\":false"));
    CHECK(box.leftovers() == "");
}

TEST_CASE("a container without its guard gets the signal that its caller names [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("trap 'echo usr1 > /word; exit 0' USR1; trap 'exit 1' TERM; "
           "while :; do echo tick; sleep 0.05; done"));
    box.run();
    REQUIRE(box.await_output("tick"));
    REQUIRE(::kill(box.state().guard_pid, SIGKILL) == 0);
    REQUIRE(box.await_guard());
    REQUIRE(runtime::stop(box.run_dir(), SIGUSR1, milliseconds(5000)).ok());
    CHECK(*read_file(box.upper() + "/word") == "usr1\n");
    REQUIRE(runtime::remove_leftovers(box.bundle()).ok());
}

TEST_CASE("on-failure starts again so many times and keeps the network [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("readlink /proc/self/ns/net; echo run >> /count; exit 1"));
    box.annotate(runtime::kRestart, "on-failure:2");
    const auto state = box.run_to_end();
    CHECK(state.status == runtime::Status::Exited);
    CHECK(state.restart_count == 2);
    CHECK(state.exit_code == 1);
    CHECK(*read_file(box.upper() + "/count") == "run\nrun\nrun\n");  // the layer stays, too
    const auto lines = split(trim(box.output()), '\n');
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].starts_with("net:["));
    CHECK(lines[0] == lines[1]);
    CHECK(lines[1] == lines[2]);
    CHECK(box.leftovers() == "");
}

TEST_CASE("stop ends a container that is between two runs [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("exit 3"));
    box.annotate(runtime::kRestart, "always");
    box.run();
    REQUIRE(eventually([&] { return box.state().status == runtime::Status::Restarting; }));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(10000)).ok());
    CHECK(box.state().status == runtime::Status::Exited);
    CHECK(box.state().exit_code == 3);
    CHECK(box.leftovers() == "");
}

TEST_CASE("a missing program is a clear error and leaves nothing [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"no-such-program"});
    box.annotate(runtime::kRestart, "always");
    REQUIRE(box.launch().ok());
    const auto started = runtime::start(box.run_dir());
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().kind() == ErrorKind::NotFound);
    CHECK(started.error().to_string() ==
          "execute 'no-such-program': execve(2): No such file or directory [ENOENT]");
    CHECK_FALSE(started.error().help().empty());
    const auto state = box.await_end();
    CHECK(state.exit_code == 127);
    CHECK(state.restart_count == 0);
    CHECK(box.leftovers() == "");
}

TEST_CASE("a program that cannot be executed is told apart from a missing one [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"/plain"});
    REQUIRE(write_in_place(box.layer() + "/plain", "text", 0644).ok());
    REQUIRE(box.launch().ok());
    const auto started = runtime::start(box.run_dir());
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().kind() == ErrorKind::PermissionDenied);
    CHECK(box.await_end().exit_code == 126);
}

TEST_CASE("a container that cannot be created leaves nothing [root]") {
    NEED_ROOT_AND_BUSYBOX();
    struct Case {
        const char* name;
        std::function<void(GuardedContainer&)> spoil;
        const char* said;
    };
    const Case cases[] = {
        {"a missing bind source", [](auto& box) { box.bind("/x", box.path("nowhere"), {"bind"}); },
         "mount '/x'"},
        {"a bind onto a file as a folder",
         [](auto& box) { box.bind("/bin/busybox/x", box.path("layer"), {"bind"}); },
         "mount '/bin/busybox/x' (bind)"},
        {"a limit that the kernel refuses",
         [](auto& box) {
             box.config["linux"]["resources"]["cpu"] = {{"quota", 1}, {"period", 100000}};
         },
         "write '1"},
        {"a host name that is too long",
         [](auto& box) { box.config["hostname"] = std::string(70, 'x'); }, "set the host name"},
        {"a sysctl of the host",
         [](auto& box) {
             box.config["linux"]["sysctl"] = {{"kernel.panic", "1"}};
         },
         "sysctl 'kernel.panic'"},
        {"a missing layer",
         [](auto& box) { box.annotate(runtime::kOverlayLower, box.path("nowhere")); },
         "mount the root file system"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        GuardedContainer box({"true"});
        c.spoil(box);
        const auto created = box.launch();
        REQUIRE_FALSE(created.ok());
        CHECK_MESSAGE(created.error().to_string().find(c.said) != std::string::npos,
                      created.error().to_string());
        CHECK(box.leftovers() == "");
    }
}

TEST_CASE("a runtime that is not there is a clear error [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"true"});
    const auto created = box.launch("/nowhere/davit-runtime");
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().to_string() == "'/nowhere/davit-runtime' ended without a word");
    CHECK(box.leftovers() == "");
}

TEST_CASE("a container in hand is not created a second time [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "100"});
    box.run();
    const pid_t pid = box.state().pid;
    const auto second = box.launch();
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().kind() == ErrorKind::Busy);
    CHECK(box.state().pid == pid);
    CHECK(alive(pid));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(0)).ok());
    CHECK_FALSE(alive(pid));
    CHECK(box.leftovers() == "");
}

TEST_CASE("a container outlives its guard and can still be stopped [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("trap 'exit 0' TERM; while :; do echo tick; sleep 0.05; done"));
    box.run();
    REQUIRE(box.await_output("tick"));
    const auto before = box.state();
    REQUIRE(::kill(before.guard_pid, SIGKILL) == 0);
    REQUIRE(box.await_guard());
    ::usleep(300000);  // six more lines: a SIGPIPE or a full pipe would end it or stop it
    CHECK(alive(before.pid));
    const auto seen = runtime::observe_state(box.run_dir());
    REQUIRE(seen.ok());
    CHECK(seen->status == runtime::Status::Running);
    CHECK(seen->pid == before.pid);
    CHECK_FALSE(runtime::guard_alive(*seen));
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(5000)).ok());
    CHECK_FALSE(alive(before.pid));
    CHECK(runtime::observe_state(box.run_dir())->status == runtime::Status::Exited);
    REQUIRE(runtime::remove_leftovers(box.bundle()).ok());
    CHECK(box.leftovers().find("cgroup") == std::string::npos);
}

TEST_CASE("a container that waits to be started ends with its guard [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "100"});
    const auto created = box.launch();
    REQUIRE(created.ok());
    const auto state = box.state();
    CHECK(state.status == runtime::Status::Created);
    CHECK(state.pid == created->pid);
    REQUIRE(::kill(state.guard_pid, SIGKILL) == 0);
    CHECK(eventually([&] { return !alive(state.pid); }));
}

TEST_CASE("stop waits for a guard whose launcher was killed and that has not said so yet [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "100"});
    // Takes its time before it becomes the guard, as a loaded machine does.
    const std::string slow = box.path("slow");
    REQUIRE(write_in_place(slow,
                           fmt::format("#!/bin/busybox sh\n/bin/busybox touch {}\n"
                                       "/bin/busybox sleep 0.5\nexec {} \"$@\"\n",
                                       box.path("began"), DAVIT_RUNTIME_PROGRAM),
                           0755)
                .ok());
    const pid_t launcher = ::fork();
    if (launcher == 0) {
        (void)box.launch(slow);
        ::_exit(0);
    }
    REQUIRE(eventually([&] { return exists(box.path("began")); }));
    REQUIRE(::kill(launcher, SIGKILL) == 0);
    REQUIRE(::waitpid(launcher, nullptr, 0) == launcher);
    CHECK_FALSE(runtime::read_state(box.run_dir()).ok());
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(0)).ok());
    const auto state = runtime::read_state(box.run_dir());
    REQUIRE(state.ok());  // it has spoken, and is gone
    CHECK_FALSE(runtime::guard_alive(*state));
    CHECK(eventually([&] { return runtime::observe_state(box.run_dir())->pid == 0; }));
    REQUIRE(runtime::remove_leftovers(box.bundle()).ok());
    CHECK(box.leftovers().find("cgroup") == std::string::npos);
}

TEST_CASE(
    "a guard killed at any moment of its start leaves nothing that cannot be removed [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (int delay_us = 0; delay_us <= 40000; delay_us += 4000) {
        CAPTURE(delay_us);
        GuardedContainer box({"sleep", "100"});
        const pid_t launcher = ::fork();
        if (launcher == 0) {
            if (box.launch()) (void)runtime::start(box.run_dir());
            ::_exit(0);
        }
        ::usleep(static_cast<unsigned>(delay_us));
        const auto early = runtime::read_state(box.run_dir());
        if (early && early->guard_pid > 0) ::kill(early->guard_pid, SIGKILL);
        ::kill(launcher, SIGKILL);
        REQUIRE(::waitpid(launcher, nullptr, 0) == launcher);
        REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(0)).ok());
        REQUIRE(runtime::remove_leftovers(box.bundle()).ok());
        const bool clean =
            eventually([&] { return box.leftovers().find("cgroup") == std::string::npos; });
        CHECK_MESSAGE(clean, box.leftovers());
        const auto state = runtime::observe_state(box.run_dir());
        CHECK(state->pid == 0);
        CHECK_FALSE(runtime::guard_alive(*state));
    }
}

TEST_CASE("a guard that dies while it starts a program is not a program that isn't there [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "100"});
    REQUIRE(box.launch().ok());
    const pid_t guard = runtime::read_state(box.run_dir())->guard_pid;
    REQUIRE(::kill(guard, SIGSTOP) == 0);
    auto starting = std::async(std::launch::async, [&] { return runtime::start(box.run_dir()); });
    ::usleep(50000);  // it has asked by now; where it hasn't, it finds no guard
    REQUIRE(::kill(guard, SIGKILL) == 0);
    const Result<void> started = starting.get();
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().kind() == ErrorKind::System);
    REQUIRE(runtime::stop(box.run_dir(), 0, milliseconds(0)).ok());
    REQUIRE(runtime::remove_leftovers(box.bundle()).ok());
}

TEST_CASE("a cgroup of which only what is above was made leaves nothing [root]") {
    NEED_ROOT_AND_BUSYBOX();
    const GuardedContainer box({"true"});
    const std::string above = box.cgroup().substr(0, box.cgroup().rfind('/'));
    const runtime::CgroupMounts mounts = runtime::find_cgroup_mounts();
    for (const auto& [controller, mount] : mounts.v1)
        REQUIRE(make_directories(mount + above, 0755).ok());
    if (!mounts.unified.empty()) REQUIRE(make_directories(mounts.unified + above, 0755).ok());
    CHECK(box.leftovers().find("cgroup") != std::string::npos);
    REQUIRE(runtime::Cgroup::at(box.cgroup()).remove().ok());
    CHECK(box.leftovers().find("cgroup") == std::string::npos);
}

TEST_CASE("a guard is small [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo ready; sleep 100"));
    box.run();
    REQUIRE(box.await_output("ready"));
    const auto rollup = read_file(fmt::format("/proc/{}/smaps_rollup", box.state().guard_pid));
    REQUIRE(rollup.ok());
    long long dirty_kb = -1;
    for (const std::string& line : split(*rollup, '\n')) {
        if (!line.starts_with("Private_Dirty:")) continue;
        const auto text = trim(std::string_view(line).substr(14));
        dirty_kb = parse_integer(text.substr(0, text.find(' '))).value_or(-1);
    }
    MESSAGE("private memory of a guard: " << dirty_kb << " KiB");
    CHECK(dirty_kb > 0);
#ifndef __SANITIZE_ADDRESS__
    CHECK(dirty_kb < 2048);
#endif
}
