#include "base/file.h"
#include "base/sys.h"
#include "builder/tree.h"
#include "tests/support/skip.h"
#include "tests/support/swapped.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using davit::testing::make_while_swapped;
using davit::testing::TempDir;

namespace davit::builder {

TEST_CASE("no link that a container lays into a volume leads its filling to a file of the host") {
    if (::geteuid() != 0) SKIP_TEST("copies change owners, which needs root");
    const TempDir dir;
    REQUIRE(write_atomically(dir / "victim", "mine", 0600, Sync::No).ok());
    REQUIRE(make_directories(dir / "from/file", 0755).ok());
    REQUIRE(make_directories(dir / "from/fifo", 0755).ok());
    REQUIRE(make_directories(dir / "from/folder/made", 0755).ok());
    REQUIRE(write_atomically(dir / "from/file/made", "x", 0777, Sync::No).ok());
    REQUIRE(::mkfifo((dir / "from/fifo/made").c_str(), 0666) == 0);
    REQUIRE(make_directories(dir / "to", 0755).ok());
    const UniqueFd to = *sys::open(dir / "to", O_RDONLY | O_DIRECTORY);
    const std::string made = dir / "to/made";
    for (const char* name : {"file", "fifo", "folder"}) {
        CAPTURE(name);
        const UniqueFd from = *sys::open(dir / ("from/" + std::string(name)), O_PATH | O_DIRECTORY);
        const TreeSource source{.root = &from, .keep_owners = true};
        const auto selections = select_items(source, "/", {});
        REQUIRE(selections.ok());
        REQUIRE(selections->size() == 1);
        CHECK(make_while_swapped(made, dir / "victim", [&] {
                  (void)copy_items(source, selections->front().items, to, "", {});
              }) > 0);
        struct stat info {};
        REQUIRE(::lstat((dir / "victim").c_str(), &info) == 0);
        CHECK((info.st_mode & 07777U) == 0600);
    }
}

}  // namespace davit::builder
