#include "stack/kept_logs.h"

#include "base/file.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

struct Place {
    TempDir dir = {};
    Paths paths = {};
    ContainerRecord record = {};

    Place() {
        paths.data_root = dir / "data";
        record.project = "shop";
        record.name = "shop-web-1";
        follow("one");
    }
    /// The next container of the name.
    void follow(const std::string& id) {
        record.log_path = dir / ("logs/" + id + "-json.log");
        REQUIRE(make_directories(dir / "logs", 0700).ok());
    }
    void write(int number, const std::string& text) const {
        REQUIRE(write_in_place(file(number), text, 0600).ok());
    }
    std::string file(int number) const {
        return number == 0 ? record.log_path : fmt::format("{}.{}", record.log_path, number);
    }
    /// What a reader of the log finds, the oldest first; a missing file is "-".
    std::string all(int most) const {
        std::string text;
        for (int number = most; number >= 0; --number) {
            const Result<std::string> one = read_file(file(number));
            text += one ? *one : std::string("-");
        }
        return text;
    }
};

}  // namespace

TEST_CASE("compressed files stay what they are") {
    Place place;
    place.write(0, "c");
    REQUIRE(write_in_place(place.file(1) + ".gz", "b", 0600).ok());
    place.write(2, "a");
    REQUIRE(keep_logs(place.paths, place.record).ok());
    CHECK_FALSE(exists(place.file(1) + ".gz"));
    place.follow("two");
    REQUIRE(take_logs(place.paths, place.record, 4).ok());
    CHECK(*read_file(place.file(1)) == "c");
    CHECK(*read_file(place.file(2) + ".gz") == "b");
    CHECK(*read_file(place.file(3)) == "a");
}

TEST_CASE("the log of a container becomes the rotated files of the next one") {
    Place place;
    place.write(0, "c");
    place.write(1, "b");
    place.write(2, "a");
    REQUIRE(keep_logs(place.paths, place.record).ok());
    CHECK(place.all(2) == "---");
    place.follow("two");
    REQUIRE(take_logs(place.paths, place.record, 3).ok());
    // Two beside the one that will be written; the oldest goes.
    CHECK(place.all(3) == "-bc-");
    CHECK_FALSE(exists(kept_logs(place.paths, "shop")));
}

TEST_CASE("logs that a killed davit has put aside come before newer ones") {
    Place place;
    place.write(0, "1");
    REQUIRE(keep_logs(place.paths, place.record).ok());
    place.follow("two");
    place.write(0, "3");
    place.write(1, "2");
    REQUIRE(keep_logs(place.paths, place.record).ok());
    place.follow("three");
    REQUIRE(take_logs(place.paths, place.record, 10).ok());
    CHECK(place.all(4) == "-123-");
}

TEST_CASE("a container that keeps one file gets none, and one without a log neither") {
    Place place;
    place.write(0, "x");
    REQUIRE(keep_logs(place.paths, place.record).ok());
    place.follow("two");
    REQUIRE(take_logs(place.paths, place.record, 1).ok());
    CHECK(place.all(2) == "---");
    CHECK_FALSE(exists(kept_logs(place.paths, "shop")));
    place.record.log_path.clear();
    CHECK(keep_logs(place.paths, place.record).ok());
    CHECK(take_logs(place.paths, place.record, 3).ok());
    CHECK_FALSE(exists(kept_logs(place.paths, "shop")));
}
