#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>

// Health checks and pauses, as the guard carries them out.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

std::string health_of(const Sandbox& box, const std::string& container) {
    return box.inspect(container, "{{.State.Health.Status}}");
}

}  // namespace

TEST_CASE("a container becomes healthy, unhealthy, and healthy again") {
    const Sandbox box("dt-health");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    environment: {PLACE: /tmp/well}
    healthcheck:
      test: ["CMD-SHELL", "echo looking for $$PLACE; test -e $$PLACE"]
      interval: 100ms
      retries: 2
)");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(contains(box.davit_ok({"ps"}), "(health: starting)"));
    CHECK(eventually([&] { return health_of(box, "dt-health-a-1") == "unhealthy"; }));
    CHECK(contains(box.inspect("dt-health-a-1", "{{json .State.Health.Log}}"),
                   "looking for /tmp/well"));
    CHECK(contains(box.inspect("dt-health-a-1", "{{json .Config.Healthcheck}}"), "100000000"));
    box.davit_ok({"exec", "a", "touch", "/tmp/well"});
    CHECK(eventually([&] { return health_of(box, "dt-health-a-1") == "healthy"; }));
    CHECK(contains(box.davit_ok({"ps"}), "(healthy)"));
    CHECK(contains(box.davit_ok({"ps", "--format", "json"}), "\"Health\":\"healthy\""));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a check that takes too long ends with everything that it has started") {
    const Sandbox box("dt-slow");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck:
      test: ["CMD", "sh", "-c", "sleep 4444 & setsid sleep 4444 & echo begun; sleep 4444"]
      interval: 50ms
      timeout: 200ms
      retries: 1
)");
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return health_of(box, "dt-slow-a-1") == "unhealthy"; }));
    const std::string log = box.inspect("dt-slow-a-1", "{{json .State.Health.Log}}");
    CHECK(contains(log, "Health check exceeded timeout (0.2s): begun"));
    CHECK(contains(log, "\"ExitCode\":-1"));
    // At most the one that is going on now has any.
    CHECK(eventually([&] {
        const std::string list = box.davit_ok({"exec", "a", "ps"});
        return !contains(list, "sleep 4444");
    }));
}

TEST_CASE("a check can be switched off, and its mistakes have a place") {
    const Sandbox box("dt-unchecked");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "false"], disable: true}
)");
    box.davit_ok({"up", "-d"});
    CHECK(contains(box.davit_ok({"ps"}), "Up "));
    CHECK(!contains(box.davit_ok({"ps"}), "health"));
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    healthcheck: {test: ["curl", "localhost"]}
)");
    const Outcome outcome = box.davit({"up", "-d"});
    CHECK(outcome.status != 0);
    CAPTURE(outcome.err);
    CHECK(contains(outcome.err, "the healthcheck of service 'a' begins with 'curl'"));
    CHECK(contains(outcome.err, "compose.yaml:6:"));
}
