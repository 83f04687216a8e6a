#include "stack/move_data.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "image/store_files.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <optional>
#include <poll.h>
#include <random>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

/// A data root as davit leaves it, as far as moving is concerned, at `old`.
struct World {
    World() {
        const std::string script =
            "mkdir -p \"$1\" && cd \"$1\" && mkdir -p images/tmp/half images/blobs/sha256 "
            "layers/x/diff volumes/v/_data projects/shop/containers/web/rw build && "
            "echo '{}' > images/index.json && head -c 3000000 /dev/urandom > images/blobs/sha256/b && "
            "echo data > volumes/v/_data/canary && chown 70:70 volumes/v/_data/canary && "
            "touch projects/shop/lock images/lock images/tmp.lock build/lock && mknod layers/x/diff/gone c 0 0 && "
            "for i in $(seq 200); do echo $i > layers/x/diff/$i; done && echo left > "
            "images/tmp/half/layer";
        const auto made = davit::testing::run({.argv = {"sh", "-c", script, "sh", old}});
        REQUIRE_MESSAGE(made.status == 0, made.err);
        before = describe(old);
    }

    static std::string describe(const std::string& folder) {
        const auto described =
            davit::testing::run({.argv = {"sh", "-c",
                                          "python3 " DAVIT_SOURCE_DIR
                                          "/tests/support/describe_tree.py \"$1/\" | grep -v "
                                          "-e images/tmp -e moving.json | tail -n +2",
                                          "sh", folder}});
        return described.out;
    }
    Result<Moved> move(const std::string& to) const {
        MoveRequest request;
        request.paths = {old, dir / "run"};
        request.to = to;
        request.on_progress = on_progress;
        request.cancelled = cancelled;
        return move_data_root(request);
    }
    /// Everything is where it was, and nothing else is there.
    void check_unmoved(const std::string& target) const {
        CHECK(describe(old) == before);
        struct stat info {};
        REQUIRE(::lstat(old.c_str(), &info) == 0);
        CHECK(S_ISDIR(info.st_mode));
        CHECK(list_directory(target)->empty());
        CHECK_FALSE(exists(old + ".moved"));
    }
    void check_moved(const std::string& target) const {
        CHECK(describe(old) == before);
        CHECK(describe(target) == before);
        struct stat info {};
        REQUIRE(::lstat(old.c_str(), &info) == 0);
        CHECK(S_ISLNK(info.st_mode));
        CHECK(::lstat((old + ".moved").c_str(), &info) == -1);
        CHECK_FALSE(exists(target + "/moving.json"));
        CHECK(list_directory(target + "/images/tmp")->empty());
    }

    TempDir dir;
    std::string old = dir / "old";
    std::string fresh = dir / "disk/new";
    std::string before;
    std::function<void(const char*, std::int64_t, std::int64_t)> on_progress = {};
    std::function<bool()> cancelled = {};
};

}  // namespace

TEST_CASE("a data root is moved, and its old name goes on to mean it") {
    NEEDS_ROOT();
    const World w;
    const auto moved = w.move(w.fresh);
    REQUIRE_MESSAGE(moved.ok(), moved.error().to_string());
    CHECK_FALSE(moved->was_there);
    CHECK(moved->bytes > 3'000'000);
    w.check_moved(w.fresh);
    CHECK(w.move(w.fresh)->was_there);
    w.check_moved(w.fresh);

    // Once more, by the old name: it does not lead over the disk that was left.
    REQUIRE(make_directories(w.dir / "other", 0755).ok());
    const auto again = w.move(w.dir / "other");
    REQUIRE_MESSAGE(again.ok(), again.error().to_string());
    w.check_moved(w.dir / "other");
    REQUIRE(remove_tree(w.dir / "disk").ok());
    w.check_moved(w.dir / "other");
}

TEST_CASE("where a data root can't go it stays") {
    NEEDS_ROOT();
    World w;
    std::string to = w.fresh;
    const char* words = "";
    ErrorKind kind = ErrorKind::InvalidInput;
    SUBCASE("into itself") {
        to = w.old + "/volumes/new";
        words = "inside the other";
    }
    SUBCASE("to a folder with something in it") {
        REQUIRE(make_directories(w.fresh, 0755).ok());
        REQUIRE(write_in_place(w.fresh + "/mine", "kept", 0644).ok());
        words = "is not empty";
        kind = ErrorKind::AlreadyExists;
    }
    SUBCASE("to a link that leads nowhere") {
        REQUIRE(::symlink("/no/where", (w.dir / "link").c_str()) == 0);
        to = w.dir / "link";
        words = "a link to nothing";
    }
    SUBCASE("interrupted") {
        w.cancelled = [calls = 0]() mutable { return ++calls > 50; };
        words = "interrupted";
        kind = ErrorKind::Cancelled;
    }
    std::optional<FileLock> other;
    SUBCASE("while a command changes a project") {
        auto lock = FileLock::exclusive(Paths{w.old, w.dir / "run"}.project_lock("shop"));
        REQUIRE(lock.ok());
        other = *std::move(lock);
        words = "a command is changing project 'shop'";
        kind = ErrorKind::Busy;
    }
    SUBCASE("while an image is built") {
        auto lock = FileLock::shared(image::build_lock_path(w.old));
        REQUIRE(lock.ok());
        other = *std::move(lock);
        words = "an image is being built";
        kind = ErrorKind::Busy;
    }
    SUBCASE("while something writes") {
        w.on_progress = [&](const char* what, std::int64_t, std::int64_t) {
            if (what == std::string("verifying"))
                REQUIRE(write_in_place(w.old + "/volumes/v/_data/canary", "other\n", 0644).ok());
        };
        words = "volumes/v/_data/canary' is not the same";
        kind = ErrorKind::Busy;
    }
    SUBCASE("while a project is made, after everything was compared") {
        w.on_progress = [&](const char* what, std::int64_t, std::int64_t) {
            if (what == std::string("verifying"))
                REQUIRE(make_directories(w.old + "/projects-of-others", 0755).ok());
        };
        words = "everything is where it was";
        kind = ErrorKind::Busy;
    }
    const auto moved = w.move(to);
    REQUIRE_FALSE(moved.ok());
    CHECK_MESSAGE(moved.error().to_string().find(words) != std::string::npos,
                  moved.error().to_string());
    CHECK(moved.error().kind() == kind);
    if (kind == ErrorKind::AlreadyExists) {
        CHECK(*read_file(w.fresh + "/mine") == "kept");
    } else if (kind == ErrorKind::Busy) {
        w.before = World::describe(w.old);
        w.check_unmoved(w.fresh);
    } else {
        w.check_unmoved(w.fresh);
    }
    if (kind != ErrorKind::Cancelled) CHECK_FALSE(moved.error().help().empty());
}

TEST_CASE("a move that is killed at any moment has lost nothing, and goes on") {
    NEEDS_ROOT();
    const char* given = std::getenv("DAVIT_TEST_SEED");  // NOLINT(concurrency-mt-unsafe)
    const unsigned seed = given == nullptr
                              ? std::random_device()()
                              : static_cast<unsigned>(parse_integer(given).value_or(0));
    MESSAGE("DAVIT_TEST_SEED=", seed);
    std::mt19937 random(seed);
    long whole_us = 0;
    int switched = 0;
    int begun = 0;
    for (int round = 0; round < 25; ++round) {
        const World w;
        const auto start = [&] {
            const pid_t child = ::fork();
            if (child == 0) ::_exit(w.move(w.fresh).ok() ? 0 : 1);
            return child;
        };
        const auto begin = std::chrono::steady_clock::now();
        const pid_t child = start();
        if (round == 0) {  // an undisturbed one, to know how long it takes
            int status = -1;
            ::waitpid(child, &status, 0);
            REQUIRE(status == 0);
            whole_us = std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::steady_clock::now() - begin)
                           .count();
            continue;
        }
        const long delay_us = std::uniform_int_distribution<long>(0, whole_us)(random);
        CAPTURE(delay_us);
        const timespec delay{delay_us / 1'000'000, delay_us % 1'000'000 * 1000};
        ::nanosleep(&delay, nullptr);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        struct stat info {};
        REQUIRE(::lstat(w.old.c_str(), &info) == 0);
        if (S_ISLNK(info.st_mode)) ++switched;
        if (exists(w.fresh)) ++begun;
        REQUIRE(World::describe(w.old) == w.before);
        const auto moved = w.move(w.fresh);
        REQUIRE_MESSAGE(moved.ok(), moved.error().to_string());
        w.check_moved(w.fresh);
    }
    CHECK(begun > 3);  // else nothing was tried
    MESSAGE(begun, " were begun, ", switched, " had switched");
}
