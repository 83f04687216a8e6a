#include "tests/support/sandbox.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"

#include <doctest/doctest.h>
#include <string>

// What a RUN gets beyond the usual only where whoever builds allows it, and which steps are carried
// out although they are known.
using namespace davit;
using davit::testing::build_folder;
using davit::testing::contains;
using davit::testing::count;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;

TEST_CASE(
    "a RUN is privileged, or in the host's network, where that is allowed and not else [ns]") {
    const Sandbox box("dt-build-rights");
    box.load_busybox();
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN --security=insecure grep CapEff /proc/self/status\n");
    const Outcome refused = box.davit({"build", "."});
    CHECK(refused.status != 0);
    CHECK(contains(refused.err, "Dockerfile:2:5: error: RUN --security=insecure needs"));
    CHECK(contains(refused.err, "--allow security.insecure"));
    // As many rights as whoever builds has.
    const std::string all = run({.argv = {"grep", "CapEff", "/proc/self/status"}}).out;
    CHECK(contains(build_folder(box, {"--allow", "security.insecure"}), all));
    box.write("Dockerfile", "FROM local/busybox:1\nRUN grep CapEff /proc/self/status\n");
    CHECK_FALSE(contains(build_folder(box, {"--allow", "security.insecure"}), all));

    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN --network=host readlink /proc/self/ns/net\n");
    CHECK(contains(box.davit({"build", "."}).err, "needs the entitlement network.host"));
    const std::string own = run({.argv = {"readlink", "/proc/self/ns/net"}}).out;
    CHECK(contains(build_folder(box, {"--allow", "network.host"}), own));
    box.compose("services:\n  a:\n    build: {context: ., entitlements: [network.host]}\n");
    CHECK(box.davit({"build", "--no-cache"}).status == 0);
    box.compose("services:\n  a:\n    build: {context: ., entitlements: [network.hots]}\n");
    CHECK(contains(box.davit({"build"}).err, "the nearest is 'network.host'"));
}

TEST_CASE("every step of the stages that --no-cache-filter names is carried out") {
    const Sandbox box("dt-build-filter");
    box.load_busybox();
    box.write("Dockerfile",
              "FROM local/busybox:1 AS Make\nRUN echo 1 > /made\nRUN echo 2 > /also\n"
              "FROM local/busybox:1\nRUN echo 3 > /own\nCOPY --from=make /made /\n");
    build_folder(box, {});
    CHECK(count(build_folder(box, {}), "CACHED") == 4);
    // What comes of it is the same, and so are the steps that use it.
    CHECK(count(build_folder(box, {"--no-cache-filter", "make"}), "CACHED") == 2);
    box.compose("services:\n  a:\n    build: {context: ., no_cache_filter: make}\n");
    const Outcome service = box.davit({"build"});
    CHECK(service.status == 0);
    CHECK(count(service.err, "CACHED") == 2);
}
