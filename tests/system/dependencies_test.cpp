#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

// Dependencies and their conditions, several containers of a service, `up` in all its forms, `run`.
using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

/// web waits for db to be healthy and for job to have ended; `well` is when db is, `job` what job
/// does.
std::string chain(const std::string& well, const std::string& job) {
    return fmt::format(R"(
services:
  web:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on:
      db: {{condition: service_healthy, restart: true}}
      job: {{condition: service_completed_successfully}}
  db:
    image: local/busybox:1
    command: sh -c 'echo about to be well; sleep 1000'
    stop_signal: SIGKILL
    healthcheck: {{test: ["CMD-SHELL", "{}"], interval: 100ms, retries: 2}}
  job:
    image: local/busybox:1
    command: sh -c '{}'
    depends_on:
      db: {{condition: service_healthy}}
)",
                       well, job);
}

std::string started_at(const Sandbox& box, const std::string& container) {
    return box.inspect(container, "{{.State.StartedAt}}");
}

}  // namespace

TEST_CASE("a service starts when what it depends on is healthy and has completed") {
    const Sandbox box("dt-gates");
    box.load_busybox();
    box.compose(chain("true", "exit 0"));
    CHECK(contains(box.davit_ok({"plan"}), "await"));
    const Outcome up = box.davit({"up", "-d"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    CHECK(contains(up.err, "Container dt-gates-db-1  Waiting"));
    CHECK(contains(up.err, "Container dt-gates-db-1  Healthy"));
    CHECK(contains(up.err, "Container dt-gates-job-1  Exited"));
    CHECK(started_at(box, "dt-gates-web-1") >
          box.inspect("dt-gates-job-1", "{{.State.FinishedAt}}"));
    // The task has done its work, so nothing is left to do.
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);
    const std::string db = started_at(box, "dt-gates-db-1");
    const std::string web = started_at(box, "dt-gates-web-1");
    box.davit_ok({"restart", "-t", "0", "db"});
    CHECK(started_at(box, "dt-gates-db-1") != db);
    CHECK(started_at(box, "dt-gates-web-1") != web);  // restart: true
    const std::string again = started_at(box, "dt-gates-web-1");
    box.davit_ok({"restart", "-t", "0", "--no-deps", "db"});
    CHECK(started_at(box, "dt-gates-web-1") == again);
}

TEST_CASE("a dependency that fails stops what waits for it and its last words are shown") {
    const Sandbox box("dt-fails");
    box.load_busybox();
    box.compose(chain("echo refused; false", "exit 0"));
    const Outcome ill = box.davit({"up", "-d"});
    CHECK(ill.status == 1);
    CAPTURE(ill.err);
    CHECK(contains(ill.err,
                   "container dt-fails-db-1 is unhealthy; last probe exited with 1: refused"));
    CHECK(contains(ill.err, "about to be well"));
    CHECK(box.inspect("dt-fails-web-1", "{{.State.Status}}") == "created");

    box.compose(chain("true", "echo no luck; exit 7"));
    const Outcome failed = box.davit({"up", "-d"});
    CHECK(failed.status == 1);
    CAPTURE(failed.err);
    CHECK(contains(failed.err, "container dt-fails-job-1 exited (7)"));
    CHECK(contains(failed.err, "no luck"));
    // Mended, the same command goes on from there.
    box.compose(chain("true", "exit 0"));
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-fails-web-1", "{{.State.Running}}") == "true");
}

TEST_CASE("up --wait waits for health and tells who is not well in time") {
    const Sandbox box("dt-wait");
    box.load_busybox();
    const std::string file = R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD-SHELL", "test -e /tmp/well"], interval: 100ms, retries: 1000}
)";
    box.compose(file);
    const Outcome late = box.davit({"up", "--wait", "--wait-timeout", "1"});
    CHECK(late.status == 1);
    CHECK(contains(late.err, "timeout waiting for container dt-wait-a-1"));
    box.davit_ok({"exec", "a", "touch", "/tmp/well"});
    box.davit_ok({"up", "--wait"});
    CHECK(box.inspect("dt-wait-a-1", "{{.State.Health.Status}}") == "healthy");
}

TEST_CASE("scale keeps the lowest numbers") {
    const Sandbox box("dt-scale");
    box.load_busybox();
    const std::string file = R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    scale: 2
)";
    box.compose(file);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string first = box.inspect("dt-scale-a-1", "{{.State.Pid}}");
    CHECK(contains(box.davit_ok({"ps"}), "dt-scale-a-2"));
    box.davit_ok({"up", "-d", "--scale", "a=3"});
    CHECK(contains(box.davit_ok({"ps"}), "dt-scale-a-3"));
    box.davit_ok({"scale", "a=1"});
    CHECK(box.davit_ok({"ps", "-aq"}).size() == 65);
    CHECK(box.inspect("dt-scale-a-1", "{{.State.Pid}}") == first);
    CHECK(contains(box.davit_ok({"--dry-run", "scale", "a=0"}), "scaled to 0"));
    CHECK(box.davit({"scale", "a=x"}).status == 1);
    box.davit_ok({"down"});
    CHECK(box.world() == before);

    box.compose(file + "    ports: [\"18099:80\"]\n");
    const Outcome ports = box.davit({"up", "-d"});
    CHECK(ports.status == 1);
    CHECK(contains(ports.err, "only one of them can have port 18099"));
    // A range has room for as many as it has ports.
    box.compose(file + "    ports: [\"18097-18098:80\"]\n");
    CHECK(contains(box.davit_ok({"up", "--dry-run"}), "dt-scale-a-2"));
    const Outcome three = box.davit({"up", "--dry-run", "--scale", "a=3"});
    CHECK(three.status == 1);
    CHECK(contains(three.err, "only 2 of them can have one of the ports 18097-18098"));
}

TEST_CASE("up leaves or recreates what it is told to") {
    const Sandbox box("dt-broken-anew");
    box.load_busybox();
    const auto file = [](const std::string& colour) {
        return fmt::format(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    environment: {{COLOUR: {}}}
    volumes: [/scratch]
    depends_on: [b]
  b:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
)",
                           colour);
    };
    box.compose(file("red"));
    box.davit_ok({"up", "-d", "--no-deps", "a"});
    CHECK_FALSE(contains(box.davit_ok({"ps"}), "dt-broken-anew-b-1"));
    box.davit_ok({"up", "-d"});
    box.davit_ok({"exec", "a", "touch", "/scratch/kept"});
    const std::string a = box.inspect("dt-broken-anew-a-1", "{{.Id}}");
    const std::string b = box.inspect("dt-broken-anew-b-1", "{{.Id}}");
    box.compose(file("blue"));
    box.davit_ok({"up", "-d", "--no-recreate"});
    CHECK(box.inspect("dt-broken-anew-a-1", "{{.Id}}") == a);
    box.davit_ok({"up", "-d", "--always-recreate-deps", "a"});
    CHECK(box.inspect("dt-broken-anew-b-1", "{{.Id}}") != b);
    CHECK(contains(box.davit_ok({"exec", "a", "ls", "/scratch"}), "kept"));
    box.davit_ok({"up", "-d", "--force-recreate", "-V", "a"});
    CHECK_FALSE(contains(box.davit_ok({"exec", "a", "ls", "/scratch"}), "kept"));
    CHECK(box.davit({"up", "-d", "--force-recreate", "--no-recreate"}).status == 1);
}

TEST_CASE("an attached up ends with the status of the container that ends it") {
    const Sandbox box("dt-abort");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
  b:
    image: local/busybox:1
    command: sh -c 'echo done; exit 5'
)");
    const Outcome abort = box.davit({"up", "--abort-on-container-exit"});
    CHECK(abort.status == 5);
    CHECK(contains(abort.err, "Aborting on container exit..."));
    CHECK(contains(abort.out, "done"));
    CHECK(box.davit({"up", "--exit-code-from", "a"}).status == 137);
    CHECK(box.davit({"up", "--abort-on-container-failure", "--no-attach", "b"}).status == 5);
    CHECK(box.davit({"up", "-d", "--exit-code-from", "a"}).status == 1);
}

TEST_CASE("pause stops processes and unpause lets them go on") {
    const Sandbox box("dt-pause");
    box.load_busybox();
    box.compose(R"(
services:
  a: {image: "local/busybox:1", command: sleep 1000, stop_signal: SIGKILL}
)");
    box.davit_ok({"up", "-d"});
    const Outcome paused = box.davit({"pause"});
    CHECK(paused.status == 0);
    CHECK(contains(paused.err, "Container dt-pause-a-1  Paused"));
    CHECK(contains(box.davit_ok({"ps"}), "(Paused)"));
    CHECK(box.davit({"pause"}).status == 1);
    box.davit_ok({"unpause"});
    CHECK(box.inspect("dt-pause-a-1", "{{.State.Status}}") == "running");
}

TEST_CASE("run makes a container of its own beside those of the service") {
    const Sandbox box("dt-run");
    box.load_busybox();
    box.compose(R"(
services:
  web:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    environment: {COLOUR: red, SIZE: big}
    ports: ["18100:80"]
    depends_on: [db]
  db: {image: "local/busybox:1", command: sleep 1000, stop_signal: SIGKILL}
)");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const Outcome run = box.davit({"run", "--rm", "-e", "COLOUR=a $b", "web", "sh", "-c",
                                   "echo $COLOUR $SIZE; echo trouble >&2; exit 7"});
    CAPTURE(run.err);
    CHECK(run.status == 7);
    CHECK(contains(run.out, "a $b big\n"));
    CHECK(contains(run.err, "trouble\n"));
    const std::string left = box.davit_ok({"ps", "-a"});
    CAPTURE(left);
    CAPTURE(run.err);
    CHECK_FALSE(contains(left, "web-run-"));

    const Outcome missing = box.davit({"run", "--rm", "web", "nosuchprogram"});
    CHECK(missing.status == 127);
    CHECK(contains(missing.err, "nosuchprogram"));

    box.davit_ok({"run", "-d", "--name", "apart", "web", "sleep", "1000"});
    CHECK(contains(box.davit_ok({"ps", "-a"}), "apart"));
    CHECK_FALSE(contains(box.davit_ok({"ps"}), "apart"));
    CHECK(box.inspect("apart", "{{.State.Running}}") == "true");
    CHECK(box.inspect("apart", "{{index .Config.Labels \"com.docker.compose.oneoff\"}}") == "True");
    CHECK(box.davit({"run", "-d", "--name", "apart", "web"}).status == 1);
    // The project's own commands leave it alone, `down` takes it along.
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);
    box.davit_ok({"stop", "-t", "0"});
    CHECK(box.inspect("apart", "{{.State.Running}}") == "true");
    CHECK(box.davit({"run", "nosuch", "true"}).status == 1);
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("run takes an image where there is no project") {
    const Sandbox box("dt-image");
    box.load_busybox();
    const Outcome run = box.davit({"run", "--rm", "local/busybox:1", "echo", "hello"});
    REQUIRE_MESSAGE(run.status == 0, run.err);
    CHECK(run.out == "hello\n");
    const std::string id =
        box.davit_ok({"run", "-d", "--name", "dt-alone", "-p", "18101:80", "local/busybox:1",
                      "httpd", "-f", "-p", "80", "-h", "/etc"});
    CHECK(id.size() == 65);
    CHECK(contains(box.davit_ok({"ps"}), "dt-alone"));
    CHECK(eventually([&] {
        return contains(davit::testing::http_get("127.0.0.1", 18101, "/passwd"), "app:x");
    }));
    box.davit_ok({"rm", "-fs", "dt-alone"});
    box.davit_ok({"-p", "davit", "down"});
}

TEST_CASE("up tells also of what has ended before it shows the logs, and only once") {
    const Sandbox box("dt-early-end");
    box.load_busybox();
    box.compose(R"(
services:
  job: {image: local/busybox:1, command: sh -c 'exit 0'}
  web:
    image: local/busybox:1
    command: sh -c 'sleep 0.3; exit 4'
    depends_on: {job: {condition: service_completed_successfully}}
)");
    const std::string first = box.davit({"up"}).out;
    CHECK_MESSAGE(contains(first, "job-1 exited with code 0\n"), first);
    CHECK_MESSAGE(contains(first, "web-1 exited with code 4\n"), first);
    // Of what another `up` has told nobody tells again.
    const std::string again = box.davit({"up", "--no-deps", "web"}).out;
    CHECK_FALSE(contains(again, "job-1"));
}
