#include "base/file.h"
#include "base/json.h"
#include "base/sys.h"
#include "image/layer_unpack.h"
#include "image/store.h"
#include "tests/image/memory_source.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

// What one bad archive or one bad image may not do: stop the work on all others.

using namespace davit;
using namespace davit::image;
using davit::testing::MemorySource;
using davit::testing::TarWriter;
using davit::testing::TempDir;

namespace {

/// Few descriptors, as a login session has them, whatever this machine allows.
class FewDescriptors {
public:
    FewDescriptors() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit few{256, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

std::string times(const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
}

std::string write_tar(const TempDir& dir, const std::string& content) {
    const std::string path = dir / "archive.tar";
    const auto written = write_atomically(path, content, 0644, Sync::No);
    REQUIRE(written.ok());
    return path;
}

std::string import_file(Store& store, const TempDir& dir, const std::string& text,
                        const std::string& name) {
    const std::string tar = write_tar(dir, TarWriter().file("file", text).finish());
    const auto id = store.import(tar, {.reference = name});
    REQUIRE_MESSAGE(id.ok(), id.error().to_string());
    return *id;
}

Result<Unpacked> unpack(const TarWriter& tar, const std::string& folder) {
    REQUIRE(make_directories(folder, 0755).ok());
    const UniqueFd root = *sys::open(folder, O_RDONLY | O_DIRECTORY);
    MemorySource source(tar.finish());
    return unpack_layer(source, root, {});
}

}  // namespace

TEST_CASE("a tree deeper than there are descriptors does not stop the store") {
    NEEDS_ROOT();
    const TempDir dir;
    const FewDescriptors few;
    Store store = *Store::open(dir / "root");
    TarWriter deep;
    deep.add({.path = "x", .pax = {{"path", times("a/", 1500) + "f"}}});
    deep.file("../outside", "refused");
    CHECK_FALSE(store.import(write_tar(dir, deep.finish()), {}).ok());
    CHECK(list_directory(dir / "root/images/tmp")->empty());
    import_file(store, dir, "1", "after");

    TarWriter whole;
    whole.add({.path = "x", .pax = {{"path", times("a/", 1500) + "f"}}});
    const auto id = store.import(write_tar(dir, whole.finish()), {.reference = "deep"});
    REQUIRE_MESSAGE(id.ok(), id.error().to_string());
    const auto removed = store.remove("deep", {}, false);
    REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
    CHECK(list_directory(dir / "root/layers")->size() == 1);
    CHECK(list_directory(dir / "root/images/tmp")->empty());
}

TEST_CASE("links that lead ever deeper make a tree that can be removed") {
    NEEDS_ROOT();
    const TempDir dir;
    const FewDescriptors few;
    TarWriter tar;
    std::string prefix;
    for (int i = 0; i < 4; ++i) {
        const std::string link = "l" + std::to_string(i);
        tar.add({.path = "x", .pax = {{"path", prefix + times("b/", 1000) + "f"}}});
        tar.add({.path = link, .type = '2', .pax = {{"linkpath", prefix + times("b/", 1000)}}});
        prefix = link + "/";
    }
    const auto unpacked = unpack(tar, dir / "layer");
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    const auto removed = remove_tree(dir / "layer");
    REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
    CHECK_FALSE(exists(dir / "layer"));
}

TEST_CASE("lines that other tools put into the index are passed over") {
    NEEDS_ROOT();
    const TempDir dir;
    Store store = *Store::open(dir / "root");
    import_file(store, dir, "1", "own");
    const std::string path = dir / "root/images/index.json";
    Json index = *read_json(path);
    index["manifests"].push_back({{"mediaType", "application/vnd.oci.image.manifest.v1+json"},
                                  {"digest", "sha256:" + std::string(64, 'a')},
                                  {"size", 10}});
    REQUIRE(write_json(path, index, Sync::No).ok());
    const auto images = store.list();
    REQUIRE_MESSAGE(images.ok(), images.error().to_string());
    CHECK(images->size() == 1);
    const auto removed = store.remove("own", {}, false);
    REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
}

TEST_CASE("a damaged image does not hide the others") {
    NEEDS_ROOT();
    const TempDir dir;
    Store store = *Store::open(dir / "root");
    const std::string bad = import_file(store, dir, "1", "bad");
    const std::string good = import_file(store, dir, "2", "good");
    REQUIRE(write_in_place(dir / ("root/images/blobs/sha256/" + bad), "{}", 0644).ok());
    const auto images = store.list();
    REQUIRE_MESSAGE(images.ok(), images.error().to_string());
    REQUIRE(images->size() == 1);
    CHECK(images->front().id == good);
    CHECK_FALSE(store.find("bad").ok());
}

TEST_CASE("names and headers of an archive use little memory") {
    NEEDS_ROOT();
    const TempDir dir;
    SUBCASE("global headers") {
        TarWriter tar;
        for (int i = 0; i < 3; ++i) {
            const std::string rest =
                " SCHILY.xattr.user.k" + std::to_string(i) + "=" + std::string(900'000, 'v');
            tar.add({.path = "g",
                     .type = 'g',
                     .content = std::to_string(rest.size() + 7) + rest + "\n"});
        }
        const auto unpacked = unpack(tar, dir / "layer");
        REQUIRE_FALSE(unpacked.ok());
        CHECK(unpacked.error().to_string().find("global headers are longer") != std::string::npos);
    }
    SUBCASE("global headers that nothing heeds") {
        TarWriter tar;
        std::string records;
        for (int i = 10'000; i < 20'000; ++i) records += "16 unused" + std::to_string(i) + "=\n";
        tar.add({.path = "g", .type = 'g', .content = records}).file("file", "x");
        const auto unpacked = unpack(tar, dir / "layer");
        REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
    }
    SUBCASE("a name longer than any file has") {
        TarWriter tar;
        tar.add({.path = "x", .pax = {{"path", times("a/", 3000)}}});
        CHECK_FALSE(unpack(tar, dir / "layer").ok());
    }
}

TEST_CASE("the highest number is no owner") {
    NEEDS_ROOT();
    const TempDir dir;
    for (const char* key : {"uid", "gid"}) {
        TarWriter tar;
        // chown(2) would leave the file to root, with its setuid bit.
        tar.add({.path = "su", .mode = 04755, .pax = {{key, "4294967295"}}});
        const auto unpacked = unpack(tar, dir / key);
        REQUIRE_FALSE(unpacked.ok());
        CHECK_FALSE(exists(dir / key + "/su"));
    }
}

TEST_CASE("a link to a folder that has no entry of its own is followed") {
    NEEDS_ROOT();
    const TempDir dir;
    const struct {
        const char* name;
        const char* link;
        const char* expected;
    } cases[] = {
        {"absolute", "/run", "run/app"},
        {"relative", "../run/deep", "run/deep/app"},
        {"out of the root", "../../../../run", "run/app"},
    };
    for (const auto& one : cases) {
        CAPTURE(one.name);
        const std::string root = dir / one.name;
        TarWriter tar;
        tar.add({.path = "var/run", .type = '2', .link = one.link});
        tar.file("var/run/app", "1").file("var/run/other", "2");
        const auto unpacked = unpack(tar, root);
        REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().to_string());
        CHECK(*read_file(root + "/" + one.expected) == "1");
        CHECK_FALSE(exists(dir / "run"));
    }
}

TEST_CASE("parents that cannot hold entries are named") {
    NEEDS_ROOT();
    const TempDir dir;
    TarWriter circle;
    circle.add({.path = "a", .type = '2', .link = "b"})
        .add({.path = "b", .type = '2', .link = "a"});
    circle.file("a/file", "1");
    CHECK_FALSE(unpack(circle, dir / "circle").ok());
    TarWriter file;
    file.file("a", "1").file("a/b", "2");
    const auto unpacked = unpack(file, dir / "file");
    REQUIRE_FALSE(unpacked.ok());
    CHECK(unpacked.error().to_string() ==
          "unpack 'a/b': entry 'a' is no folder, but has entries in it");
}
