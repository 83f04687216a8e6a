#include "base/file.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"
#include "tests/system/build_steps.h"

#include <doctest/doctest.h>
#include <string>

// Where the results of builds go, and the steps of one host that another one takes.
using namespace davit;
using davit::testing::build_folder;
using davit::testing::contains;
using davit::testing::count;
using davit::testing::file_text;
using davit::testing::Outcome;
using davit::testing::run;
using davit::testing::Sandbox;
using davit::testing::sh;

namespace {

constexpr const char* kDockerfile =
    "FROM local/busybox:1 AS make\nRUN mkdir /out && echo made > /out/x && chmod 640 /out/x\n"
    "FROM scratch\nENV KEPT=1\nCOPY --from=make /out /o\n";

/// Both have the same base image, byte for byte: else no step of the one is a step of the other.
void give_base(const Sandbox& one, const Sandbox& other) {
    const std::string archive = one.folder() + "/base.tar";
    one.davit_ok({"save", "-o", archive, "local/busybox:1"});
    other.davit_ok({"load", "-i", archive});
}

}  // namespace

TEST_CASE("the result of a build goes into a folder, a tar, an archive, and not into the store") {
    const Sandbox box("dt-build-output");
    box.load_busybox();
    box.write("Dockerfile", kDockerfile);
    const auto shell = [&](const std::string& script) {
        return run({.argv = sh(script), .folder = box.folder()}).out;
    };
    build_folder(box, {"-o", "out"});
    CHECK(shell("stat -c '%a %n' out/o/x; cat out/o/x") == "640 out/o/x\nmade\n");
    build_folder(box, {"--output", "type=tar,dest=files.tar"});
    CHECK(shell("tar tf files.tar") == "o/\no/x\n");
    const Outcome piped = box.davit({"build", "-o", "-", "."});
    CHECK(piped.out == file_text(box.folder() + "/files.tar"));
    build_folder(box, {"-t", "local/kept:1", "-o", "type=oci,dest=oci.tar"});
    build_folder(box, {"-t", "local/kept:1", "-o", "type=docker,dest=docker.tar"});
    CHECK(!contains(box.davit_ok({"images"}), "local/kept"));
    CHECK(contains(shell("tar tf docker.tar"), "manifest.json"));
    CHECK(!contains(shell("tar tf oci.tar"), "manifest.json"));

    const std::string list = shell("ls");
    CHECK(!contains(list, ".part"));
    for (const char* archive : {"oci.tar", "docker.tar"}) {
        box.davit_ok({"load", "-i", archive});
        CHECK(contains(box.davit_ok({"image", "inspect", "local/kept:1"}), "KEPT=1"));
        box.davit_ok({"rmi", "local/kept:1"});
    }
    const Outcome both = box.davit(
        {"build", "-t", "local/kept:1", "-o", "type=image", "-o", "type=local,dest=two", "."});
    REQUIRE_MESSAGE(both.status == 0, both.err);
    CHECK(contains(box.davit_ok({"images"}), "local/kept"));
    CHECK(shell("cat two/o/x") == "made\n");
    const Outcome wrong = box.davit({"build", "-o", "type=locl,dest=x", "."});
    CHECK(wrong.status == 1);
    CHECK(contains(wrong.err, "the nearest is 'local'"));
}

TEST_CASE("what one host has built another one takes from a folder, unless it is damaged") {
    const Sandbox one("dt-build-cache-a");
    const Sandbox two("dt-build-cache-b");
    const std::string cache = one.folder() + "/cache";
    one.load_busybox();
    give_base(one, two);
    for (const Sandbox* box : {&one, &two}) box->write("Dockerfile", kDockerfile);
    build_folder(one, {"-t", "local/built:1", "--cache-to", "type=local,mode=max,dest=" + cache});
    const std::string first =
        build_folder(two, {"-t", "local/built:1", "--cache-from", "type=local,src=" + cache});
    CHECK(count(first, "CACHED") == 2);
    const auto layers = [](const Sandbox& box) {
        return box.davit_ok({"image", "inspect", "-f", "{{json .RootFS.Layers}}", "local/built:1"});
    };
    CHECK(contains(layers(one), "sha256:"));
    CHECK(layers(one) == layers(two));

    const Sandbox three("dt-build-cache-c");
    give_base(one, three);
    three.write("Dockerfile", kDockerfile);
    REQUIRE(run({.argv = sh("cd '" + cache +
                            "/blobs/sha256' && for f in *; do printf x >> \"$f\"; done")})
                .status == 0);
    const std::string damaged =
        build_folder(three, {"-t", "local/built:1", "--cache-from", "type=local,src=" + cache});
    CHECK(contains(damaged, "is damaged"));
    CHECK(count(damaged, "CACHED") == 0);
    CHECK(contains(build_folder(three, {"--cache-from", "type=local,src=/none"}), "can't be used"));
    CHECK(contains(build_folder(three, {"--cache-from", "type=gha"}), "are passed over"));
}

TEST_CASE("an image carries its own steps where that is asked for") {
    const Sandbox one("dt-build-inline-a");
    const Sandbox two("dt-build-inline-b");
    one.load_busybox();
    give_base(one, two);
    for (const Sandbox* box : {&one, &two})
        box->write("Dockerfile", "FROM local/busybox:1\nRUN echo slow > /x\nRUN echo more > /y\n");
    const std::string archive = one.folder() + "/built.tar";
    build_folder(one, {"-t", "local/built:1", "--cache-to", "type=inline"});
    one.davit_ok({"save", "-o", archive, "local/built:1"});
    two.davit_ok({"load", "-i", archive});
    CHECK(count(build_folder(two, {"--cache-from", "local/built:1", "-t", "local/again:1"}),
                "CACHED") == 2);
    // An image that builds on it does not claim its steps for its own.
    two.write("Dockerfile", "FROM local/built:1\nRUN echo top > /z\n");
    build_folder(two, {"-t", "local/top:1"});
    const std::string top = two.davit_ok({"save", "local/top:1"});
    CHECK(!contains(top, "io.davit.build.steps"));
}

TEST_CASE("--check says what is amiss with a Dockerfile, and builds nothing") {
    const Sandbox box("dt-build-check");
    box.write("Dockerfile", "FROM local/none:1\nARG VERSION=1\nLABEL v=$VERSOIN\nCMD sleep 1\n");
    const Outcome remarks = box.davit({"build", "--check", "."});
    CHECK(remarks.status == 1);
    CHECK(contains(remarks.err, "Dockerfile:3:1: warning: 'VERSOIN' is not set in this stage"));
    CHECK(contains(remarks.err, "the nearest is 'VERSION'"));
    CHECK(contains(remarks.err, "(JSONArgsRecommended)"));
    box.write("Dockerfile", "FROM local/none:1\nCMD [\"sleep\", \"1\"]\n");
    CHECK(box.davit({"build", "--check", "."}).status == 0);
    box.compose("services:\n  a: {build: .}\n");
    CHECK(box.davit({"build", "--check"}).status == 0);
    box.write("Dockerfile", "FROM local/none:1\nRNU x\n");
    const Outcome broken = box.davit({"build", "--check"});
    CHECK(broken.status == 1);
    CHECK(contains(broken.err, "unknown instruction 'RNU'"));
}
