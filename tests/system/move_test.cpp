#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

using namespace davit;
using davit::testing::contains;
using davit::testing::Outcome;
using davit::testing::Sandbox;
using davit::testing::TempDir;

namespace {

bool is_link(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

void begin(const Sandbox& box) {
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    stop_signal: SIGKILL\n"
        "    command: sh -c 'echo line; sleep 1000'\n    volumes: [data:/data]\n"
        "volumes:\n  data: {}\n");
    box.davit_ok({"up", "-d"});
    box.davit_ok({"exec", "a", "sh", "-c", "echo kept > /data/file; echo own > /own"});
}

void check_all_there(const Sandbox& box) {
    CHECK(box.davit_ok({"exec", "-T", "a", "cat", "/data/file", "/own"}) == "kept\nown\n");
    CHECK(contains(box.davit_ok({"logs", "a"}), "line"));
    CHECK(contains(box.davit_ok({"image", "check"}), "all as they should be"));
}

}  // namespace

TEST_CASE("a data root moves to another disk with everything, and containers go on from there") {
    const TempDir disk;  // outlives the sandbox, whose data root ends up here
    const Sandbox box("dt-move");
    begin(box);
    const std::string id = box.inspect("dt-move-a-1", "{{.Id}}");
    const std::string fresh = disk / "new";
    const Outcome refused = box.davit({"data-root", "move", fresh});
    CHECK(refused.status == 1);
    CHECK_MESSAGE(contains(refused.err, "1 containers run on it: dt-move/dt-move-a-1"),
                  refused.err);
    CHECK(contains(refused.err, "help: stop them first"));
    CHECK_FALSE(exists(fresh));

    box.davit_ok({"stop", "-t", "0"});
    const Outcome moved = box.davit({"data-root", "move", fresh});
    REQUIRE_MESSAGE(moved.status == 0, moved.err);
    CHECK(contains(moved.out, "moved "));
    CHECK(contains(moved.err, "copying\nverifying\nremoving\n"));
    CHECK(is_link(box.data_root()));
    CHECK_FALSE(exists(box.data_root() + ".moved"));
    box.davit_ok({"start"});
    CHECK(box.inspect("dt-move-a-1", "{{.Id}}") == id);
    check_all_there(box);
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-move-a-1", "{{.Id}}") == id);
    CHECK(exists(fresh + "/volumes/dt-move_data/_data/file"));

    // And home again, over the link that the first move has left.
    box.davit_ok({"stop", "-t", "0"});
    box.davit_ok({"data-root", "move", disk / "home"});
    CHECK_FALSE(is_link(disk / "home"));
    box.davit_ok({"start"});
    check_all_there(box);
    box.davit_ok({"down", "-t", "0"});
    CHECK(contains(box.davit_ok({"volume", "ls", "-q"}), "dt-move_data"));
}

TEST_CASE("a disk that is too small or can't carry containers is refused beforehand") {
    const TempDir disk;
    const Sandbox box("dt-move-no");
    box.load_busybox();
    const auto refused = [&](const char* type, const char* options, const char* words) {
        REQUIRE(::mount(type, disk.path().c_str(), type, 0, options) == 0);
        const Outcome outcome = box.davit({"data-root", "move", disk / "new"});
        CHECK(outcome.status == 1);
        CHECK_MESSAGE(contains(outcome.err, words), outcome.err);
        CHECK(contains(outcome.err, "help: choose"));
        const auto left = list_directory(disk / "new");
        CHECK(left->empty());
        REQUIRE(::umount(disk.path().c_str()) == 0);
    };
    refused("tmpfs", "size=1m", "ENOSPC");
    refused("ramfs", nullptr, "can't carry attributes of overlayfs");
    CHECK_FALSE(is_link(box.data_root()));
    CHECK(contains(box.davit_ok({"images"}), "local/busybox"));

    // Nothing can take the place of what is mounted.
    REQUIRE(::mount(box.data_root().c_str(), box.data_root().c_str(), nullptr, MS_BIND, nullptr) ==
            0);
    const Outcome mounted = box.davit({"data-root", "move", disk / "new"});
    CHECK(contains(mounted.err, "is where a file system is mounted"));
    REQUIRE(::umount(box.data_root().c_str()) == 0);
    CHECK_FALSE(exists(disk / "new"));
}
