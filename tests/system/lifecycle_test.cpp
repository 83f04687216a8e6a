#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "tests/support/pty.h"
#include "tests/system/fault.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>

// What peers got wrong in the life of containers; the names in parentheses are those of
// docs/reliability.md.
using namespace davit;
using namespace davit::testing;

namespace {

std::string sleeper(const std::string& name, const std::string& more = {}) {
    return fmt::format(
        "  {}:\n    image: local/busybox:1\n    command: sleep 1000\n    stop_signal: SIGKILL\n{}",
        name, more);
}

std::string id_of(const Sandbox& box, const std::string& container) {
    return box.inspect(container, "{{.Id}}");
}

}  // namespace

TEST_CASE("a dependency that can't start or is not watched ends the wait and is named (L1)") {
    const Sandbox box("dt-never");
    box.load_busybox();
    const std::string waits =
        sleeper("web", "    depends_on: {db: {condition: service_healthy}}\n");
    const std::string before = box.world();

    box.compose("services:\n" + waits +
                "  db: {image: local/busybox:1, command: /no/such, healthcheck: "
                "{test: [\"CMD\", \"true\"]}}\n");
    const Outcome never = bounded(box, {"up", "-d"});
    CHECK(never.status == 1);
    CAPTURE(never.err);
    CHECK(contains(never.err, "/no/such"));
    CHECK(box.inspect("dt-never-web-1", "{{.State.Status}}") == "created");

    box.compose("services:\n" + waits + sleeper("db"));
    const Outcome unwatched = bounded(box, {"up", "-d"});
    CHECK(unwatched.status == 1);
    CHECK(contains(unwatched.err, "dt-never-db-1 has no healthcheck configured"));

    // Told how long it may take, the wait of a dependency ends in time, too.
    box.compose("services:\n" + waits +
                sleeper("db",
                        "    healthcheck: {test: [\"CMD\", \"false\"], interval: 100ms, "
                        "start_interval: 100ms, start_period: 1000s}\n"));
    const Outcome late = bounded(box, {"up", "--wait", "--wait-timeout", "1"});
    CHECK(late.status == 1);
    CHECK(contains(late.err, "timeout waiting for container dt-never-db-1"));
    CHECK(contains(late.err, "last probe exited with 1"));
    check_goes_down(box, before);
}

TEST_CASE("a failure is told once with the last words of its container (L1)") {
    const Sandbox box("dt-once");
    box.load_busybox();
    std::string file =
        "services:\n  job: {image: local/busybox:1, command: \"sh -c 'echo no luck; exit 7'\"}\n";
    for (const char* name : {"a", "b", "c"})
        file +=
            sleeper(name, "    depends_on: {job: {condition: service_completed_successfully}}\n");
    box.compose(file);
    const Outcome up = bounded(box, {"up", "-d"});
    CHECK(up.status == 1);
    CAPTURE(up.err);
    const auto count = [&](const std::string& text) {
        std::size_t found = 0;
        for (std::size_t at = up.err.find(text); at != std::string::npos;
             at = up.err.find(text, at + 1))
            ++found;
        return found;
    };
    CHECK(count("container dt-once-job-1 exited (7)") == 1);
    CHECK(count("no luck") == 1);
    // And so does a start of what is there.
    const Outcome start = bounded(box, {"start"});
    CHECK(start.status == 1);
    CHECK(contains(start.err, "no luck"));
    box.davit_ok({"down"});
}

TEST_CASE("a task that has ended well is well also where it is waited for (L2)") {
    const Sandbox box("dt-task");
    box.load_busybox();
    box.compose("services:\n  job: {image: local/busybox:1, command: \"true\"}\n");
    CHECK(bounded(box, {"up", "--wait"}).status == 0);
    const std::string started = box.inspect("dt-task-job-1", "{{.State.StartedAt}}");
    box.compose("services:\n  job: {image: local/busybox:1, command: \"true\"}\n" +
                sleeper("web",
                        "    depends_on: {job: {condition: "
                        "service_completed_successfully}}\n"));
    CHECK(bounded(box, {"up", "--wait"}).status == 0);
    // Somebody waits for it now, and it has done its work already.
    CHECK(box.inspect("dt-task-job-1", "{{.State.StartedAt}}") == started);
    // Nobody waits for how it ends. (Whether --wait sees it run or ended is chance, as in Docker.)
    box.compose("services:\n  job: {image: local/busybox:1, command: \"false\"}\n");
    CHECK(bounded(box, {"up", "-d"}).status == 0);
    box.davit_ok({"down", "--remove-orphans"});
}

TEST_CASE("a check may be missing print without end or meet a pause (L3)") {
    const Sandbox box("dt-checks");
    box.load_busybox();
    const std::string check = "    healthcheck: {test: [%], interval: 100ms, retries: 1}\n";
    const auto with = [&](const std::string& test) {
        std::string text = check;
        return text.replace(text.find('%'), 1, test);
    };
    box.compose("services:\n" + sleeper("missing", with("\"CMD\", \"/no/such\"")) +
                sleeper("loud", with("\"CMD-SHELL\", \"yes | head -c 10000000\"")) +
                sleeper("held", with("\"CMD\", \"true\"")));
    box.davit_ok({"up", "-d"});
    const auto health = [&](const char* name) {
        return box.inspect(fmt::format("dt-checks-{}-1", name), "{{.State.Health.Status}}");
    };
    CHECK(eventually([&] { return health("missing") == "unhealthy"; }));
    CHECK(contains(box.inspect("dt-checks-missing-1", "{{json .State.Health.Log}}"), "/no/such"));
    CHECK(eventually([&] { return health("loud") == "healthy"; }));
    CHECK(box.inspect("dt-checks-loud-1", "{{json .State.Health.Log}}").size() < 64U << 10U);
    CHECK(eventually([&] { return health("held") == "healthy"; }));
    box.davit_ok({"pause", "held"});
    CHECK(bounded(box, {"down"}).status == 0);
    check_whole(box);
}

TEST_CASE("health begins anew with each run (L4)") {
    const Sandbox box("dt-anew");
    box.load_busybox();
    box.compose("services:\n" +
                sleeper("a",
                        "    healthcheck: {test: [\"CMD-SHELL\", \"test -e /tmp/well\"], "
                        "interval: 100ms, retries: 1, start_period: 500s}\n"));
    box.davit_ok({"up", "-d"});
    const auto health = [&] { return box.inspect("dt-anew-a-1", "{{.State.Health.Status}}"); };
    box.davit_ok({"exec", "a", "touch", "/tmp/well"});
    CHECK(eventually([&] { return health() == "healthy"; }));
    box.davit_ok({"exec", "a", "rm", "/tmp/well"});
    // What the start period forgives ends with the first success …
    CHECK(eventually([&] { return health() == "unhealthy"; }));
    box.davit_ok({"restart", "-t", "0"});
    // … and begins anew with the next run.
    CHECK(health() == "starting");
    box.davit_ok({"down"});
}

TEST_CASE("who shares a network follows when the container that has it is made anew (L7)") {
    const Sandbox box("dt-vpn");
    box.load_busybox();
    const auto file = [&](const std::string& colour) {
        return "services:\n" + sleeper("vpn", "    environment: {COLOUR: " + colour + "}\n") +
               sleeper("app", "    network_mode: service:vpn\n");
    };
    box.compose(file("red"));
    box.davit_ok({"up", "-d"});
    const auto network = [&](const char* service) {
        return box.davit_ok({"exec", "-T", service, "readlink", "/proc/self/ns/net"});
    };
    CHECK(network("app") == network("vpn"));
    const std::string first = network("vpn");
    // As long as somebody has it, no other namespace gets its number.
    Result<UniqueFd> held =
        sys::open("/proc/" + box.inspect("dt-vpn-vpn-1", "{{.State.Pid}}") + "/ns/net", O_RDONLY);
    REQUIRE(held.ok());
    box.compose(file("blue"));
    box.davit_ok({"up", "-d", "vpn"});
    CHECK(network("vpn") != first);
    held->reset();
    CHECK(network("app") == network("vpn"));
    check_whole(box);
    box.davit_ok({"up", "-d", "--force-recreate", "vpn"});
    CHECK(network("app") == network("vpn"));
    box.davit_ok({"down"});
}

TEST_CASE("scaling down and up again gives numbers and volumes back (L8)") {
    const Sandbox box("dt-numbers");
    box.load_busybox();
    box.compose("services:\n" + sleeper("a", "    volumes: [\"data:/d\"]\n") +
                "volumes: {data: {}}\n");
    box.davit_ok({"up", "-d", "--scale", "a=3"});
    const std::string first = id_of(box, "dt-numbers-a-1");
    box.davit_ok({"exec", "-T", "--index", "3", "a", "sh", "-c", "echo kept > /d/file"});
    box.davit_ok({"up", "-d", "--scale", "a=1"});
    box.davit_ok({"up", "-d", "--scale", "a=3"});
    CHECK(id_of(box, "dt-numbers-a-1") == first);
    CHECK(box.davit_ok({"ps", "--format", "{{.Name}}"}) ==
          "dt-numbers-a-1\ndt-numbers-a-2\ndt-numbers-a-3\n");
    CHECK(box.davit_ok({"exec", "-T", "--index", "2", "a", "cat", "/d/file"}) == "kept\n");
    std::set<std::string> addresses;
    for (int i = 1; i <= 3; ++i)
        addresses.insert(
            box.inspect(fmt::format("dt-numbers-a-{}", i), "{{.NetworkSettings.IPAddress}}"));
    CHECK(addresses.size() == 3);
    check_whole(box);
    box.davit_ok({"down", "-v"});
}

TEST_CASE("each kind of change has its own effect (L11)") {
    const Sandbox box("dt-kinds");
    box.load_busybox();
    box.write("word", "one\n");
    const auto file = [&](const std::string& more) {
        return "services:\n" + sleeper("a", more) + sleeper("b") +
               "secrets: {word: {file: ./word}}\n";
    };
    const std::string plain = "    secrets: [word]\n";
    box.compose(file(plain));
    box.davit_ok({"up", "-d"});
    const std::string b = id_of(box, "dt-kinds-b-1");
    std::string a = id_of(box, "dt-kinds-a-1");
    const auto is_new = [&] {
        box.davit_ok({"up", "-d"});
        CHECK(id_of(box, "dt-kinds-b-1") == b);
        const std::string now = id_of(box, "dt-kinds-a-1");
        const bool changed = now != a;
        a = now;
        return changed;
    };
    CHECK_FALSE(is_new());
    // What is only written otherwise is no change.
    box.compose(file(plain + "    environment: {}\n    labels: []\n"));
    CHECK_FALSE(is_new());
    for (const char* change :
         {"    labels: {x: y}\n", "    environment: {X: y}\n",
          "    healthcheck: {test: [\"CMD\", \"true\"]}\n", "    mem_limit: 64m\n",
          "    hostname: other\n", "    read_only: true\n"}) {
        CAPTURE(change);
        box.compose(file(plain + change));
        CHECK(is_new());
    }
    box.compose(file(plain + "    read_only: true\n    scale: 2\n"));
    CHECK_FALSE(is_new());  // only one more
    box.write("word", "two\n");
    CHECK(is_new());
    CHECK(box.davit_ok({"exec", "-T", "a", "cat", "/run/secrets/word"}) == "two\n");
    box.davit_ok({"down"});
}

TEST_CASE("too much memory is told apart from a signal (L13)") {
    const Sandbox box("dt-oom");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    mem_limit: 16m\n    memswap_limit: 16m\n"
        "    command: sh -c 'x=; while true; do x=$$x$$(head -c 1000000 /dev/zero | tr \"\\\\0\" "
        "x); done'\n");
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return box.inspect("dt-oom-a-1", "{{.State.Status}}") == "exited"; }));
    CHECK(box.inspect("dt-oom-a-1", "{{.State.OOMKilled}}") == "true");
    CHECK(box.inspect("dt-oom-a-1", "{{.State.ExitCode}}") == "137");
    box.davit_ok({"down"});
}

TEST_CASE("a terminal follows its size and can be left and found again (L14)") {
    const Sandbox box("dt-terminal");
    box.load_busybox();
    box.compose(
        "services:\n  a: {image: local/busybox:1, command: sh, tty: true, stdin_open: true, "
        "stop_signal: SIGKILL}\n");
    box.davit_ok({"up", "-d"});
    {
        OnTerminal attach(box.davit_command({"attach", "a"}));
        attach.type("stty size; echo here\n");
        CHECK_MESSAGE(attach.sees("24 80"), attach.screen());
        attach.resize(40, 132);
        attach.type("sleep 0.3; stty size\n");
        CHECK_MESSAGE(attach.sees("40 132"), attach.screen());
        attach.type("kept=yes\n\x10\x11");  // ctrl-p ctrl-q
        CHECK(attach.wait() == 0);
    }
    CHECK(box.inspect("dt-terminal-a-1", "{{.State.Running}}") == "true");
    OnTerminal again(box.davit_command({"attach", "a"}));
    again.type("echo \"<$kept>\"\n");
    CHECK_MESSAGE(again.sees("<yes>"), again.screen());
    again.type("exit 5\n");
    CHECK(again.wait() == 5);
    box.davit_ok({"down"});
}

TEST_CASE("bytes of any kind go through unchanged and lines may be long or never end (L14)") {
    const Sandbox box("dt-bytes");
    box.load_busybox();
    box.compose("services:\n" + sleeper("a"));
    box.davit_ok({"up", "-d"});
    // Every byte, NUL and halves of UTF-8 among them.
    const std::string all =
        "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i+1)); done";
    const Outcome bytes = box.davit({"exec", "-T", "a", "sh", "-c", all});
    REQUIRE(bytes.status == 0);
    REQUIRE(bytes.out.size() == 256);
    for (std::size_t i = 0; i < 256; ++i) CHECK(static_cast<unsigned char>(bytes.out[i]) == i);
    CHECK(box.davit_ok({"run", "--rm", "-T", "a", "sh", "-c", all}) == bytes.out);

    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    command: >\n"
        "      sh -c 'head -c 100000 /dev/zero | tr \"\\\\0\" x; echo; printf \"\\\\303\"; sleep 0.2;"
        " printf \"\\\\244\\\\n\"; printf no-end'\n");
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return box.inspect("dt-bytes-a-1", "{{.State.Status}}") == "exited"; }));
    const std::string log = box.davit_ok({"logs", "--no-log-prefix", "a"});
    const std::string expected = std::string(100000, 'x') + "\n\xc3\xa4\nno-end";
    CHECK(log.substr(0, expected.size()) == expected);
    box.davit_ok({"down"});
}
