#include "base/digest.h"
#include "base/file.h"
#include "tests/support/command.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"
#include "tests/system/fault.h"

#include <doctest/doctest.h>
#include <string>

// Stages of a build that run side by side: what they need of each other, and who waits for whom.
using namespace davit;
using namespace davit::testing;

TEST_CASE("a stage that fails ends the others, and is what is told") {
    const Sandbox box("dt-build-ends");
    box.load_busybox();
    const std::string before = box.world();
    box.write("Dockerfile",
              "FROM local/busybox:1 AS slow\nRUN echo slow && sleep 1000\nRUN echo never\n"
              "FROM local/busybox:1 AS bad\nRUN sleep 1; echo about to fail; exit 3\n"
              "FROM local/busybox:1\nCOPY --from=slow /etc /a\nCOPY --from=bad /etc /b\n");
    const Outcome failed = bounded(box, {"build", "."});
    CHECK(failed.status == 1);
    CHECK(contains(failed.err, "Dockerfile:5:1: error: the command ended with exit code 3"));
    CHECK(contains(failed.err, "CANCELED"));
    CHECK(count(failed.err, " ERROR") == 1);
    CHECK_FALSE(contains(failed.err, "echo never"));
    const Outcome quiet = bounded(box, {"build", "-q", "."});
    CHECK(contains(quiet.err, "about to fail"));
    CHECK_FALSE(contains(quiet.err, "slow\n"));
    CHECK(box.world() == before);
}

TEST_CASE("a trigger of the base image takes files of a stage that nothing else needs") {
    const Sandbox box("dt-build-trigger");
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nONBUILD COPY --from=made /x /taken\n");
    build_folder(box, {"-t", "local/base:1"});
    box.write("Dockerfile",
              "FROM local/busybox:1 AS made\nRUN echo made > /x\nFROM local/base:1 AS last\n");
    build(box);
    CHECK(in_image(box, "cat /taken") == "made\n");

    // A stage that would have to wait for itself, and two that would for each other.
    box.write("Dockerfile", "FROM local/base:1 AS made\n");
    Outcome circle = bounded(box, {"build", "."});
    CHECK(circle.status == 1);
    CHECK_MESSAGE(contains(circle.err, "the stage 'made' needs 'made', which needs it"),
                  circle.err);
    box.write("Dockerfile",
              "FROM local/base:1 AS first\nFROM local/busybox:1 AS made\nCOPY --from=first /taken "
              "/x\n");
    circle = bounded(box, {"build", "."});
    CHECK(circle.status == 1);
    CHECK_MESSAGE(contains(circle.err, "which needs it"), circle.err);
}

TEST_CASE("who waits for a cache of another build is told so, and can give up") {
    const Sandbox box("dt-build-cache-lock");
    box.load_busybox();
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN --mount=type=cache,id=mine,target=/c,sharing=locked "
              "echo done > /c/x\n");
    build(box);
    const std::string folder =
        box.data_root() + "/build/mounts/" + sha256_hex("mine").substr(0, 32);
    const std::string said = box.folder() + "/said";
    const auto is_told = [&] {
        return contains(read_file(said).ok() ? *read_file(said) : "",
                        "waiting for the cache 'mine', which another RUN has");
    };
    {
        const auto other = FileLock::exclusive(folder + "/lock");
        REQUIRE(other.ok());
        // What is known needs no lock.
        CHECK(count(bounded(box, {"build", "."}).err, "CACHED") == 1);
        Background builds(box.davit_command({"build", "--no-cache", "."}), said);
        CHECK(eventually(is_told));
        builds.signal(SIGINT);
        CHECK(builds.wait() == 130);
    }
    CHECK(bounded(box, {"build", "--no-cache", "."}).status == 0);

    // Of two that are the same one takes what the other has made.
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN --mount=type=cache,id=mine,target=/c,sharing=locked "
              "sleep 2 && echo done > /x\n");
    Background first(box.davit_command({"build", "."}), said);
    Background second(box.davit_command({"build", "."}), said + ".2");
    CHECK(first.wait() == 0);
    CHECK(second.wait() == 0);
    CHECK(count(*read_file(said) + *read_file(said + ".2"), "CACHED") == 1);
}
