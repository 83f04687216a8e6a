#include "stack/copy.h"

#include "base/file.h"
#include "base/sys.h"
#include "stack/copy_root.h"
#include "stack/copy_tar.h"
#include "tests/image/memory_source.h"
#include "tests/support/skip.h"
#include "tests/support/swapped.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::make_while_swapped;
using davit::testing::MemorySource;
using davit::testing::TarWriter;
using davit::testing::TempDir;

namespace {

/// A container that is this process, with the ids and the files of the host.
ContainerView myself() {
    ContainerView view;
    view.record.name = "myself";
    view.state.pid = ::getpid();
    view.state.start_ticks = *sys::start_time(::getpid());
    return view;
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777U;
}

}  // namespace

TEST_CASE("no link that a container lays meanwhile leads a copy to a file of the host") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(write_atomically(dir / "victim", "mine", 0600, Sync::No).ok());
    REQUIRE(write_atomically(dir / "file", "x", 0777, Sync::No).ok());
    REQUIRE(::chmod((dir / "file").c_str(), 04777) == 0);
    REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
    REQUIRE(::chmod((dir / "fifo").c_str(), 0666) == 0);
    REQUIRE(make_directories(dir / "folder", 0777).ok());
    REQUIRE(make_directories(dir / "to", 0755).ok());
    const ContainerView view = myself();
    for (const char* name : {"file", "fifo", "folder"}) {
        CAPTURE(name);
        const CopyRequest request{.from = dir / name, .to = dir / "to/made", .exactly = true};
        CHECK(make_while_swapped(dir / "to/made", dir / "victim",
                                 [&] { (void)copy_in(view, request); }) > 0);
        CHECK(mode_of(dir / "victim") == 0600);
    }
    for (const char type : {'0', '5', '6'}) {
        CAPTURE(type);
        const std::string tar =
            TarWriter().add({.path = "made", .type = type, .mode = 04777}).finish();
        CHECK(make_while_swapped(dir / "to/made", dir / "victim", [&] {
                  MemorySource source(tar, tar.size());
                  (void)copy_in_tar(view, dir / "to", false, source);
              }) > 0);
        CHECK(mode_of(dir / "victim") == 0600);
    }
}

TEST_CASE("a copy has the mode of its original, and writes into regular files alone") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(write_atomically(dir / "file", "x", 0600, Sync::No).ok());
    REQUIRE(::chmod((dir / "file").c_str(), 04751) == 0);
    REQUIRE(write_atomically(dir / "there", "longer than the other", 0600, Sync::No).ok());
    const ContainerView view = myself();
    REQUIRE(copy_in(view, {.from = dir / "file", .to = dir / "there"}).ok());
    CHECK(mode_of(dir / "there") == 04751);
    CHECK(*read_file(dir / "there") == "x");
    REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
    const auto refused = copy_in(view, {.from = dir / "file", .to = dir / "fifo"});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().to_string() == "'fifo' is there and is no regular file");
}

TEST_CASE("what comes out of a container gives nobody power over the host") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(make_directories(dir / "in", 0755).ok());
    REQUIRE(make_directories(dir / "out", 0755).ok());
    for (const char* name : {"roots", "users"}) {
        REQUIRE(write_atomically(dir / ("in/" + std::string(name)), "x", 0600, Sync::No).ok());
        const uid_t owner = std::string_view(name) == "users" ? 1000 : 0;
        REQUIRE(::chown((dir / ("in/" + std::string(name))).c_str(), owner, owner) == 0);
        REQUIRE(::chmod((dir / ("in/" + std::string(name))).c_str(), 06755) == 0);
    }
    REQUIRE(::mknod((dir / "in/null").c_str(), S_IFCHR | 0666, ::gnu_dev_makedev(1, 3)) == 0);
    const ContainerView view = myself();
    REQUIRE(copy_out(view, {.from = dir / "in", .to = dir / "out/plain"}).ok());
    CHECK(*list_directory(dir / "out/plain") == std::vector<std::string>{"roots", "users"});
    CHECK(mode_of(dir / "out/plain/roots") == 0755);
    CHECK(mode_of(dir / "out/plain/users") == 0755);
    REQUIRE(copy_out(view, {.from = dir / "in", .to = dir / "out/all", .archive = true}).ok());
    CHECK(mode_of(dir / "out/all/roots") == 0755);
    CHECK(mode_of(dir / "out/all/users") == 06755);
    // Into a container everything goes.
    REQUIRE(copy_in(view, {.from = dir / "in", .to = dir / "out/inside"}).ok());
    CHECK(mode_of(dir / "out/inside/users") == 06755);
    CHECK(exists(dir / "out/inside/null"));
}

TEST_CASE("folders that a copy makes can be entered whatever the umask") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(write_atomically(dir / "file", "x", 0644, Sync::No).ok());
    const ContainerView view = myself();
    const mode_t umask_before = ::umask(077);
    const auto copied =
        copy_in(view, {.from = dir / "file", .to = dir / "a/b/file", .exactly = true});
    ::umask(umask_before);
    REQUIRE_MESSAGE(copied.ok(), copied.error().to_string());
    CHECK(mode_of(dir / "a") == 0755);
    CHECK(mode_of(dir / "a/b") == 0755);
    CHECK(remove_in(view, dir / "a/..//a").ok());
    CHECK_FALSE(exists(dir / "a"));
}

TEST_CASE("owners that a container does not have are nobody's") {
    CHECK(id_on_host(200000, 5) == 200005);
    CHECK(id_on_host(200000, 65535) == 265535);
    CHECK(id_on_host(200000, 65536) == 265534);
    CHECK(id_on_host(200000, 4294967294U) == 265534);
    CHECK(id_on_host(0, 70000) == 70000);
    CHECK(id_inside(200000, 200005) == 5);
    CHECK(id_inside(200000, 199999) == 65534);
    CHECK(id_inside(200000, 265536) == 65534);
    CHECK(id_inside(0, 70000) == 70000);
}
