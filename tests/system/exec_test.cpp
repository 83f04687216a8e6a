#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>

// Further programs in a container that runs.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

constexpr const char* kSleeper = R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    working_dir: /tmp
    environment: {FOO: bar}
    stop_signal: SIGKILL
)";

}  // namespace

TEST_CASE("a command runs inside with the container's environment and its exit status") {
    const Sandbox box("dt-exec");
    box.load_busybox();
    box.compose(kSleeper);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const Outcome outcome =
        box.davit({"exec", "a", "sh", "-c", "echo $FOO; pwd; hostname; echo trouble >&2; exit 7"});
    CHECK(outcome.status == 7);
    CHECK(contains(outcome.out, "bar\n/tmp\n"));
    CHECK(contains(outcome.err, "trouble"));
    // It is one of the container's own processes, in its cgroup and behind its filter.
    const std::string self = box.davit_ok(
        {"exec", "a", "sh", "-c", "ps; cat /proc/self/status; readlink /proc/self/ns/pid"});
    CHECK(contains(self, "1 root     sleep 1000"));
    CHECK(contains(self, "CapBnd:\t00000000a80425fb"));
    CHECK(contains(self, "Seccomp:\t2"));
    const std::string pid = box.inspect("dt-exec-a-1", "{{.State.Pid}}");
    for (const char* name : {"pid", "net", "mnt", "ipc", "uts", "user", "cgroup"}) {
        CAPTURE(name);
        const std::string link = fmt::format("/proc/{}/ns/{}", pid, name);
        const std::string theirs(trim(davit::testing::run({.argv = {"readlink", link}}).out));
        CHECK(!theirs.empty());
        CHECK(
            contains(box.davit_ok({"exec", "a", "readlink", fmt::format("/proc/self/ns/{}", name)}),
                     theirs));
    }
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a command takes another user, folder and variables") {
    const Sandbox box("dt-execas");
    box.load_busybox();
    box.compose(kSleeper);
    box.davit_ok({"up", "-d"});
    const std::string text = box.davit_ok({"exec", "-T", "-u", "1000:1000", "-w", "/etc", "-e",
                                           "FOO=other", "a", "sh", "-c", "id -u; pwd; echo $FOO"});
    CHECK(text == "1000\n/etc\nother\n");
    CHECK(contains(box.davit_ok({"exec", "-u", "1000", "a", "cat", "/proc/self/status"}),
                   "CapEff:\t0000000000000000"));
    CHECK(contains(box.davit_ok({"exec", "--privileged", "a", "cat", "/proc/self/status"}),
                   "Seccomp:\t0"));
    // Flags behind the service are the program's own.
    CHECK(box.davit_ok({"exec", "a", "echo", "-e", "x", "-T", "--index"}) == "x -T --index\n");
}

TEST_CASE("what can't be executed has the status that shells give it") {
    const Sandbox box("dt-execno");
    box.load_busybox();
    box.compose(kSleeper);
    box.davit_ok({"up", "-d"});
    Outcome outcome = box.davit({"exec", "a", "no-such-program"});
    CHECK(outcome.status == 127);
    CHECK(contains(outcome.err, "no-such-program"));
    CHECK(box.davit({"exec", "a", "/etc"}).status == 126);
    CHECK(box.davit({"exec", "a", "sh", "-c", "kill -9 $$"}).status == 137);
    outcome = box.davit({"exec", "b", "true"});
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.err, "no such service: b"));
    CHECK(contains(box.davit({"exec", "--index", "2", "a", "true"}).err, "no container 2"));
    CHECK(contains(box.davit({"exec", "-u", "nobody-here", "a", "true"}).err, "nobody-here"));
    box.davit_ok({"stop"});
    CHECK(contains(box.davit({"exec", "a", "true"}).err, "does not run"));
}

TEST_CASE("a detached command goes on and ends with its container") {
    const Sandbox box("dt-execd");
    box.load_busybox();
    box.compose(kSleeper);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    box.davit_ok({"exec", "-d", "a", "sh", "-c", "touch /tmp/here; sleep 1000"});
    CHECK(eventually([&] { return contains(box.davit_ok({"exec", "a", "ls", "/tmp"}), "here"); }));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("on a terminal a command gets one of the container's own") {
    const Sandbox box("dt-exectty");
    box.load_busybox();
    box.compose(kSleeper);
    box.davit_ok({"up", "-d"});
    // script(1) gives davit a terminal to stand on.
    std::string line;
    for (const std::string& word : box.davit_command({"exec", "a", "sh", "-c", "tty; exit 3"}).argv)
        line += shell_quoted(word) + " ";
    auto command = box.davit_command({});
    command.argv = {"script", "-qec", line, "/dev/null"};
    const Outcome outcome = davit::testing::run(command);
    if (outcome.status == 127) SKIP_TEST("script is not installed");
    CHECK(contains(outcome.out, "/dev/pts/0"));
    CHECK(outcome.status == 3);
}
