#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

/// A service of each kind: what comes back after a reboot and what doesn't.
constexpr const char* kStack = R"(
services:
  always: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, restart: always}
  unless: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, restart: unless-stopped, depends_on: [always]}
  stopped: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, restart: unless-stopped}
  once: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}
  task: {image: local/busybox:1, command: "true", restart: on-failure}
)";

std::string status_of(const Sandbox& box, const std::string& service) {
    return box.inspect(box.project() + "-" + service + "-1", "{{.State.Status}}");
}

/// What the end of a machine takes, without asking anybody: every process of the project, its
/// links, its run root.
void pull_the_plug(const Sandbox& box) {
    for (const std::string& line :
         split(run({.argv = {"find", box.run_root(), "-name", "state.json"}}).out, '\n')) {
        if (line.empty()) continue;
        const std::string text = *read_file(line);
        for (const char* key : {"\"guard_pid\": ", "\"pid\": "}) {
            const std::size_t at = text.find(key);
            if (at == std::string::npos) continue;
            const std::size_t from = at + std::string(key).size();
            const auto pid =
                parse_integer(text.substr(from, text.find_first_of(",\n}", from) - from));
            if (pid && *pid > 1) ::kill(static_cast<pid_t>(*pid), SIGKILL);
        }
    }
    CHECK(eventually([&] { return !contains(box.world(), "davit-runtime"); }));
    for (const std::string& line :
         split(run({.argv = {"ip", "-o", "link", "show", "type", "bridge"}}).out, '\n')) {
        const std::vector<std::string> words = split(line, ':');
        if (words.size() > 2) run({.argv = {"ip", "link", "del", std::string(trim(words[1]))}});
    }
    run({.argv = {"nft", "flush", "ruleset"}});
    REQUIRE(run({.argv = {"umount", "--recursive", "--lazy", box.run_root()}}).status <= 32);
    REQUIRE(run({.argv = {"rm", "-rf", "--one-file-system", box.run_root()}}).status == 0);
}

void check_what_came_back(const Sandbox& box) {
    CHECK(status_of(box, "always") == "running");
    CHECK(status_of(box, "unless") == "running");
    // How they ended is known beyond the end of the machine.
    CHECK(status_of(box, "stopped") == "exited");
    CHECK(status_of(box, "task") == "exited");
    CHECK(contains(box.davit_ok({"ps", "-a"}), "Exited (137)"));
    CHECK(status_of(box, "once") != "running");
}

}  // namespace

TEST_CASE("after a shutdown and after a power cut containers come back by their policies") {
    const Sandbox box("dt-boot");
    box.load_busybox();
    box.compose(kStack);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return status_of(box, "task") == "exited"; }));
    box.davit_ok({"stop", "stopped"});
    // Where everything runs there is nothing to do.
    const std::string pid = box.inspect("dt-boot-always-1", "{{.State.Pid}}");
    box.davit_ok({"boot", "up", "dt-boot"});
    CHECK(box.inspect("dt-boot-always-1", "{{.State.Pid}}") == pid);
    CHECK(status_of(box, "stopped") == "exited");

    // The end of the machine as systemd brings it, and without a word, again and again.
    for (int round = 0; round < 2; ++round) {
        box.davit_ok({"boot", "down", "dt-boot"});
        CHECK(status_of(box, "always") == "exited");
        CHECK(status_of(box, "once") != "running");
        pull_the_plug(box);
        box.davit_ok({"boot", "up", "dt-boot"});
        check_what_came_back(box);
        pull_the_plug(box);
        box.davit_ok({"boot", "up", "dt-boot"});
        check_what_came_back(box);
    }
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a power cut during the shutdown changes nothing about what comes back") {
    const Sandbox box("dt-bootcut");
    box.load_busybox();
    box.compose(kStack);
    box.davit_ok({"up", "-d"});
    box.davit_ok({"stop", "stopped"});
    // As left by a `boot down` that was cut off after it had stopped the first.
    const std::string project = box.data_root() + "/projects/dt-bootcut";
    REQUIRE(write_in_place(project + "/boot.json",
                           R"(["dt-bootcut-always-1","dt-bootcut-unless-1"])", 0600)
                .ok());
    box.davit_ok({"stop", "always"});
    pull_the_plug(box);
    box.davit_ok({"boot", "up", "dt-bootcut"});
    CHECK(status_of(box, "always") == "running");
    CHECK(status_of(box, "stopped") != "running");
    CHECK(!exists(project + "/boot.json"));
    box.davit_ok({"down"});
}

TEST_CASE("enable writes a unit that ls shows and disable takes it away") {
    const Sandbox box("dt-enable");
    box.load_busybox();
    box.compose(
        "services:\n  web: {image: local/busybox:1, command: sleep 1000, restart: always, "
        "stop_signal: SIGKILL, volumes: [\"./html:/html\"]}\n");
    const std::string root = box.folder() + "/root";
    const Outcome early = box.davit({"enable", "--root", root});
    CHECK(early.status == 1);
    CHECK(contains(early.err, "project 'dt-enable' has no containers"));
    box.davit_ok({"up", "-d"});
    box.davit_ok({"enable", "--root", root});
    const std::string units = root + "/etc/systemd/system";
    const std::string drop_in = *read_file(units + "/davit@dt-enable.service.d/davit.conf");
    CHECK(contains(drop_in, "RequiresMountsFor=\"" + box.folder() + "/html\""));
    CHECK(contains(drop_in, "Environment=\"DAVIT_DATA_ROOT=" + box.data_root() + "\""));
    if (run({.argv = {"sh", "-c", "command -v systemd-analyze"}}).status == 0) {
        const Outcome judged =
            run({.argv = {"systemd-analyze", "verify", "--man=no", units + "/davit@.service"}});
        CHECK_MESSAGE(!contains(judged.err, "davit@"), judged.err);
    }
    davit::testing::Command list = box.davit_command({"ls", "--format", "json"});
    list.environment.push_back("DAVIT_UNIT_ROOT=" + root);
    CHECK(contains(run(list).out, R"("Boot":"enabled")"));
    list.argv = {DAVIT_PROGRAM, "ls"};
    CHECK(contains(run(list).out, "BOOT"));
    CHECK(!contains(box.davit_ok({"ls"}), "BOOT"));
    box.davit_ok({"disable", "--root", root});
    CHECK(!exists(units + "/davit@dt-enable.service.d"));
    CHECK(contains(box.davit({"disable", "--root", root}).err, "was not enabled"));
}

/// Runs in scripts/vm-test.sh, where systemd is pid 1.
TEST_CASE("systemd stops a project and brings it back") {
    if (!exists("/run/systemd/system")) SKIP_ON_THIS_MACHINE("systemd does not run here");
    const Sandbox box("dt-systemd");
    box.load_busybox();
    box.compose(kStack);
    // The unit is systemd's, so that all of this happens in the host's namespaces.
    const auto host = [&](std::vector<std::string> words) {
        davit::testing::Command command = box.davit_command(words);
        command.argv.insert(command.argv.begin(),
                            {"nsenter", "-t", "1", "-n", "-m", "--wdns=" + box.folder(), "--"});
        const davit::testing::Outcome outcome = run(command);
        CHECK_MESSAGE(outcome.status == 0, words.front(), outcome.err);
    };
    const auto systemctl = [](std::vector<std::string> words) {
        words.insert(words.begin(), "systemctl");
        return run({.argv = words});
    };
    host({"up", "-d"});
    // Before `enable`, which starts the unit: it is to find the run root of this test.
    const std::string folder = "/etc/systemd/system/davit@dt-systemd.service.d";
    REQUIRE(make_directories(folder, 0755).ok());
    REQUIRE(write_in_place(folder + "/test.conf",
                           "[Service]\nEnvironment=\"DAVIT_RUN_ROOT=" + box.run_root() + "\"\n",
                           0644)
                .ok());
    CHECK(systemctl({"daemon-reload"}).status == 0);
    host({"enable", "dt-systemd"});
    CHECK(systemctl({"is-enabled", "davit@dt-systemd"}).status == 0);
    host({"stop", "stopped"});
    CHECK(systemctl({"restart", "davit@dt-systemd"}).status == 0);
    check_what_came_back(box);
    CHECK(systemctl({"stop", "davit@dt-systemd"}).status == 0);
    CHECK(status_of(box, "always") == "exited");
    CHECK(systemctl({"start", "davit@dt-systemd"}).status == 0);
    check_what_came_back(box);
    host({"disable", "dt-systemd"});
    systemctl({"stop", "davit@dt-systemd"});
    host({"down"});
}
