#include "base/file.h"
#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/pty.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <thread>
#include <unistd.h>

// What goes in and out of `run` and `exec`.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

constexpr const char* kSleeper =
    "services:\n  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}\n";

/// A line of the shell with `davit` in it, ended after a minute.
Outcome shell(const Sandbox& box, const std::string& line) {
    davit::testing::Command command = box.davit_command({});
    std::string davit;
    for (const std::string& word : command.argv) davit += fmt::format("'{}' ", word);
    command.argv = {"timeout", "60", "sh", "-c",
                    fmt::format("davit() {{ {}\"$@\"; }}; {}", davit, line)};
    return davit::testing::run(command);
}

}  // namespace

TEST_CASE("run ends with its standard input, however much goes through it") {
    const Sandbox box("dt-stdin");
    box.load_busybox();
    box.compose(kSleeper);
    CHECK(shell(box, "echo in | davit run --rm -T a cat").out == "in\n");
    CHECK(shell(box, "davit run --rm a cat < /dev/null").status == 0);
    CHECK(contains(shell(box, "echo 'echo said' | davit run --rm -T a sh -s").out, "said"));
    // More comes out than goes in, and none of it fits into any buffer: nobody waits for the other.
    CHECK(trim(shell(box, "head -c 3000000 /dev/zero | davit run --rm -T a od -v | wc -c").out) ==
          "12056437");
    CHECK(box.davit_ok({"ps", "-aq"}).empty());
}

TEST_CASE("the input of a run ends with whoever has begun it") {
    const Sandbox box("dt-stdingone");
    box.load_busybox();
    box.compose(kSleeper);
    const Outcome outcome = shell(
        box,
        "mkfifo in; exec 3<> in; davit run --name dt-stdingone-x -T a sh -c 'cat; echo over' < in > out 3<&- &\n"
        "while ! davit ps -q a | grep -q . && ! davit inspect dt-stdingone-x > /dev/null 2>&1; do sleep 0.1; done\n"
        "kill -9 $(pgrep -P $!); wait");
    CAPTURE(outcome.err);
    CHECK(
        eventually([&] { return box.inspect("dt-stdingone-x", "{{.State.Status}}") == "exited"; }));
    box.davit_ok({"down"});
}

TEST_CASE("who doesn't read what a run says holds up no down") {
    const Sandbox box("dt-pager");
    box.load_busybox();
    box.compose(kSleeper);
    const auto begun = std::chrono::steady_clock::now();
    const Outcome outcome = shell(
        box,
        "mkfifo out; exec 3<> out; (exec 3<&-; davit run --name dt-pager-x -T a yes > out) &\n"
        "while ! davit logs --tail 1 dt-pager-x 2> /dev/null | grep -q y; do sleep 0.1; done\n"
        "davit down && echo down; exec 3<&-; wait");
    CAPTURE(outcome.err);
    CHECK(contains(outcome.out, "down"));
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(30));
    CHECK(box.davit_ok({"ps", "-aq"}).empty());
}

TEST_CASE("a terminal takes a large paste while the program answers") {
    const Sandbox box("dt-paste");
    box.load_busybox();
    box.compose(kSleeper);
    box.davit_ok({"up", "-d"});
    davit::testing::OnTerminal terminal(box.davit_command({"exec", "a", "cat"}));
    terminal.type("ready\n");
    REQUIRE(terminal.sees("ready\r\nready"));
    std::jthread typist([&] {
        for (int i = 0; i < 6000; ++i)
            terminal.type(fmt::format("{:06} of a paste of many lines\n", i));
        terminal.type("and its end\n");
    });
    CHECK(terminal.sees("and its end"));
    CHECK(contains(terminal.screen(), "005999 of a paste"));
    typist.join();
    terminal.type("\x04");
    CHECK(terminal.wait() == 0);
    box.davit_ok({"down"});
}

TEST_CASE("keys reach a program below a small process 1 once") {
    const Sandbox box("dt-keys");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    init: true\n    tty: true\n"
        "    command: [sh, -c, \"trap 'echo caught' INT; echo ready; while :; do sleep 0.1; done\"]\n");
    davit::testing::OnTerminal terminal(
        box.davit_command({"run", "--rm", "--name", "dt-keys-x", "a"}));
    REQUIRE(terminal.sees("ready"));
    terminal.type("\x03");
    REQUIRE(terminal.sees("caught"));
    ::usleep(500'000);
    terminal.type("x");  // something to be seen, so that all before it was read
    CHECK(terminal.sees("x"));
    CHECK(terminal.screen().find("caught") == terminal.screen().rfind("caught"));
    box.davit_ok({"rm", "-f", "dt-keys-x"});
}

TEST_CASE("exec refuses a folder that isn't there and a container that is paused") {
    const Sandbox box("dt-execwhere");
    box.load_busybox();
    box.compose(kSleeper);
    box.davit_ok({"up", "-d"});
    Outcome outcome = box.davit({"exec", "-T", "-w", "/no/such", "a", "true"});
    CHECK(outcome.status == 127);
    CHECK(contains(outcome.err, "enter the working directory '/no/such'"));
    CHECK(box.davit({"exec", "-T", "a", "ls", "-d", "/no"}).status != 0);
    box.davit_ok({"pause", "a"});
    outcome = box.davit({"exec", "-T", "a", "true"});
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.err, "is paused"));
    CHECK(contains(outcome.err, "davit unpause a"));
    box.davit_ok({"unpause", "a"});
    box.davit_ok({"down"});
}
