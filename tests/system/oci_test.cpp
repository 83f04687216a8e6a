#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/bundle.h"

#include <algorithm>
#include <fmt/format.h>

// davit-runtime as an OCI runtime: what an engine that drives it counts on.
using namespace davit;
using davit::testing::Bundle;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::sh;

namespace {

constexpr const char* kServer =
    "echo started; trap 'echo got term; exit 7' TERM; while :; do sleep 0.1; done";

void start(const Bundle& bundle) {
    const Outcome created = bundle.create();
    REQUIRE_MESSAGE(created.status == 0, *read_file(bundle.path("err")));
    const Outcome started = bundle.oci({"start", bundle.id()});
    REQUIRE_MESSAGE(started.status == 0, started.err);
}

}  // namespace

TEST_CASE("an OCI container goes through its states, and what does not fit is refused") {
    Bundle bundle(sh(kServer));
    REQUIRE(bundle.create({"--pid-file", "pid"}).status == 0);
    CHECK(bundle.status() == "created");
    const auto state = parse_json(bundle.oci({"state", bundle.id()}).out, "state");
    REQUIRE(state.ok());
    CHECK(fmt::format("{}", state->at("pid").get<int>()) == *read_file(bundle.path("pid")));
    CHECK(string_or(*state, "bundle") == bundle.path("").substr(0, bundle.path("").size() - 1));
    CHECK(bundle.output() == "");  // not a step further than it may
    const Outcome twice = bundle.oci({"create", bundle.id()});
    CHECK(twice.status == 1);
    CHECK(contains(twice.err, "exists"));
    CHECK(bundle.oci({"delete", bundle.id()}).status == 1);

    CHECK(bundle.oci({"start", bundle.id()}).status == 0);
    CHECK(bundle.status() == "running");
    CHECK(bundle.oci({"start", bundle.id()}).status == 1);
    CHECK(bundle.oci({"delete", bundle.id()}).status == 1);
    CHECK(eventually([&] { return bundle.output() == "started\n"; }));

    CHECK(bundle.oci({"kill", bundle.id(), "SIGTERM"}).status == 0);
    CHECK(eventually([&] { return bundle.status() == "stopped"; }));
    CHECK(bundle.output() == "started\ngot term\n");
    CHECK(bundle.oci({"kill", bundle.id(), "9"}).status == 1);
    CHECK(bundle.oci({"delete", bundle.id()}).status == 0);
    CHECK(bundle.oci({"state", bundle.id()}).status == 1);
    CHECK(bundle.oci({"delete", bundle.id()}).status == 1);
    CHECK(bundle.oci({"delete", "--force", bundle.id()}).status == 0);
    CHECK_FALSE(exists(bundle.path("state/" + bundle.id())));
    CHECK_FALSE(exists("/sys/fs/cgroup/pids/davit/oci-test/" + bundle.id()));
}

TEST_CASE("run is create and start and delete, with the program's exit status") {
    Bundle bundle(sh("echo out; echo err >&2; exit 9"));
    const Outcome outcome = bundle.run();
    CHECK(outcome.status == 9);
    CHECK(outcome.out == "out\n");
    CHECK(outcome.err == "err\n");
    CHECK(bundle.oci({"list", "-q"}).out == "");
}

TEST_CASE("a program that is not there is told by start, with its name") {
    Bundle bundle({"/bin/nothing"});
    REQUIRE(bundle.create().status == 0);
    const Outcome started =
        bundle.oci({"--log", "log", "--log-format", "json", "start", bundle.id()});
    CHECK(started.status == 1);
    CHECK(contains(started.err, "execute '/bin/nothing'"));
    const auto line = parse_json(trim(*read_file(bundle.path("log"))), "line");
    REQUIRE(line.ok());
    CHECK(string_or(*line, "level") == "error");
    CHECK(contains(string_or(*line, "msg"), "/bin/nothing"));
    CHECK(bundle.status() == "stopped");
}

TEST_CASE("a container that can't be made leaves nothing") {
    Bundle bundle({"true"});
    bundle.config["mounts"].push_back(
        {{"destination", "/x"}, {"type", "bind"}, {"source", "/nowhere"}, {"options", {"bind"}}});
    const Outcome outcome = bundle.run();
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.err, "/nowhere"));
    CHECK_FALSE(exists(bundle.path("state/" + bundle.id())));
    CHECK_FALSE(exists("/sys/fs/cgroup/pids/davit/oci-test/" + bundle.id()));
    for (const char* id : {"..", ".", "a/b", "a b"}) CHECK(bundle.oci({"create", id}).status == 1);
}

TEST_CASE("exec runs with the flags that were given") {
    Bundle bundle(sh(kServer));
    start(bundle);
    const auto exec = [&](std::vector<std::string> words) {
        words.insert(words.begin(), "exec");
        return bundle.oci(std::move(words));
    };
    CHECK(exec({bundle.id(), "sh", "-c", "exit 5"}).status == 5);
    CHECK(exec({"--env", "A=1", "--cwd", "/tmp", "--user", "5:6", bundle.id(), "sh", "-c",
                "echo $A $PWD $(id -u):$(id -g)"})
              .out == "1 /tmp 5:6\n");
    CHECK(exec({bundle.id(), "nothing"}).status == 127);
    CHECK(contains(exec({"--cap", "CAP_SYS_TIME", bundle.id(), "busybox", "grep", "CapEff",
                         "/proc/self/status"})
                       .out,
                   "0000000022000420"));
    const Outcome bad = exec({"--user", "4294967296", bundle.id(), "id"});
    CHECK(bad.status == 1);
    CHECK(contains(bad.err, "'4294967296' is no user number"));
    REQUIRE(write_in_place(bundle.path("process.json"),
                           R"({"args":["echo","from","file"],"cwd":"/","env":["PATH=/bin"]})", 0644)
                .ok());
    CHECK(exec({"--process", "process.json", bundle.id()}).out == "from file\n");
    const auto pids = parse_json(bundle.oci({"ps", "--format", "json", bundle.id()}).out, "ps");
    REQUIRE(pids.ok());
    CHECK(pids->size() >= 1);
}

TEST_CASE("a paused container runs nothing, and goes on where it was") {
    Bundle bundle(sh("i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05; done"));
    start(bundle);
    REQUIRE(eventually([&] { return contains(bundle.output(), "3\n"); }));
    CHECK(bundle.oci({"pause", bundle.id()}).status == 0);
    CHECK(bundle.status() == "paused");
    CHECK(bundle.oci({"exec", bundle.id(), "true"}).status == 1);
    const std::string then = bundle.output();
    ::usleep(300000);
    CHECK(bundle.output() == then);
    CHECK(bundle.oci({"resume", bundle.id()}).status == 0);
    CHECK(eventually([&] { return bundle.output().size() > then.size(); }));
    CHECK(bundle.oci({"resume", bundle.id()}).status == 1);
}

TEST_CASE("limits of a running container are changed and counted") {
    Bundle bundle(sh(kServer));
    bundle.config["linux"]["resources"]["memory"] = {{"limit", 67108864}};
    start(bundle);
    const Outcome updated = bundle.oci(
        {"update", "--memory", "32m", "--pids-limit", "30", "--cpuset-cpus", "0", bundle.id()});
    REQUIRE_MESSAGE(updated.status == 0, updated.err);
    const auto event = parse_json(bundle.oci({"events", "--stats", bundle.id()}).out, "event");
    REQUIRE(event.ok());
    const Json& data = event->at("data");
    CHECK(data.at("memory").at("usage").at("limit") == 33554432);
    CHECK(data.at("pids").at("limit") == 30);
    CHECK(data.at("pids").at("current") >= 1);
    CHECK(contains(
        bundle.oci({"exec", bundle.id(), "busybox", "grep", "Cpus_allowed_list", "/proc/1/status"})
            .out,
        "\t0\n"));
    CHECK(bundle.oci({"update", "--memory", "lots", bundle.id()}).status == 1);
}

TEST_CASE("a terminal of the first program has the size that was asked for") {
    Bundle bundle(sh("tty; stty size; ls -l /dev/console | busybox cut -c1"));
    bundle.config["process"]["terminal"] = true;
    bundle.config["process"]["consoleSize"] = {{"height", 33}, {"width", 99}};
    bundle.save();
    std::string line;
    for (const std::string& word : bundle.command({"run", bundle.id()})) line += word + " ";
    const Outcome outcome =
        davit::testing::run({{"script", "-qec", line, "/dev/null"}, bundle.path("")});
    CAPTURE(outcome.out);
    CHECK(outcome.status == 0);
    CHECK(contains(outcome.out, "/dev/pts/0"));
    CHECK(contains(outcome.out, "33 99\r"));
    // What 'script' types at the end of its input may be echoed before it.
    CHECK(contains(outcome.out, "c\r\n"));
    // Nobody there to take it.
    const Outcome refused = bundle.create();
    CHECK(refused.status == 1);
    CHECK(contains(*read_file(bundle.path("err")), "process.terminal needs a console socket"));
}

TEST_CASE("poststop hooks run when a container is deleted") {
    Bundle bundle({"true"});
    bundle.config["hooks"]["poststop"] = Json::array(
        {{{"path", "/bin/sh"},
          {"args",
           {"sh", "-c", "busybox grep -o '\"status\":\"[a-z]*\"' > " + bundle.path("told")}},
          {"env", {"PATH=/bin:/usr/bin"}}}});
    CHECK(bundle.run().status == 0);
    CHECK(*read_file(bundle.path("told")) == "\"status\":\"stopped\"\n");
}

TEST_CASE("features and list are machine readable") {
    Bundle bundle(sh(kServer));
    start(bundle);
    const auto features = parse_json(bundle.oci({"features"}).out, "features");
    REQUIRE(features.ok());
    CHECK(string_or(*features, "ociVersionMin") == "1.0.0");
    CHECK(features->at("linux").at("seccomp").at("enabled") == true);
    const Json& options = features->at("mountOptions");
    CHECK(std::find(options.begin(), options.end(), Json("rro")) != options.end());
    const auto list = parse_json(bundle.oci({"list", "-f", "json"}).out, "list");
    REQUIRE(list.ok());
    REQUIRE(list->size() == 1);
    CHECK(list->at(0).at("id") == bundle.id());
    CHECK(list->at(0).at("status") == "running");
}
