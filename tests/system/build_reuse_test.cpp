#include "base/file.h"
#include "tests/support/command.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"

#include <doctest/doctest.h>
#include <string>

// What steps of builds have in common, keep for the next build, and do only where they must.
using namespace davit;
using davit::testing::build;
using davit::testing::build_folder;
using davit::testing::contains;
using davit::testing::count;
using davit::testing::file_text;
using davit::testing::in_image;
using davit::testing::Outcome;
using davit::testing::Sandbox;

TEST_CASE("steps that change nothing may stand in any number, and their image is one like others") {
    const Sandbox box("dt-build-same");
    box.load_busybox();
    box.write("f", "taken\n");
    box.write("Dockerfile",
              "FROM local/busybox:1 AS quiet\nRUN true\nRUN echo hi\nRUN id\nCOPY f /f\nRUN true\n"
              "FROM quiet\nWORKDIR /\nRUN true\nCOPY --from=quiet /f /g\n");
    build(box);
    CHECK(in_image(box, "cat /g") == "taken\n");
    box.write("Dockerfile",
              "FROM local/built:1\nRUN true\nCOPY --from=local/built:1 /f /h\nRUN cat /h\n");
    build_folder(box, {"-o", "out"});
    CHECK(file_text(box.folder() + "/out/h") == "taken\n");
}

TEST_CASE("removing images leaves what builds have made, until builds' own prune takes it") {
    const Sandbox box("dt-build-keeps");
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/other", 0755).ok());
    box.write("other/Dockerfile", "FROM local/busybox:1\nRUN echo other > /other\n");
    box.davit_ok({"build", "-t", "local/other:1", "other"});
    box.write("Dockerfile",
              "FROM local/busybox:1 AS make\nRUN echo made > /x\nFROM local/busybox:1\n"
              "COPY --from=make /x /x\n");
    build(box);
    box.davit_ok({"rmi", "local/other:1"});
    CHECK(count(build(box), "CACHED") == 2);
    box.davit_ok({"rmi", "local/built:1"});
    box.davit_ok({"image", "prune", "-f"});
    CHECK(count(build(box), "CACHED") == 2);
    CHECK(contains(box.davit_ok({"image", "check"}), "all as they should be"));
    box.davit_ok({"rmi", "local/built:1"});
    box.davit_ok({"system", "prune", "-f"});
    CHECK(count(build(box), "CACHED") == 0);
    CHECK(in_image(box, "cat /x") == "made\n");
    // Of a build that was killed no key tells: that goes with the next image.
    const std::string stray = box.data_root() + "/layers/" + std::string(64, '5');
    REQUIRE(make_directories(stray + "/diff", 0755).ok());
    box.davit_ok({"rmi", "local/built:1"});
    CHECK_FALSE(exists(stray));
}

TEST_CASE("COPY passes wildcards over that fit nothing, and ADD unpacks each archive they fit") {
    const Sandbox box("dt-build-wild");
    box.load_busybox();
    const std::string folder = box.folder();
    REQUIRE(
        davit::testing::run({.argv = davit::testing::sh(
                                 "echo {} > package.json && echo s > script && chmod 640 script && "
                                 "for i in 1 2; do echo $i > in$i && tar czf a$i.tgz in$i; done"),
                             .folder = folder})
            .status == 0);
    box.write("Dockerfile",
              "FROM local/busybox:1\n"
              "COPY package.json yarn.lock* package-lock.json* ./app/\n"
              "ADD none*.tgz /none/\n"
              "ADD a*.tgz /un/\n"
              "COPY --chmod=go=u script /script\n"
              "COPY <<EOF /start.sh\necho \\\"user=\\$USER\\\" it's\nEOF\n");
    build(box);
    CHECK(in_image(box,
                   "ls /app /un; test -e /none || echo none; cat /un/in2 /start.sh; "
                   "stat -c %a /script") ==
          "/app:\npackage.json\n\n/un:\nin1\nin2\nnone\n2\necho \"user=$USER\" it's\n666\n");
    box.write("Dockerfile", "FROM local/busybox:1\nCOPY yarn.lock ./\n");
    const Outcome missing = box.davit({"build", "."});
    CHECK(missing.status == 1);
    CHECK(contains(missing.err, "'yarn.lock' is not in the build context"));
    box.write("Dockerfile", "FROM local/busybox:1\nCOPY --chmod=u+q script /\n");
    CHECK(contains(box.davit({"build", "."}).err, "--chmod is 'u+q', which is no mode"));
}

TEST_CASE("a RUN sees the ARG that comes after an ENV, and the image keeps the ENV") {
    const Sandbox box("dt-build-arg-env");
    box.load_busybox();
    box.write("Dockerfile",
              "FROM local/busybox:1\nENV A=base\nARG A=arg\nRUN echo $A > /seen\n"
              "ENV B=$A\nENV A=last\nRUN echo $A >> /seen\n");
    build(box);
    CHECK(in_image(box, "cat /seen; echo $A $B") == "arg\nlast\nlast arg\n");
}

TEST_CASE("a cache that has a source begins with its files, and again where these have changed") {
    const Sandbox box("dt-build-cache-from");
    box.load_busybox();
    const auto write = [&](const std::string& seed) {
        box.write("Dockerfile",
                  "FROM local/busybox:1 AS seed\nRUN mkdir /s && echo " + seed +
                      " > /s/f && chown 7:8 /s/f\nFROM local/busybox:1\n"
                      "RUN --mount=type=cache,target=/c,from=seed,source=/s "
                      "cat /c/* > /seen && stat -c %u:%g /c/f >> /seen && echo more > /c/more\n");
    };
    write("one");
    build(box);
    CHECK(in_image(box, "cat /seen") == "one\n7:8\n");
    build(box, {"--no-cache"});
    CHECK(in_image(box, "cat /seen") == "one\nmore\n7:8\n");
    write("two");
    build(box, {"--no-cache"});
    CHECK(in_image(box, "cat /seen") == "two\n7:8\n");
}

TEST_CASE("a named context takes the place of a stage, whose steps are not carried out") {
    const Sandbox box("dt-build-replaced");
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/more", 0755).ok());
    box.write("more/x", "of the context\n");
    box.write("Dockerfile",
              "FROM local/busybox:1 AS deps\nRUN false\nFROM local/busybox:1\n"
              "COPY --from=deps /x /x\nRUN --mount=from=deps,target=/d cat /d/x > /y\n");
    build(box, {"--build-context", "deps=more"});
    CHECK(in_image(box, "cat /x /y") == "of the context\nof the context\n");
    box.write("Dockerfile", "FROM nothing AS deps\nRUN false\nFROM deps\nRUN ls / > /seen\n");
    build(box, {"--build-context", "deps=docker-image://local/busybox:1"});
    build(box, {"--build-context", "deps=docker-image://local/busybox:1", "--target", "deps"});
    const Outcome folder = box.davit({"build", "--build-context", "deps=more", "."});
    CHECK(folder.status == 1);
    CHECK(contains(folder.err, "the context 'deps' is a folder, and no image to build on"));
}

TEST_CASE("what docker's users write beside is understood, or answered") {
    const Sandbox box("dt-build-habits");
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo x > /x\n");
    const std::string said = build(
        box, {"--load", "--rm", "--force-rm=true", "-m", "1g", "--cpu-shares", "2",
              "--provenance=false", "--sbom=false", "--builder", "default", "--platform", "linux"});
    CHECK_FALSE(contains(said, "warning"));
    CHECK(contains(build(box, {"--provenance", "mode=max"}), "davit writes no attestations"));
    CHECK(contains(build(box, {"--attest", "type=sbom"}), "davit writes no attestations"));
    CHECK(contains(build(box, {"--builder", "remote"}), "there is no builder 'remote'"));
    build_folder(box, {"-t", "local/both:1", "--load", "-o", "out"});
    CHECK(file_text(box.folder() + "/out/x") == "x\n");
    CHECK(contains(box.davit_ok({"images"}), "local/both"));
    const auto refused = [&](const std::vector<std::string>& flags) {
        std::vector<std::string> words = {"build", "."};
        words.insert(words.end(), flags.begin(), flags.end());
        const Outcome outcome = box.davit(words);
        CHECK(outcome.status == 1);
        return outcome.err;
    };
    CHECK(contains(refused({"--platform", "linux/s390x"}),
                   "an image for 'linux/s390x' can't be built here"));
    CHECK(contains(refused({"--annotation", "a=b"}), "build --annotation is not supported"));
    CHECK(contains(refused({"--cgroup-parent", "x"}), "build --cgroup-parent is not supported"));
}
