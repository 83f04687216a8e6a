#include "base/file.h"

#include "base/sys.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;

TEST_CASE("a file is replaced whole and nothing else is left") {
    const testing::TempDir dir;
    const std::string path = dir.path() + "/record.json";
    REQUIRE(write_atomically(path, "one", 0600, Sync::Yes).ok());
    REQUIRE(write_atomically(path, "two", 0600, Sync::No).ok());
    CHECK(*read_file(path) == "two");
    CHECK(list_directory(dir.path())->size() == 1);
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
    const auto refused = write_atomically(dir.path() + "/no/such/file", "x", 0600, Sync::No);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind() == ErrorKind::NotFound);
}

TEST_CASE("a file that is written in place keeps its inode") {
    const testing::TempDir dir;
    const std::string path = dir.path() + "/hosts";
    REQUIRE(write_in_place(path, "a longer text", 0644).ok());
    struct stat before {};
    REQUIRE(::stat(path.c_str(), &before) == 0);
    REQUIRE(write_in_place(path, "short", 0644).ok());
    struct stat after {};
    REQUIRE(::stat(path.c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK(*read_file(path) == "short");
}

TEST_CASE("a file larger than its limit is refused") {
    const testing::TempDir dir;
    REQUIRE(write_in_place(dir.path() + "/big", std::string(100, 'x'), 0600).ok());
    CHECK_FALSE(read_file(dir.path() + "/big", 99).ok());
    CHECK(read_file(dir.path() + "/big", 100).ok());
}

TEST_CASE("a tree is removed without following links") {
    const testing::TempDir dir;
    REQUIRE(make_directories(dir.path() + "/tree/a/b/c", 0700).ok());
    REQUIRE(make_directories(dir.path() + "/outside", 0700).ok());
    REQUIRE(write_in_place(dir.path() + "/outside/canary", "x", 0600).ok());
    REQUIRE(::symlink("../../outside", (dir.path() + "/tree/a/link").c_str()) == 0);
    REQUIRE(remove_tree(dir.path() + "/tree").ok());
    CHECK_FALSE(exists(dir.path() + "/tree"));
    CHECK(exists(dir.path() + "/outside/canary"));
    CHECK(remove_tree(dir.path() + "/tree").ok());
}

TEST_CASE("a tree deeper than there are descriptors is removed") {
    const testing::TempDir dir;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit few{128, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    REQUIRE(make_directories(dir / "tree", 0700).ok());
    UniqueFd at = *sys::open(dir / "tree", O_RDONLY | O_DIRECTORY);
    for (int level = 0; level < 5000; ++level) {  // far deeper than a path can name
        REQUIRE(::mkdirat(at.get(), "in", 0700) == 0);
        REQUIRE(::symlinkat("/", at.get(), "link") == 0);
        at = *sys::open_at(at, "in", O_RDONLY | O_DIRECTORY);
    }
    const auto removed = remove_tree(dir / "tree");
    ::setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
    CHECK_FALSE(exists(dir / "tree"));
}

TEST_CASE("what is mounted beneath a tree survives its removal") {
    if (::geteuid() != 0) SKIP_TEST("needs root to mount");
    const testing::TempDir dir;
    REQUIRE(make_directories(dir.path() + "/tree/mnt", 0700).ok());
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", (dir.path() + "/tree/mnt").c_str(), "tmpfs", 0, nullptr) != 0)
            ::_exit(2);
        (void)write_in_place(dir.path() + "/tree/mnt/canary", "x", 0600);
        const Result<void> removed = remove_tree(dir.path() + "/tree");
        const bool kept = exists(dir.path() + "/tree/mnt/canary");
        ::_exit(!removed.ok() && removed.error().kind() == ErrorKind::Busy && kept ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("what a killed process was writing is removed, and what one that lives writes is not") {
    const testing::TempDir dir;
    const auto half = [&](pid_t pid) {
        return fmt::format("{}/a.json.{}-0a1b.tmp", dir.path(), pid);
    };
    const pid_t child = ::fork();
    if (child == 0) {
        for (;;) ::pause();
    }
    for (const pid_t pid : {child, ::getpid()}) REQUIRE(write_in_place(half(pid), "{", 0600).ok());
    REQUIRE(write_in_place(dir / "mine.tmp", "kept", 0600).ok());
    remove_half_written(dir.path());
    CHECK(exists(half(child)));
    ::kill(child, SIGKILL);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    remove_half_written(dir.path());
    CHECK_FALSE(exists(half(child)));  // though nobody has collected it
    CHECK(exists(half(::getpid())));
    CHECK(exists(dir / "mine.tmp"));
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("paths are cleaned by their words alone") {
    struct Case {
        const char* path;
        const char* clean;
    };
    const Case cases[] = {{"/a//b/./c/", "/a/b/c"}, {"/a/../b", "/b"}, {"/..", "/"},
                          {"a/../..", ".."},        {"", "."},         {"./x", "x"}};
    for (const Case& c : cases) CHECK(clean_path(c.path) == c.clean);
    CHECK(join_path("/a", "b") == "/a/b");
    CHECK(join_path("/a/", "b") == "/a/b");
    CHECK(join_path("/a", "/b") == "/b");
}

TEST_CASE("a lock keeps others out until its holder ends") {
    const testing::TempDir dir;
    const std::string path = dir.path() + "/project/lock";
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t holder = ::fork();
    if (holder == 0) {
        const auto lock = FileLock::exclusive(path);
        (void)!::write(ready[1], "x", 1);
        if (lock.ok()) ::pause();
        ::_exit(0);
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    const pid_t waiter = ::fork();
    if (waiter == 0) ::_exit(FileLock::exclusive(path).ok() ? 0 : 1);
    const UniqueFd waiting = *sys::pidfd_open(waiter);
    CHECK_FALSE(*sys::wait_for_exit(waiting, 50));
    ::kill(holder, SIGKILL);
    CHECK(*sys::wait_for_exit(waiting, 5000));
    int status = 1;
    ::waitpid(waiter, &status, 0);
    ::waitpid(holder, nullptr, 0);
    CHECK(status == 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_CASE("a lock on a removed folder is taken anew") {
    const testing::TempDir dir;
    const std::string folder = dir.path() + "/project";
    {
        const auto lock = FileLock::exclusive(folder + "/lock");
        REQUIRE(lock.ok());
        REQUIRE(remove_tree(folder).ok());
    }
    const auto lock = FileLock::exclusive(folder + "/lock");
    REQUIRE(lock.ok());
    CHECK(exists(folder + "/lock"));
}

TEST_CASE("a process is known by its number and its start") {
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    const auto started = sys::start_time(child);
    REQUIRE(started.ok());
    CHECK(sys::open_process(child, *started).ok());
    const auto other = sys::open_process(child, *started + 1);
    REQUIRE_FALSE(other.ok());
    CHECK(other.error().kind() == ErrorKind::NotFound);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK_FALSE(sys::open_process(child, *started).ok());
}
