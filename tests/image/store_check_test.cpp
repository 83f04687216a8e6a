#include "image/store_check.h"

#include "base/digest.h"
#include "base/file.h"
#include "image/store_files.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::TempDir;

namespace {

struct World {
    TempDir dir;
    Store store = *Store::open(dir / "data");
    std::string layer;
    std::string blob;
    std::string id;

    World() {
        REQUIRE(make_directories(dir / "tree/etc", 0755).ok());
        REQUIRE(write_in_place(dir / "tree/etc/name", "one", 0644).ok());
        const auto made = store.commit({.upper = dir / "tree", .names = {"app:1"}});
        REQUIRE_MESSAGE(made.ok(), made.error().to_string());
        id = *made;
        layer = layer_path(store.data_root(), store.find(id)->diff_ids.front());
        const Json manifest = *read_blob(store.data_root(), store.find(id)->manifest_digest);
        blob = blob_path(store.data_root(), manifest_layers(manifest)->front().digest);
    }
    CheckResult check(bool repair, const std::set<std::string>& in_use = {}) const {
        const auto result = image::check(store, repair, in_use);
        REQUIRE_MESSAGE(result.ok(), result.error().to_string());
        return *result;
    }
};

}  // namespace

TEST_CASE("a store is checked down to the last file, and layers are mended from their blobs") {
    NEEDS_ROOT();
    const World w;
    CHECK(w.check(false).findings.empty());
    CHECK(w.check(false).layers == 1);
    const std::string name = w.layer + "/diff/etc/name";
    SUBCASE("other content of the same size") { REQUIRE(write_in_place(name, "two", 0644).ok()); }
    SUBCASE("another mode") { REQUIRE(::chmod(name.c_str(), 0600) == 0); }
    SUBCASE("a file too many") { REQUIRE(write_in_place(w.layer + "/diff/more", "", 0644).ok()); }
    SUBCASE("a file missing") { REQUIRE(::unlink(name.c_str()) == 0); }
    SUBCASE("the layer missing") { REQUIRE(remove_tree(w.layer).ok()); }
    const CheckResult found = w.check(false);
    REQUIRE(found.findings.size() == 1);
    CHECK(found.findings[0].image == "app:1");
    CHECK_FALSE(found.findings[0].repaired);
    // What containers stand on is not pulled from under them.
    CHECK_FALSE(w.check(true, {w.id}).findings.at(0).repaired);
    CHECK(w.check(true).findings.at(0).repaired);
    CHECK(w.check(false).findings.empty());
    CHECK(*read_file(name) == "one");
    CHECK(list_directory(w.dir / "data/images/tmp")->empty());
}

TEST_CASE("a damaged blob is found, and taken away so that it comes anew") {
    NEEDS_ROOT();
    const World w;
    REQUIRE(::chmod(w.blob.c_str(), 0600) == 0);
    REQUIRE(write_in_place(w.blob, "rubbish", 0600).ok());
    CHECK(w.check(false).findings.at(0).what.find("damaged") != std::string::npos);
    CHECK(exists(w.blob));
    CHECK_FALSE(w.check(true).findings.at(0).repaired);
    CHECK_FALSE(exists(w.blob));
    CHECK(w.check(false).findings.at(0).what.find("missing") != std::string::npos);
    // The unpacked layer is still good for containers.
    CHECK(w.store.find("app:1").ok());
}

TEST_CASE("documents that are damaged are found") {
    NEEDS_ROOT();
    const World w;
    REQUIRE(write_in_place(blob_path(w.store.data_root(), w.id), "{}", 0600).ok());
    const CheckResult result = w.check(true);
    REQUIRE(result.findings.size() == 1);
    CHECK(result.findings[0].what.find("is damaged") != std::string::npos);
    CHECK_FALSE(result.findings[0].cure.empty());
}

TEST_CASE("what the store takes is counted once") {
    NEEDS_ROOT();
    World w;
    const StoreUsage one = *usage(w.store, {});
    CHECK(one.bytes > 3);
    CHECK(one.reclaimable == one.bytes);
    REQUIRE(w.store.tag("app:1", "app:2").ok());
    CHECK(usage(w.store, {})->bytes == one.bytes);
    CHECK(usage(w.store, {w.id})->reclaimable == 0);
}
