#include "base/file.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

/// Everything about a tree that a layer keeps, as text.
std::string describe(const std::string& folder) {
    const std::string script =
        "cd \"$1\" && find . -mindepth 1 -printf '%P %y %m %U:%G %n %s %T@ %l\\n' | LC_ALL=C sort "
        "&& find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    return run({.argv = {"sh", "-c", script, "sh", folder}}).out;
}

std::string tree_of(const Sandbox& box) {
    const auto layers = list_directory(box.data_root() + "/layers");
    return layers && layers->size() == 1 ? box.data_root() + "/layers/" + layers->front() + "/diff"
                                         : "";
}

}  // namespace

TEST_CASE("what is saved comes back as it was, also by way of other tools") {
    const Sandbox box("save-load");
    const std::string folder = box.folder();
    box.load_busybox();
    box.davit_ok({"tag", "local/busybox:1", "local/busybox:2"});
    const std::string id = box.davit_ok({"images", "-q", "--no-trunc"});
    const std::string before = describe(tree_of(box));
    REQUIRE_FALSE(before.empty());
    const std::string file = folder + "/saved.tar";
    std::string loaded_as = "Loaded image: local/busybox:1\nLoaded image: local/busybox:2\n";
    SUBCASE("for any loader") {
        box.davit_ok({"save", "-o", file, "local/busybox:1", "local/busybox:2"});
    }
    SUBCASE("compressed") {
        box.davit_ok({"save", "--gzip", "-o", file, "local/busybox:1", "local/busybox:2"});
    }
    SUBCASE("as an OCI archive") {
        box.davit_ok({"save", "--format", "oci", "-o", file, "local/busybox:1", "local/busybox:2"});
    }
    SUBCASE("skopeo reads the docker archive") {
        box.davit_ok({"save", "-o", file + "1", "local/busybox:1"});
        const auto copied =
            run({.argv = {"skopeo", "copy", "--insecure-policy", "docker-archive:" + file + "1",
                          "docker-archive:" + file + ":local/busybox:1"}});
        if (copied.status == 127) SKIP_TEST("skopeo is not installed");
        REQUIRE_MESSAGE(copied.status == 0, copied.err);
        loaded_as = "Loaded image: local/busybox:1\n";
    }
    SUBCASE("skopeo reads the OCI archive") {
        box.davit_ok({"save", "--format", "oci", "-o", file + "1", "local/busybox:1"});
        const auto copied =
            run({.argv = {"skopeo", "copy", "--insecure-policy", "oci-archive:" + file + "1",
                          "docker-archive:" + file + ":local/busybox:1"}});
        if (copied.status == 127) SKIP_TEST("skopeo is not installed");
        REQUIRE_MESSAGE(copied.status == 0, copied.err);
        loaded_as = "Loaded image: local/busybox:1\n";
    }
    box.davit_ok({"rmi", "local/busybox:1", "local/busybox:2"});
    REQUIRE(tree_of(box).empty());
    CHECK(box.davit_ok({"load", "-i", file}) == loaded_as);
    CHECK(box.davit_ok({"images", "-q", "--no-trunc"}) == id);
    CHECK(describe(tree_of(box)) == before);
}

TEST_CASE("an archive that can't be written leaves nothing") {
    const Sandbox box("save-fails");
    box.load_busybox();
    const std::string file = box.folder() + "/saved.tar";
    CHECK(box.davit({"save", "-o", file, "local/busybox:1", "no/such:1"}).status == 1);
    CHECK_FALSE(exists(file));
    CHECK(box.davit({"save", "--format", "zip", "-o", file, "local/busybox:1"}).status == 1);
    CHECK(list_directory(box.folder())->empty());
}

TEST_CASE("images are inspected, checked, counted and pruned") {
    const Sandbox box("image-tools");
    box.load_busybox();
    const std::string id = box.davit_ok({"images", "-q", "--no-trunc"});
    CHECK(box.davit_ok({"image", "inspect", "-f", "{{.Id}}", "local/busybox:1"}) == id);
    CHECK(box.davit_ok({"image", "inspect", "-f", "{{.Os}}", "local/busybox:1"}) == "linux\n");
    const std::string history = box.davit_ok({"history", "local/busybox:1"});
    CHECK(history.find("IMAGE") == 0);
    CHECK(history.find("Imported from ") != std::string::npos);
    CHECK(box.davit_ok({"image", "check"}) == "1 images with 1 layers: all as they should be\n");
    REQUIRE(write_in_place(tree_of(box) + "/etc/passwd", "changed\n", 0644).ok());
    CHECK(box.davit({"image", "check"}).status == 1);
    CHECK(box.davit_ok({"image", "check", "--repair"}).find("(mended)") != std::string::npos);
    CHECK(box.davit_ok({"image", "check"}).find("all as they should be") != std::string::npos);

    box.compose("services:\n  a:\n    image: local/busybox:1\n    command: sleep 1000\n");
    box.davit_ok({"up", "-d"});
    const std::string usage = box.davit_ok({"system", "df"});
    CHECK(usage.find("TYPE") == 0);
    CHECK(usage.find("\nImages") != std::string::npos);
    CHECK(usage.find("\nContainers") != std::string::npos);
    // What a container was made of stays.
    CHECK(box.davit_ok({"image", "prune", "-a", "-f"}) == "Total reclaimed space: 0B\n");
    box.davit_ok({"down", "-t", "0"});
    CHECK(box.davit_ok({"image", "prune", "-f"}) == "Total reclaimed space: 0B\n");
    const std::string pruned = box.davit_ok({"image", "prune", "-a", "-f"});
    CHECK(pruned.find("Deleted Images:\nuntagged: local/busybox:1\ndeleted: sha256:") == 0);
    CHECK(tree_of(box).empty());
}
