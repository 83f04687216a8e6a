#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "builder/cache_transfer.h"
#include "builder/layer_cache.h"
#include "image/store_files.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::builder {
namespace {

using davit::testing::TempDir;

/// A data root, and a layer with one file in it.
struct Root {
    Root() {
        REQUIRE(make_directories(dir / "images/tmp", 0700).ok());
        REQUIRE(make_directories(dir / "layers", 0700).ok());
        REQUIRE(make_directories(dir / "images/blobs/sha256", 0700).ok());
    }
    std::string add_layer(const std::string& content) const {
        const std::string upper = dir / "upper";
        const std::string staging = dir / "staging";
        for (const std::string& path : {upper, staging}) {
            REQUIRE(remove_tree(path).ok());
            REQUIRE(make_directories(path, 0755).ok());
        }
        REQUIRE(write_in_place(upper + "/file", content, 0644).ok());
        // Times are part of a layer.
        const timespec then[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
        REQUIRE(::utimensat(AT_FDCWD, (upper + "/file").c_str(), then, 0) == 0);
        REQUIRE(::utimensat(AT_FDCWD, upper.c_str(), then, 0) == 0);
        const auto added = cache.add_layer(upper, staging, {});
        REQUIRE_MESSAGE(added.ok(), added.error().to_string());
        return *added;
    }
    TempDir dir;
    LayerCache cache{dir.path()};
};

std::string hex(char digit) { return std::string(64, digit); }

}  // namespace

TEST_CASE("a key is that of its inputs, kinds of values included") {
    CHECK(LayerCache::key_of({{"a", 1}, {"b", "x"}}) == LayerCache::key_of({{"a", 1}, {"b", "x"}}));
    CHECK(LayerCache::key_of({{"a", 1}}) != LayerCache::key_of({{"a", "1"}}));
    CHECK(LayerCache::key_of({{"a", "\xff"}}).size() == 64);
}

TEST_CASE("a step is found as long as its layer is there") {
    const Root root;
    const std::string key = hex('a');
    CHECK(!root.cache.find(key).has_value());
    const std::string diff_id = root.add_layer("one");
    REQUIRE(root.cache.remember(key, {diff_id, "2020-01-01T00:00:00Z"}).ok());
    const auto found = root.cache.find(key);
    REQUIRE(found.has_value());
    CHECK(found->diff_id == diff_id);
    CHECK(found->created == "2020-01-01T00:00:00Z");
    REQUIRE(root.cache.remember(hex('b'), {"", ""}).ok());
    CHECK(root.cache.find(hex('b')).has_value());

    REQUIRE(remove_tree(image::layer_path(root.dir.path(), diff_id)).ok());
    CHECK(!root.cache.find(key).has_value());
    CHECK(!root.cache.folders({diff_id}).ok());
}

TEST_CASE("two steps that make the same files share a layer") {
    const Root root;
    const std::string one = root.add_layer("same");
    CHECK(root.add_layer("same") == one);
    CHECK(root.add_layer("other") != one);
    const auto folders = root.cache.folders({one});
    REQUIRE(folders.ok());
    const auto text = read_file(folders->front() + "/file");
    REQUIRE(text.ok());
    CHECK(*text == "same");
}

TEST_CASE("a layer that stands twice in a list is mounted once, where it is the upper one") {
    const Root root;
    const std::string one = root.add_layer("one");
    const std::string two = root.add_layer("two");
    const auto folders = root.cache.folders({one, two, one, one});
    REQUIRE(folders.ok());
    CHECK(*folders == std::vector<std::string>{image::layer_path(root.dir.path(), one) + "/diff",
                                               image::layer_path(root.dir.path(), two) + "/diff"});
}

TEST_CASE("steps go through a folder to another host, with their layers checked") {
    const Root one;
    const Root two;
    const TempDir folder;
    const StepRecords steps = {{hex('a'), {one.add_layer("made"), "2020-01-01T00:00:00Z"}},
                               {hex('b'), {"", "2020-01-01T00:00:01Z"}}};
    const auto image = cache_image(one.cache, steps);
    REQUIRE(image.ok());
    REQUIRE(write_cache_folder(one.cache, *image, folder.path()).ok());
    ImportedSteps imported;
    REQUIRE(imported.add_folder(folder.path()).ok());

    const std::string staging = two.dir / "staging";
    REQUIRE(make_directories(staging, 0700).ok());
    const auto unknown = imported.bring(hex('c'), two.cache, staging);
    REQUIRE(unknown.ok());
    CHECK(!unknown->has_value());
    const auto brought = imported.bring(hex('a'), two.cache, staging);
    REQUIRE_MESSAGE(brought.ok(), brought.error().to_string());
    REQUIRE(brought->has_value());
    CHECK((*brought)->diff_id == steps.at(hex('a')).diff_id);
    CHECK(two.cache.find(hex('a')).has_value());
    const auto folders = two.cache.folders({steps.at(hex('a')).diff_id});
    REQUIRE(folders.ok());
    CHECK(*read_file(folders->front() + "/file") == "made");
}

TEST_CASE("a cache that was tampered with brings nothing") {
    const Root one;
    const Root two;
    const TempDir folder;
    const auto image = cache_image(one.cache, {{hex('a'), {one.add_layer("made"), ""}}});
    REQUIRE(image.ok());
    REQUIRE(write_cache_folder(one.cache, *image, folder.path()).ok());
    ImportedSteps imported;
    REQUIRE(imported.add_folder(folder.path()).ok());
    const std::string blob = folder / image::blob_name(image->layers.front().blob.digest);
    REQUIRE(write_in_place(blob, "something else", 0644).ok());
    const std::string staging = two.dir / "staging";
    REQUIRE(make_directories(staging, 0700).ok());
    CHECK(!imported.bring(hex('a'), two.cache, staging).ok());
    CHECK(!two.cache.find(hex('a')).has_value());
    REQUIRE(write_in_place(folder / image::blob_name(sha256_hex(image->config)), "{}", 0644).ok());
    const auto damaged = ImportedSteps().add_folder(folder.path());
    REQUIRE(!damaged.ok());
    CHECK(damaged.error().to_string().ends_with("is damaged"));
}

TEST_CASE("what is malformed in an image's steps is passed over") {
    ImportedSteps imported;
    const auto add = [&](const std::string& steps) {
        const auto config = parse_json(fmt::format(R"({{"{}": {}}})", kStepsKey, steps), "steps");
        REQUIRE(config.ok());
        imported.add_image(*config);
    };
    add(R"([{"key": "../../x", "diff_id": ""}, "no object"])");
    add(fmt::format(R"([{{"key": "{}", "diff_id": "x"}}])", hex('a')));
    add("5");
    CHECK(imported.empty());
    add(fmt::format(R"([{{"key": "{}", "diff_id": ""}}])", hex('a')));
    CHECK(!imported.empty());
}

TEST_CASE("places of caches, as they are written") {
    using Kind = CachePlace::Kind;
    struct Case {
        const char* text;
        CachePlace place;
    };
    const Case from[] = {{"shop/web:1", {Kind::Registry, "shop/web:1", false}},
                         {"type=registry,ref=shop/web:1", {Kind::Registry, "shop/web:1", false}},
                         {"type=local,src=c", {Kind::Local, "/w/c", false}},
                         {"type=gha,scope=x", {Kind::Ignored, "", false}}};
    for (const Case& one : from) {
        CAPTURE(one.text);
        const auto place = parse_cache_from(one.text, "/w");
        REQUIRE(place.ok());
        CHECK(*place == one.place);
    }
    const Case to[] = {{"inline", {Kind::Inline, "", false}},
                       {"type=local,dest=/c,mode=max", {Kind::Local, "/c", true}}};
    for (const Case& one : to) {
        CAPTURE(one.text);
        const auto place = parse_cache_to(one.text, "/w");
        REQUIRE(place.ok());
        CHECK(*place == one.place);
    }
    CHECK(parse_cache_from("type=local", "/w").error().help() == "add src=FOLDER");
    CHECK(parse_cache_to("type=lokal,dest=x", "/w").error().help() == "the nearest is 'local'");
}

}  // namespace davit::builder
