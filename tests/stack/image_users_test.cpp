#include "stack/image_users.h"

#include "tests/support/temp_dir.h"

#include <chrono>
#include <doctest/doctest.h>
#include <future>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

struct World {
    World() {
        paths.data_root = dir / "data";
        image.id = "abc";
        image.layers = {dir / "data/layers/one/diff"};
        REQUIRE(make_directories(image.layers.front(), 0755).ok());
        record.id = std::string(64, 'a');
        record.project = "shop";
        record.name = "shop-web-1";
        record.image_id = image.id;
    }
    Result<void> begin_to_use() const { return write_image_user(paths, record, image, {}); }

    TempDir dir;
    Paths paths;
    image::Image image;
    ContainerRecord record;
};

}  // namespace

TEST_CASE("who removes images knows of each container that has found its image") {
    const World w;
    REQUIRE(w.begin_to_use().ok());
    CHECK(*images_in_use(w.paths) == std::set<std::string>{"abc"});
}

TEST_CASE("no container is made of an image that was removed since it was chosen") {
    const World w;
    // The container comes while the image is on its way out.
    std::future<Result<void>> used;
    const Result<void> removed =
        remove_images(w.paths, [&](const std::set<std::string>& in_use) -> Result<void> {
            CHECK(in_use.empty());
            used = std::async(std::launch::async, [&] { return w.begin_to_use(); });
            CHECK(used.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
            return remove_tree(w.image.layers.front());
        });
    REQUIRE(removed.ok());
    const Result<void> late = used.get();
    REQUIRE_FALSE(late.ok());
    CHECK(late.error().kind() == ErrorKind::NotFound);
    CHECK(images_in_use(w.paths)->empty());

    // Nor of one that mounts it.
    World other;
    const auto mounts =
        write_image_user(other.paths, other.record, other.image, {{"tools", w.image}});
    CHECK_FALSE(mounts.ok());
}
