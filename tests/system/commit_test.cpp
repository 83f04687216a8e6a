#include "base/file.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::run;
using davit::testing::Sandbox;

namespace {

std::string shell_out(const std::string& script) { return run({.argv = {"sh", "-c", script}}).out; }

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a container's changes become an image, and a container of that shows them") {
    const Sandbox box("commit");
    box.load_busybox();
    box.write("secret.txt", "of the host");
    box.compose(R"(services:
  a:
    image: local/busybox:1
    command: sh -c 'echo new > /made; rm /etc/group; mkdir /own; chown 7:8 /own; sleep 1000'
    environment: {WORD: of the container}
    volumes: [./secret.txt:/mounted/secret.txt, data:/data]
volumes:
  data:
)");
    box.davit_ok({"up", "-d"});
    REQUIRE(davit::testing::eventually([&] {
        return box.davit({"exec", "a", "test", "-d", "/own"}).status == 0;
    }));
    box.davit_ok({"exec", "a", "sh", "-c", "echo kept > /data/file"});
    const std::string id = box.davit_ok({"commit", "-a", "Somebody", "-m", "a message", "-c",
                                         "LABEL of=test", "a", "local/committed:1"});
    CHECK(id == box.davit_ok({"image", "inspect", "-f", "{{.Id}}", "local/committed:1"}));
    // It stood still, and goes on.
    CHECK(box.inspect("commit-a-1", "{{.State.Status}}") == "running");
    const std::string image = box.davit_ok({"image", "inspect", "local/committed:1"});
    CHECK(has(image, "WORD=of the container"));
    CHECK(has(image, "\"of\": \"test\""));
    CHECK(has(image, "\"Author\": \"Somebody\""));
    CHECK(has(box.davit_ok({"history", "local/committed:1"}), "a message"));

    box.davit_ok({"down", "-v"});
    box.compose("services:\n  b:\n    image: local/committed:1\n    command: sleep 1000\n");
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"exec", "-T", "b", "cat", "/made"}) == "new\n");
    CHECK(box.davit_ok({"exec", "-T", "b", "stat", "-c", "%u:%g", "/own"}) == "7:8\n");
    CHECK(box.davit({"exec", "-T", "b", "cat", "/etc/group"}).status != 0);
    CHECK(box.davit_ok({"exec", "-T", "b", "sh", "-c", "echo $WORD"}) == "of the container\n");
    // What was mounted is no part of it, nor are the places that mounts needed.
    CHECK(box.davit({"exec", "-T", "b", "ls", "/mounted"}).status != 0);
    CHECK(box.davit({"exec", "-T", "b", "ls", "/data/file"}).status != 0);
}

TEST_CASE("commit refuses what can't be, and changes nothing") {
    const Sandbox box("commit-wrong");
    box.load_busybox();
    box.compose("services:\n  a:\n    image: local/busybox:1\n    command: sleep 1000\n");
    CHECK(box.davit({"commit", "a", "local/x:1"}).status == 1);
    box.davit_ok({"up", "-d"});
    CHECK(box.davit({"commit", "a", "local/X:1"}).status == 1);
    CHECK(box.davit({"commit", "-c", "RUN true", "a", "local/x:1"}).status == 1);
    CHECK(box.davit({"commit", "--index", "2", "a", "local/x:1"}).status == 1);
    CHECK(box.inspect("commit-wrong-a-1", "{{.State.Status}}") == "running");
    CHECK(box.davit_ok({"images", "-q", "local/x"}).empty());
    // A stopped one is committed as well, and one whose name is left out has none.
    box.davit_ok({"stop", "-t", "0"});
    CHECK(box.davit_ok({"commit", "a"}).starts_with("sha256:"));
    CHECK(has(box.davit_ok({"images", "--filter", "dangling=true"}), "<none>"));
}

TEST_CASE("an exported file system is the container's own, without mounts, with its owners") {
    const Sandbox box("export");
    box.load_busybox();
    box.compose(R"(services:
  a:
    image: local/busybox:1
    command: sh -c 'echo new > /made; rm /etc/group; chown 7:8 /made; ln /made /twin; sleep 1000'
    volumes: [data:/data]
volumes:
  data:
)");
    box.davit_ok({"up", "-d"});
    REQUIRE(davit::testing::eventually([&] {
        return box.davit({"exec", "a", "test", "-f", "/twin"}).status == 0;
    }));
    box.davit_ok({"exec", "a", "touch", "/data/file"});
    const std::string file = box.folder() + "/all.tar";
    box.davit_ok({"export", "-o", file, "a"});
    const std::string list = shell_out("tar --numeric-owner -tvf '" + file + "'");
    CHECK(has(list, "7/8"));
    CHECK(has(list, " made\n"));
    CHECK(has(list, "twin link to made"));
    CHECK(has(list, "bin/busybox"));
    CHECK(has(list, " data/\n"));
    // As docker export has it: where the mounts go, though the image has no such folders.
    for (const char* stub : {" dev/\n", " proc/\n", " sys/\n"}) CHECK(has(list, stub));
    CHECK_FALSE(has(list, "data/file"));
    CHECK_FALSE(has(list, "etc/group\n"));
    CHECK_FALSE(has(list, "proc/1"));
    // Everything else belongs to the image's own users, not to the host's ids of the container.
    CHECK(shell_out("tar --numeric-owner -tvf '" + file + "' | awk '{print $2}' | sort -u") ==
          "0/0\n7/8\n");
    // It makes an image again; and where nobody can write, no half of it is left.
    CHECK(box.davit_ok({"import", file, "local/again:1"}).starts_with("sha256:"));
    CHECK(box.davit({"export", "-o", box.folder() + "/no/such/folder.tar", "a"}).status == 1);
    // A device is written to, not replaced.
    box.davit_ok({"export", "-o", "/dev/null", "a"});
    CHECK(shell_out("stat -c %F /dev/null") == "character special file\n");
}

TEST_CASE("prune takes what nothing uses, and leaves the rest") {
    const Sandbox box("prune");
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo a > /a\nRUN echo b > /b\n");
    box.davit_ok({"build", "-t", "local/built:1", "."});
    box.compose(R"(services:
  runs: {image: "local/busybox:1", command: sleep 1000, networks: [used]}
  ended: {image: "local/busybox:1", command: "true", networks: [idle]}
networks: {used: , idle: }
)");
    box.davit_ok({"up", "-d"});
    REQUIRE(davit::testing::eventually(
        [&] { return box.inspect("prune-ended-1", "{{.State.Status}}") == "exited"; }));
    CHECK(box.davit({"system", "prune", "-f", "--filter", "colour=red"}).status == 1);
    CHECK(has(box.davit_ok({"ps", "-a"}), "prune-ended-1"));
    // Nobody says yes.
    CHECK(box.davit_ok({"system", "prune"}).empty());
    CHECK(box.davit_ok({"system", "prune", "-f", "--filter", "label=no=such"}) ==
          "Total reclaimed space: 0B\n");
    const std::string pruned = box.davit_ok({"system", "prune", "-f"});
    CHECK(has(pruned, "Deleted Containers:\n"));
    CHECK(has(pruned, "Deleted Networks:\nprune_idle\n"));
    CHECK(has(pruned, "Total reclaimed space: "));
    const std::string left = box.davit_ok({"ps", "-a"});
    CHECK_FALSE(has(left, "prune-ended-1"));
    CHECK(has(left, "prune-runs-1"));
    CHECK(has(box.davit_ok({"images"}), "local/built"));

    const std::string all = box.davit_ok({"system", "prune", "-a", "-f"});
    CHECK(has(all, "untagged: local/built:1\n"));
    CHECK(has(box.davit_ok({"images"}), "local/busybox"));
    CHECK(box.davit_ok({"exec", "-T", "runs", "echo", "lives"}) == "lives\n");
    CHECK(box.davit_ok({"image", "check"}) == "1 images with 1 layers: all as they should be\n");
    box.davit_ok({"down", "-t", "0"});
    CHECK(box.davit_ok({"system", "prune", "-f"}) == "Total reclaimed space: 0B\n");
}

TEST_CASE("what builds keep is listed and pruned, and what images have of it stays") {
    const Sandbox box("build-cache");
    box.load_busybox();
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo a > /a\n");
    box.davit_ok({"build", "-t", "local/one:1", "."});
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN --mount=type=cache,target=/c echo b > /c/b\n"
              "RUN dd if=/dev/zero of=/big bs=1M count=2\n");
    box.davit_ok({"build", "-t", "local/two:1", "."});
    box.davit_ok({"tag", "local/one:1", "local/two:1"});  // the second has no name any more
    const std::string usage = box.davit_ok({"system", "df", "-v"});
    CHECK(has(usage, "Images space usage:\n"));
    CHECK(has(usage, "Build cache usage: "));
    CHECK(has(usage, "exec.cachemount"));
    box.davit_ok({"image", "prune", "-f"});
    const std::string pruned = box.davit_ok({"builder", "prune", "-f"});
    CHECK(has(pruned, "Deleted build cache objects:\n"));
    CHECK_FALSE(has(box.davit_ok({"system", "df", "-v"}), "exec.cachemount"));
    // The first image's step is still known.
    box.write("Dockerfile", "FROM local/busybox:1\nRUN echo a > /a\n");
    CHECK(has(box.davit({"build", "-t", "local/one:1", "."}).err, "CACHED"));
    CHECK(has(box.davit_ok({"image", "check"}), "all as they should be"));
    box.davit_ok({"builder", "prune", "-a", "-f"});
    CHECK_FALSE(has(box.davit({"build", "-t", "local/one:1", "."}).err, "CACHED"));
}
