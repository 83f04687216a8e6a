#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <memory>
#include <poll.h>

using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::http_get;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

/// Whether the server, which may still be starting, gives an answer with `words` in it.
bool answers(const std::string& ip, int port, const std::string& words) {
    return eventually([&] { return contains(http_get(ip, port), words); });
}

/// Four services, each after the one before, one of them published.
std::string chain() {
    std::string text = "services:\n";
    for (int i = 1; i <= 4; ++i) {
        text += fmt::format(
            "  s{}:\n    image: local/busybox:1\n    stop_signal: SIGKILL\n"
            "    command: [\"httpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/bin\"]\n",
            i);
        if (i > 1) text += fmt::format("    depends_on: [s{}]\n", i - 1);
        if (i == 4) text += "    ports: [\"18080:80\"]\n";
    }
    return text;
}

}  // namespace

TEST_CASE("after kill -9 in the middle of up down leaves nothing and up goes on") {
    const Sandbox box("dt-kill");
    box.load_busybox();
    box.compose(chain());
    const std::string before = box.world();
    // Killed later and later, from before the first step to after the last one.
    for (int delay_ms = 0; delay_ms <= 120; delay_ms += 6) {
        CAPTURE(delay_ms);
        Background up(box.davit_command({"up", "-d"}), "/dev/null");
        ::poll(nullptr, 0, delay_ms);
        up.signal(SIGKILL);
        up.wait();
        if (delay_ms % 12 == 0) {
            box.davit_ok({"up", "-d"});
            CHECK(answers("127.0.0.1", 18080, "HTTP/1"));
        }
        box.davit_ok({"down"});
        // A guard that was killed with its launcher's word on its lips needs a moment to end.
        CHECK(eventually([&] { return box.world() == before; }));
        if (box.world() != before) {
            MESSAGE(box.world());
            break;
        }
    }
}

TEST_CASE("up brings back what a stop that was killed is about to end") {
    const Sandbox box("dt-killedstop");
    box.load_busybox();
    box.compose(
        "services:\n  deaf:\n    image: local/busybox:1\n    stop_grace_period: 2s\n"
        "    command: [sh, -c, 'trap \"\" TERM; while :; do sleep 1; done']\n");
    box.davit_ok({"up", "-d"});
    const std::string pid = box.inspect("dt-killedstop-deaf-1", "{{.State.Pid}}");
    Background stop(box.davit_command({"stop"}), "/dev/null");
    const std::string state = box.run_root() + "/dt-killedstop/dt-killedstop-deaf-1/state.json";
    REQUIRE(eventually([&] {
        const auto text = read_file(state);
        return text && contains(*text, "\"stopping\": true");
    }));
    stop.signal(SIGKILL);
    stop.wait();
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 2);
    box.davit_ok({"up", "-d"});
    ::poll(nullptr, 0, 2500);  // longer than the first stop had given it
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);
    CHECK(box.inspect("dt-killedstop-deaf-1", "{{.State.Pid}}") != pid);
    box.davit_ok({"kill"});
    box.davit_ok({"down"});
}

TEST_CASE("after kill -9 in the middle of down a second down finishes it") {
    const Sandbox box("dt-killdown");
    box.load_busybox();
    box.compose(chain());
    const std::string before = box.world();
    for (int delay_ms = 0; delay_ms <= 60; delay_ms += 10) {
        CAPTURE(delay_ms);
        box.davit_ok({"up", "-d"});
        Background down(box.davit_command({"down"}), "/dev/null");
        ::poll(nullptr, 0, delay_ms);
        down.signal(SIGKILL);
        down.wait();
        box.davit_ok({"down"});
        CHECK(eventually([&] { return box.world() == before; }));
    }
}

TEST_CASE("a container survives its guard and up takes it in hand again") {
    const Sandbox box("dt-unguarded");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    stop_signal: SIGKILL
    command: sh -c 'while true; do echo tick; sleep 0.05; done'
)");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string state = box.run_root() + "/dt-unguarded/dt-unguarded-a-1/state.json";
    const std::string text = *read_file(state);
    const std::size_t at = text.find("\"guard_pid\": ") + 13;
    const auto guard = parse_integer(text.substr(at, text.find(',', at) - at));
    REQUIRE(guard.has_value());
    const std::string pid = box.inspect("dt-unguarded-a-1", "{{.State.Pid}}");
    REQUIRE(::kill(static_cast<pid_t>(*guard), SIGKILL) == 0);
    ::poll(nullptr, 0, 300);
    // Its output has nowhere to go now, and still it lives.
    CHECK(exists("/proc/" + pid));
    CHECK(box.inspect("dt-unguarded-a-1", "{{.State.Pid}}") == pid);
    CHECK(contains(box.davit_ok({"ps"}), "(unsupervised)"));
    const auto lines = [&] { return box.davit_ok({"logs", "a"}).size(); };
    const std::size_t logged = lines();
    box.davit_ok({"up", "-d"});
    // The same process, under a new guard that writes its log and sees how it ends.
    CHECK(box.inspect("dt-unguarded-a-1", "{{.State.Pid}}") == pid);
    CHECK(box.inspect("dt-unguarded-a-1", "{{.State.Status}}") == "running");
    CHECK(!contains(box.davit_ok({"ps"}), "(unsupervised)"));
    CHECK(eventually([&] { return lines() > logged; }));
    REQUIRE(::kill(static_cast<pid_t>(*parse_integer(pid)), SIGTERM) == 0);  // a pid 1: ignored
    box.davit_ok({"exec", "a", "sh", "-c", "exit 0"});
    REQUIRE(::kill(static_cast<pid_t>(*parse_integer(pid)), SIGKILL) == 0);
    CHECK(eventually(
        [&] { return box.inspect("dt-unguarded-a-1", "{{.State.ExitCode}}") == "137"; }));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("two commands at once on one project take turns") {
    const Sandbox box("dt-twice");
    box.load_busybox();
    box.compose(chain());
    const std::string before = box.world();
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<Background>> commands;
        for (int i = 0; i < 4; ++i)
            commands.push_back(
                std::make_unique<Background>(box.davit_command({"up", "-d"}), "/dev/null"));
        for (const auto& command : commands) CHECK(command->wait() == 0);
        CHECK(answers("127.0.0.1", 18080, "HTTP/1"));
        Background down(box.davit_command({"down"}), "/dev/null");
        Background up(box.davit_command({"up", "-d"}), "/dev/null");
        CHECK(down.wait() == 0);
        CHECK(up.wait() == 0);
        box.davit_ok({"down"});
        CHECK(box.world() == before);
    }
}

TEST_CASE("up attached streams the logs and Ctrl-C stops the stack") {
    const Sandbox box("dt-attached");
    box.load_busybox();
    box.compose(R"(
services:
  talker:
    image: local/busybox:1
    command: sh -c 'trap "echo bye; exit 0" TERM; echo hello; while true; do sleep 0.05; done'
)");
    const std::string output = box.folder() + "/output";
    Background up(box.davit_command({"up"}), output);
    REQUIRE(eventually([&] { return contains(*read_file(output), "talker-1  | hello"); }));
    up.signal(SIGINT);
    CHECK(up.wait() == 130);
    CHECK(contains(*read_file(output), "Gracefully stopping"));
    CHECK(contains(*read_file(output), "talker-1  | bye"));
    CHECK(box.inspect("dt-attached-talker-1", "{{.State.Status}} {{.State.ExitCode}}") ==
          "exited 0");
}

TEST_CASE("a program that can't be executed is named and down cleans up") {
    const Sandbox box("dt-noexec");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    command: [/no/such/program]\n"
        "  b:\n    image: local/busybox:1\n    command: sleep 1000\n    stop_signal: SIGKILL\n");
    const std::string before = box.world();
    const Outcome up = box.davit({"up", "-d"});
    CHECK(up.status == 1);
    CHECK(contains(up.err, "execute '/no/such/program'"));
    // What does not depend on it runs.
    CHECK(box.inspect("dt-noexec-b-1", "{{.State.Status}}") == "running");
    CHECK(box.inspect("dt-noexec-a-1", "{{.State.ExitCode}}") == "127");
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("fifty services come up and go down whole") {
    const Sandbox box("dt-fifty");
    box.load_busybox();
    std::string text = "services:\n";
    for (int i = 1; i <= 50; ++i)
        text += fmt::format(
            "  s{}:\n    image: local/busybox:1\n    command: sleep 1000\n"
            "    stop_signal: SIGKILL\n    ports: [\"{}:80\"]\n",
            i, 19000 + i);
    box.compose(text);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(split(box.davit_ok({"ps", "-q"}), '\n').size() == 51);
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}
