#include "tests/system/fault.h"

#include "base/file.h"
#include "base/json.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/needs_failpoints.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <memory>
#include <poll.h>
#include <set>

// Faults and what must hold after each; the names in parentheses are those of docs/reliability.md.
using namespace davit;
using namespace davit::testing;

TEST_CASE("davit killed at any rename goes on in the next command (K1, K2, K14)") {
    if (run({.argv = {"sh", "-c", "command -v strace"}}).status != 0)
        SKIP_TEST("strace is not installed");
    const Sandbox box("dt-inject");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    // Each record is written by a rename: killed at the n-th one, for each n that there is.
    const auto killed = [&](std::vector<std::string> arguments, const char* call, int n) {
        Command command = box.davit_command(std::move(arguments));
        command.argv.insert(
            command.argv.begin(),
            {"timeout", "--signal=KILL", "60", "strace", "-f", "-q", "-o", "/dev/null", "-e",
             fmt::format("trace={}", call), "-e",
             fmt::format("inject={}:signal=KILL:when={}", call, n), "-b", "execve"});
        return run(command).status;
    };
    for (int n = 1; n <= 40; n += 3) {
        CAPTURE(n);
        const bool ended = killed({"up", "-d"}, "rename", n) == 0;
        // And the recovery from that as well (K14).
        if (!ended && n % 2 == 0) killed({"up", "-d"}, "rename", 2);
        if (n % 2 == 1) check_goes_on(box);
        if (!ended && n % 4 == 1) killed({"restart"}, "rename", 2);
        killed({"down"}, "unlinkat", n);
        check_goes_down(box, before);
        if (ended) break;
    }
}

TEST_CASE("guards killed during a stop and with the command and with everything (K4, K5, K6)") {
    const Sandbox box("dt-guards");
    box.load_busybox();
    box.compose(R"(
services:
  deaf:
    image: local/busybox:1
    command: sh -c 'trap "" TERM; while true; do sleep 0.1; done'
    stop_grace_period: 2s
    restart: always
)");
    const std::string before = box.world();
    const std::string name = "dt-guards-deaf-1";
    box.davit_ok({"up", "-d"});

    // K4: the guard dies while the container takes its time to end.
    {
        Background stop(box.davit_command({"stop"}), "/dev/null");
        ::poll(nullptr, 0, 500);
        kill_hard(guard_of(box, name));
        stop.wait();
        CHECK(bounded(box, {"stop"}).status == 0);
        CHECK(eventually([&] { return !lives(box, name); }));
    }
    check_goes_on(box);

    // K5: the command and the guard at once.
    {
        Background restart(box.davit_command({"restart"}), "/dev/null");
        ::poll(nullptr, 0, 300);
        kill_hard(guard_of(box, name));
        restart.signal(SIGKILL);
        restart.wait();
    }
    check_goes_on(box);

    // K6: guard and container.
    const pid_t guard = guard_of(box, name);
    const pid_t init = pid_of(box, name);
    kill_hard(guard);
    kill_hard(init);
    // I8: nobody saw how it ended, and so it is not told as success.
    CHECK(box.inspect(name, "{{.State.ExitCode}}") != "0");
    check_goes_on(box);
    CHECK(pid_of(box, name) != init);
    check_goes_down(box, before);
}

TEST_CASE("a number of a process that is somebody else's now is never signalled (K9)") {
    const Sandbox box("dt-recycled");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string name = "dt-recycled-db-1";
    kill_hard(guard_of(box, name));
    kill_hard(pid_of(box, name));
    Background bystander({.argv = {"sleep", "1000"}}, "/dev/null");
    const std::string path = box.run_root() + "/dt-recycled/" + name + "/state.json";
    Json state = *read_json(path);
    state["pid"] = bystander.pid();
    state["guard_pid"] = bystander.pid();
    REQUIRE(write_json(path, state, Sync::No).ok());
    CHECK(box.inspect(name, "{{.State.Status}}") == "exited");
    for (const char* word : {"stop", "kill", "start", "restart"}) {
        CAPTURE(word);
        bounded(box, {word, "db"});
        CHECK(::kill(bystander.pid(), 0) == 0);
    }
    check_goes_on(box);
    check_goes_down(box, before);
    CHECK(::kill(bystander.pid(), 0) == 0);
}

TEST_CASE("a lost terminal and a closed pipe harm nobody (K12)") {
    const Sandbox box("dt-hangup");
    box.load_busybox();
    box.compose(std::string(kTwo) +
                "  talk: {image: local/busybox:1, stop_signal: SIGKILL, "
                "command: \"sh -c 'while true; do echo tick; sleep 0.1; done'\"}\n");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string running = pids(box);
    {
        Background up(box.davit_command({"up"}), "/dev/null");
        ::poll(nullptr, 0, 500);
        up.signal(SIGHUP);
        up.wait();
    }
    CHECK(pids(box) == running);
    const std::string davit = std::string(DAVIT_PROGRAM);
    Command pipe = box.davit_command({});
    pipe.argv = {"sh", "-c", davit + " logs -f talk | head -n 1; " + davit + " config | head -n 1"};
    CHECK(run(pipe).status == 0);
    check_whole(box);
    for (int count : {1, 2, 10}) {
        CAPTURE(count);
        Background up(box.davit_command({"up"}), "/dev/null");
        ::poll(nullptr, 0, 500);
        for (int i = 0; i < count; ++i) up.signal(SIGINT);
        CHECK(up.wait() == 130);
        check_goes_on(box);
    }
    check_goes_down(box, before);
}

TEST_CASE("commands of all kinds at once end in a state that one after the other gives (C2, C3)") {
    const Sandbox box("dt-nemesis");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    const std::vector<std::vector<std::string>> kinds = {
        {"up", "-d"}, {"down"}, {"restart"}, {"stop"}, {"up", "-d", "db"}, {"up", "-d", "web"}};
    for (std::size_t round = 0; round < 4; ++round) {
        std::vector<std::unique_ptr<Background>> commands;
        for (std::size_t i = 0; i < kinds.size(); ++i)
            commands.push_back(std::make_unique<Background>(
                box.davit_command(kinds[(i * 5 + round) % kinds.size()]), "/dev/null"));
        for (const auto& command : commands) command->wait();
        check_whole(box);
    }
    check_goes_on(box);
    CHECK(eventually([] { return contains(http_get("127.0.0.1", 18090), "HTTP/1"); }));
    check_goes_down(box, before);
}

TEST_CASE("many projects start at once and share nothing (C4)") {
    constexpr int kProjects = 12;
    const Sandbox box("dt-many");
    box.load_busybox();
    box.compose(R"(
services:
  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, ports: ["80"]}
)");
    const std::string before = box.world();
    std::vector<std::unique_ptr<Background>> commands;
    const auto each = [&](const std::vector<std::string>& words) {
        commands.clear();
        for (int i = 0; i < kProjects; ++i) {
            std::vector<std::string> line = {"-p", fmt::format("dt-many{}", i)};
            line.insert(line.end(), words.begin(), words.end());
            commands.push_back(std::make_unique<Background>(box.davit_command(line), "/dev/null"));
        }
        for (const auto& command : commands) CHECK(command->wait() == 0);
    };
    // Also where a check fails: the sandbox knows of one project alone.
    const ScopeGuard undo([&] {
        for (int i = 0; i < kProjects; ++i)
            (void)box.davit({"-p", fmt::format("dt-many{}", i), "down", "-t", "0"});
    });
    each({"up", "-d"});
    check_whole(box);
    std::set<std::string> addresses;
    std::set<std::string> ports;
    for (int i = 0; i < kProjects; ++i) {
        const std::string name = fmt::format("dt-many{}-a-1", i);
        addresses.insert(box.inspect(name, "{{.NetworkSettings.IPAddress}}"));
        ports.insert(box.davit_ok({"-p", fmt::format("dt-many{}", i), "port", "a", "80"}));
    }
    CHECK(addresses.size() == kProjects);
    CHECK(ports.size() == kProjects);
    each({"down"});
    CHECK(eventually([&] { return box.world() == before; }));
}

TEST_CASE("a run that was killed before it had connected its container leaves nothing to up (K1)") {
    NEEDS_FAILPOINTS();
    const Sandbox box("dt-runs");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string trace = box.folder() + "/trace";
    const auto with_fault = [&](std::vector<std::string> words, const char* fault) {
        Command command = box.davit_command(std::move(words));
        command.environment.push_back(std::string("DAVIT_FAILPOINTS=") + fault);
        command.environment.push_back("DAVIT_FAILPOINTS_TRACE=" + trace);
        return command;
    };
    const std::vector<std::string> one_off = {"run", "--rm", "-T", "--no-deps", "db", "echo", "me"};
    const auto one_off_is = [&](const char* word) {
        return contains(box.davit_ok({"ps", "-a", "--format", "{{.Name}} {{.State}}"}), word);
    };
    for (const char* fault : {"link.make=kill", "link.configure=kill", "link.inside=kill"}) {
        CAPTURE(fault);
        CHECK(run(with_fault(one_off, fault)).status == 137);
        CHECK(one_off_is("created"));
        check_goes_on(box);
        CHECK_FALSE(one_off_is("-run-"));
    }
    // One that is about to be started is whole.
    REQUIRE(::unlink(trace.c_str()) == 0);
    Background slow(with_fault(one_off, "guard.ask-start=delay:1000"), box.folder() + "/said");
    REQUIRE(eventually([&] {
        const auto reached = read_file(trace);
        return reached && contains(*reached, "guard.ask-start");
    }));
    slow.signal(SIGSTOP);
    check_goes_on(box);
    CHECK(one_off_is("created"));
    slow.signal(SIGCONT);
    CHECK(slow.wait() == 0);
    CHECK(*read_file(box.folder() + "/said") == "me\n");
    // And one that has run before is somebody's, wherever its start was killed.
    box.davit_ok({"run", "--name", "job", "-T", "--no-deps", "db", "touch", "/kept"});
    CHECK(run(with_fault({"start", "job"}, "link.make=kill")).status == 137);
    check_goes_on(box);
    box.davit_ok({"cp", "job:/kept", box.folder() + "/kept"});
    box.davit_ok({"rm", "-f", "job"});
    check_goes_down(box, before);
}

TEST_CASE("the holder of a lock that is killed and a lock file that is removed stop nobody (C6)") {
    const Sandbox box("dt-locks");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string lock = box.data_root() + "/projects/dt-locks/lock";
    {
        Background holder({.argv = {"flock", "--no-fork", lock, "sleep", "1000"}}, "/dev/null");
        ::poll(nullptr, 0, 200);
        Background stop(box.davit_command({"stop"}), "/dev/null");
        ::poll(nullptr, 0, 300);
        CHECK(box.inspect("dt-locks-db-1", "{{.State.Status}}") == "running");
        holder.signal(SIGKILL);
        CHECK(stop.wait() == 0);
    }
    REQUIRE(run({.argv = {"rm", "-f", lock, box.run_root() + "/host.lock"}}).status == 0);
    check_goes_on(box);
    check_goes_down(box, before);
}

TEST_CASE("exec while its container ends and is made anew says so (C8)") {
    const Sandbox box("dt-execs");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    Background churn(
        {.argv = {"sh", "-c",
                  fmt::format("for i in 1 2 3 4 5; do {0} up -d --force-recreate db; {0} "
                              "kill db; {0} up -d; done",
                              DAVIT_PROGRAM)},
         .folder = box.folder(),
         .environment = box.davit_command({}).environment},
        "/dev/null");
    for (int i = 0; i < 30; ++i) {
        // 137 is a status here, and not that of a limit.
        const Outcome outcome = box.davit({"exec", "-T", "db", "sh", "-c", "exit 7"});
        CAPTURE(outcome.err);
        // Its own status, that of a killed process, or an error with words.
        const bool clean = outcome.status == 7 || outcome.status == 137 ||
                           (outcome.status != 0 && contains(outcome.err, "error"));
        CHECK(clean);
    }
    churn.wait();
    check_goes_on(box);
    check_goes_down(box, before);
}
