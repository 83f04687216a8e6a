#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

// Commands as users of docker compose know them, each by what it does.
using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

constexpr const char* kPair =
    "services:\n"
    "  a: {image: \"local/busybox:1\", command: sleep 1000, stop_signal: SIGKILL,"
    " volumes: [\"own:/own\", \"both:/both\"]}\n"
    "  b: {image: \"local/busybox:1\", command: sleep 1000, stop_signal: SIGKILL,"
    " volumes: [\"both:/both\"]}\n"
    "volumes: {own: , both: }\n";

}  // namespace

TEST_CASE("down takes single services away and what nobody else needs") {
    const Sandbox box("dt-downone");
    box.load_busybox();
    box.compose(kPair);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string shown = box.davit_ok({"--dry-run", "down", "-v", "a"});
    CHECK(contains(shown, "dt-downone-a-1"));
    CHECK_FALSE(contains(shown, "dt-downone-b-1"));
    CHECK_FALSE(contains(shown, "network"));
    box.davit_ok({"down", "-v", "a"});
    CHECK(box.davit_ok({"ps", "-a", "--format", "{{.Name}}"}) == "dt-downone-b-1\n");
    CHECK(box.davit_ok({"volume", "ls", "-q"}) == "dt-downone_both\n");
    CHECK(box.davit({"down", "nosuch"}).status == 1);
    box.davit_ok({"down", "-v", "b"});
    CHECK(box.world() == before);
}

TEST_CASE("down removes images where it is told to") {
    const Sandbox box("dt-rmi");
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nLABEL a=b\n");
    box.compose(
        "services:\n"
        "  built: {build: ., command: sleep 1000, stop_signal: SIGKILL}\n"
        "  named: {build: ., image: \"local/named:1\", command: sleep 1000, stop_signal: SIGKILL}\n");
    const auto images = [&] { return box.davit_ok({"images", "--format", "{{.Repository}}"}); };
    box.davit_ok({"up", "-d"});
    CHECK(box.davit({"down", "--rmi", "some"}).status == 1);
    CHECK(contains(box.davit_ok({"--dry-run", "down", "--rmi", "local"}), "dt-rmi-built"));
    CHECK(contains(images(), "dt-rmi-built"));
    box.davit_ok({"down", "--rmi", "local"});
    CHECK_FALSE(contains(images(), "dt-rmi-built"));
    CHECK(contains(images(), "local/named"));
    box.davit_ok({"down", "--rmi", "all"});
    CHECK_FALSE(contains(images(), "local/named"));
    CHECK(contains(images(), "local/busybox"));
}

TEST_CASE("cp takes and gives tars and copies into all containers of a service") {
    const Sandbox box("dt-cptar");
    box.load_busybox();
    box.compose(
        "services:\n  a: {image: \"local/busybox:1\", command: sleep 1000, stop_signal: SIGKILL, "
        "scale: 2}\n");
    box.davit_ok({"up", "-d"});
    box.write("file", "to all\n");
    box.davit_ok({"cp", "file", "a:/tmp/file"});
    for (const char* index : {"1", "2"})
        CHECK(box.davit_ok({"exec", "--index", index, "a", "cat", "/tmp/file"}) == "to all\n");

    box.davit_ok({"exec", "a", "sh", "-c",
                  "mkdir -p /tmp/tree/deep; echo x > /tmp/tree/deep/f; chown 5:6 /tmp/tree/deep/f; "
                  "ln -s deep/f /tmp/tree/l"});
    const auto shell = [&](const std::string& line) {
        return run({.argv = {"sh", "-c", "exec 2>&1; " + line},
                    .folder = box.folder(),
                    .environment = box.davit_command({}).environment});
    };
    const std::string davit = DAVIT_PROGRAM;
    const Outcome out =
        shell(davit + " cp a:/tmp/tree - > out.tar; tar --numeric-owner -tvf out.tar");
    CHECK(contains(out.out, "5/6"));
    CHECK(contains(out.out, "tree/deep/f"));
    CHECK(contains(out.out, "tree/l -> deep/f"));
    // Out of one, into the other.
    REQUIRE(shell(davit + " cp --index 2 -a - a:/www < out.tar").status == 0);
    CHECK(box.davit_ok({"exec", "--index", "2", "a", "sh", "-c",
                        "cat /www/tree/l; stat -c %u:%g /www/tree/deep/f"}) == "x\n5:6\n");
    REQUIRE(shell("gzip -k out.tar; " + davit + " cp --index 1 - a:/www < out.tar.gz").status == 0);
    CHECK(box.davit_ok({"exec", "a", "stat", "-c", "%u:%g", "/www/tree/deep/f"}) == "0:0\n");
    CHECK(shell(davit + " cp - a:/www < out.tar").status == 1);                   // two of them
    CHECK(shell(davit + " cp --index 1 - a:/etc/passwd < out.tar").status == 1);  // no folder

    // What leads out of the folder stays in the container.
    REQUIRE(shell("mkdir x; echo bad > evil; tar -P -cf evil.tar --transform='s,^,../../,' evil; " +
                  davit + " cp --index 1 - a:/www < evil.tar")
                .status == 0);
    CHECK(box.davit_ok({"exec", "a", "cat", "/www/evil"}) == "bad\n");
}

TEST_CASE("a container that is sent its stop signal is not restarted") {
    const Sandbox box("dt-stopsignal");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    restart: always\n"
        "    stop_signal: SIGUSR1\n"
        "    command: sh -c 'trap \"exit 5\" USR1 USR2; while :; do sleep 0.1; done'\n");
    box.davit_ok({"up", "-d"});
    const auto status = [&] { return box.inspect("dt-stopsignal-a-1", "{{.State.Status}}"); };
    const auto restarts = [&] { return box.inspect("dt-stopsignal-a-1", "{{.RestartCount}}"); };
    // Give the program the time to set its trap; while it is restarted it can't be sent anything.
    REQUIRE(eventually([&] {
        (void)box.davit({"kill", "-s", "USR2"});
        return restarts() != "0";
    }));
    REQUIRE(eventually([&] { return status() == "running"; }));
    REQUIRE(eventually([&] {
        box.davit({"kill", "-s", "USR1"});
        return status() == "exited";
    }));
    // It stays so: `up` brings it back, and the policy holds again.
    box.davit_ok({"up", "-d"});
    CHECK(status() == "running");
}

TEST_CASE("logs are told by time and outlive a recreation") {
    const Sandbox box("dt-logs");
    box.load_busybox();
    const std::string services =
        "services:\n"
        "  a: {image: \"local/busybox:1\", stop_signal: SIGKILL, LABEL"
        "command: [sh, -c, \"echo a1; sleep 0.4; echo a2; sleep 1000\"]}\n"
        "  b: {image: \"local/busybox:1\", stop_signal: SIGKILL, depends_on: [a], "
        "command: [sh, -c, \"sleep 0.2; echo b1; sleep 0.4; echo b2; sleep 1000\"]}\n";
    const auto compose = [&](const std::string& label) {
        std::string text = services;
        text.replace(text.find("LABEL"), 5, label);
        box.compose(text);
    };
    compose("");
    box.davit_ok({"up", "-d"});
    const auto logs = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"logs", "--no-log-prefix"});
        return box.davit_ok(more);
    };
    REQUIRE(eventually([&] { return contains(logs({}), "b2") && contains(logs({}), "a2"); }));
    const std::string timed = box.davit_ok({"logs", "--no-log-prefix", "-t"});
    std::vector<std::string> lines = split(timed, '\n');
    lines.pop_back();
    REQUIRE(lines.size() == 4);
    CHECK(std::is_sorted(lines.begin(), lines.end()));
    CHECK(logs({"--tail", "1", "a"}) == "a2\n");
    // The last line before then, not the last line of all.
    const std::string first = lines.front().substr(0, lines.front().find(' '));
    CHECK(logs({"--tail", "1", "--until", first}) == "a1\n");
    CHECK(logs({"--since", lines.back().substr(0, lines.back().find(' '))}) ==
          lines.back().substr(lines.back().find(' ') + 1) + "\n");

    compose("labels: {x: y}, ");
    box.davit_ok({"up", "-d"});
    REQUIRE(eventually([&] { return logs({"a"}) == "a1\na2\na1\na2\n"; }));
    box.davit_ok({"up", "-d", "--force-recreate", "a"});
    REQUIRE(eventually([&] { return logs({"a"}) == "a1\na2\na1\na2\na1\na2\n"; }));
    CHECK_FALSE(exists(box.data_root() + "/projects/dt-logs/kept-logs"));
    // With the container its log goes.
    box.davit_ok({"rm", "-fs", "a"});
    box.davit_ok({"up", "-d"});
    REQUIRE(eventually([&] { return logs({"a"}) == "a1\na2\n"; }));
}

TEST_CASE("a plan is carried out as it was agreed on or not at all") {
    const Sandbox box("dt-planfile");
    box.load_busybox();
    box.compose(kPair);
    CHECK(box.davit({"plan", "--detailed-exitcode", "--out", "plan.json"}).status == 2);
    const Result<Json> plan = read_json(box.folder() + "/plan.json");
    REQUIRE(plan.ok());
    CHECK(string_or(*plan, "project") == "dt-planfile");
    CHECK(plan->at("steps").size() == 7);
    CHECK(box.davit({"up", "-d", "--plan", "plan.json", "--force-recreate"}).status == 1);
    CHECK(box.davit({"up", "-d", "--plan", "nosuch.json"}).status == 1);
    CHECK(box.davit({"up", "-d", "--plan", "compose.yaml"}).status == 1);
    CHECK(contains(box.davit_ok({"--dry-run", "up", "--plan", "plan.json"}), "create"));
    box.davit_ok({"up", "-d", "--plan", "plan.json"});
    CHECK(split(box.davit_ok({"ps", "-q"}), '\n').size() == 3);
    // Done: the same plan means another world now.
    const Outcome again = box.davit({"up", "-d", "--plan", "plan.json"});
    CHECK(again.status == 1);
    CHECK(contains(again.err, "have changed since the plan was made"));
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);

    // The flags of the plan hold.
    box.davit_ok({"plan", "--force-recreate", "--no-deps", "--out", "plan.json", "a"});
    const std::string a = box.inspect("dt-planfile-a-1", "{{.Id}}");
    const std::string b = box.inspect("dt-planfile-b-1", "{{.Id}}");
    box.davit_ok({"up", "-d", "--plan", "plan.json"});
    CHECK(box.inspect("dt-planfile-a-1", "{{.Id}}") != a);
    CHECK(box.inspect("dt-planfile-b-1", "{{.Id}}") == b);

    // Another content than the one that was agreed on, under the same words of a plan.
    const auto labelled = [&](const std::string& label) {
        std::string text = kPair;
        text.replace(text.find("command: sleep"), 0, "labels: {x: " + label + "}, ");
        box.compose(text);
    };
    labelled("one");
    box.davit_ok({"plan", "--out", "plan.json"});
    labelled("two");
    CHECK(box.davit({"up", "-d", "--plan", "plan.json"}).status == 1);
    labelled("one");
    box.davit_ok({"stop", "b"});
    CHECK(box.davit({"up", "-d", "--plan", "plan.json"}).status == 1);
}

TEST_CASE("attach shows what a container says and ends with its status") {
    const Sandbox box("dt-attach");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    stdin_open: true\n"
        "    command: sh -c 'while read line; do echo \"heard $$line\"; "
        "[ \"$$line\" = end ] && exit 7; done'\n");
    box.davit_ok({"up", "-d"});
    const Outcome talk =
        run({.argv = {"sh", "-c", "printf 'one\\nend\\n' | " DAVIT_PROGRAM " attach a"},
             .folder = box.folder(),
             .environment = box.davit_command({}).environment});
    CHECK(talk.status == 7);
    CHECK(talk.out == "heard one\nheard end\n");
    const Outcome rests = box.davit({"attach", "a"});
    CHECK(rests.status == 1);
    CHECK(contains(rests.err, "container 'dt-attach-a-1' does not run"));
}

TEST_CASE("ps leaves orphans out where it is told to") {
    const Sandbox box("dt-psorphan");
    box.load_busybox();
    box.compose(kPair);
    box.davit_ok({"up", "-d"});
    box.compose("services:\n  a: {image: \"local/busybox:1\", command: sleep 1000}\n");
    CHECK(contains(box.davit_ok({"ps"}), "dt-psorphan-b-1"));
    CHECK_FALSE(contains(box.davit_ok({"ps", "--orphans=false"}), "dt-psorphan-b-1"));
    CHECK(contains(box.davit_ok({"ps", "--orphans=true"}), "dt-psorphan-b-1"));
    CHECK(box.davit_ok({"ps", "--services", "--orphans=false"}) == "a\n");
    const auto names = [&](const char* filter) {
        return box.davit_ok({"ps", "--format", "{{.Name}}", "--filter", filter});
    };
    CHECK(names("name=orphan-a") == "dt-psorphan-a-1\n");
    CHECK(names("volume=dt-psorphan_own") == "dt-psorphan-a-1\n");
    CHECK(names("label=com.docker.compose.service=b") == "dt-psorphan-b-1\n");
    CHECK(names("network=nosuch").empty());
    CHECK(names("ancestor=local/busybox") == "dt-psorphan-a-1\ndt-psorphan-b-1\n");
    box.davit_ok({"stop", "b"});
    CHECK(names("exited=137") == "dt-psorphan-b-1\n");
    CHECK(box.davit({"ps", "--filter", "colour=red"}).status == 1);
}
