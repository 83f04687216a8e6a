#include "stack/volumes.h"

#include "base/file.h"
#include "base/sys.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

TEST_CASE("volumes in the making are swept when nobody makes one any more") {
    const TempDir dir;
    const Paths paths{dir / "data", dir / "run"};
    REQUIRE(sweep_volumes(paths).ok());  // nothing is there yet
    for (const char* name : {"/.new-1", "/.gone-2", "/kept"})
        REQUIRE(make_directories(paths.volumes() + name + "/_data", 0700).ok());
    {
        const auto maker = sys::open(paths.volumes(), O_RDONLY | O_DIRECTORY);
        REQUIRE(::flock(maker->get(), LOCK_SH) == 0);
        REQUIRE(sweep_volumes(paths).ok());
        CHECK(exists(paths.volumes() + "/.new-1"));
        CHECK_FALSE(exists(paths.volumes() + "/.gone-2"));
    }
    REQUIRE(sweep_volumes(paths).ok());
    CHECK(*list_directory(paths.volumes()) == std::vector<std::string>{"kept"});
    VolumeRecord record;
    record.name = "fresh";
    REQUIRE(make_volume(paths, record).ok());
    CHECK(read_volumes(paths)->contains("fresh"));
}
