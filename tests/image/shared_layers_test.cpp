#include "base/digest.h"
#include "base/file.h"
#include "image/store.h"
#include "image/store_files.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <sched.h>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::contains;
using davit::testing::TarWriter;
using davit::testing::TempDir;

namespace {

const std::string kBase = TarWriter().folder("etc").file("etc/name", "base").finish();
const std::string kFirst = TarWriter().file("first", "1").finish();
const std::string kSecond = TarWriter().file("second", "2").finish();

std::string gzip(std::string text) {
    isal_zstream stream{};
    ::isal_deflate_stateless_init(&stream);
    std::string packed(text.size() + 1024, '\0');
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = reinterpret_cast<std::uint8_t*>(text.data());
    stream.avail_in = static_cast<std::uint32_t>(text.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(packed.data());
    stream.avail_out = static_cast<std::uint32_t>(packed.size());
    REQUIRE(::isal_deflate_stateless(&stream) == COMP_OK);
    packed.resize(stream.total_out);
    return packed;
}

struct Image {
    std::string name;
    std::vector<std::string> layers;
};

/// A docker-archive of several images, as `docker save a b` writes it.
std::string archive_of(const std::vector<Image>& images, bool compress = false) {
    TarWriter tar;
    std::set<std::string> written;
    Json list = Json::array();
    for (const Image& image : images) {
        Json diff_ids = Json::array();
        Json files = Json::array();
        for (const std::string& layer : image.layers) {
            const std::string hex = sha256_hex(layer);
            diff_ids.push_back("sha256:" + hex);
            files.push_back(hex + ".tar");
            if (written.insert(hex).second) tar.file(hex + ".tar", compress ? gzip(layer) : layer);
        }
        const std::string config = Json{{"created", "2024-01-01T00:00:00Z"},
                                        {"architecture", "amd64"},
                                        {"os", "linux"},
                                        {"config", {{"Cmd", {image.name}}}},
                                        {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
                                       .dump();
        const std::string file = sha256_hex(config) + ".json";
        tar.file(file, config);
        list.push_back({{"Config", file}, {"RepoTags", {image.name}}, {"Layers", files}});
    }
    return tar.file("manifest.json", list.dump()).finish();
}

struct Fixture {
    TempDir dir;
    Store store = *Store::open(dir / "data");

    Result<std::vector<std::string>> load(const std::string& archive) {
        REQUIRE(write_in_place(dir / "archive", archive, 0600).ok());
        return store.load(dir / "archive");
    }
    std::size_t layers() const { return list_directory(dir / "data/layers")->size(); }
    std::size_t blobs() const { return list_directory(dir / "data/images/blobs/sha256")->size(); }
};

}  // namespace

TEST_CASE("images of one archive share layers") {
    NEEDS_ROOT();
    Fixture f;
    const auto loaded = f.load(archive_of({{"a:1", {kBase, kFirst}}, {"b:1", {kBase, kSecond}}}));
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"a:1", "b:1"});
    CHECK(f.layers() == 3);
    CHECK(f.store.find("a:1")->layers[1] == f.store.find("b:1")->layers[1]);
}

TEST_CASE("a file that an archive has twice means the last one") {
    NEEDS_ROOT();
    Fixture f;
    const std::string good = archive_of({{"a:1", {kBase}}});
    const std::string twice =
        TarWriter().file("manifest.json", "rubbish").file("x", "y").file("x", "z").unfinished();
    const auto loaded = f.load(twice + good);
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"a:1"});
}

TEST_CASE("an archive is read from where standard input stands, which is behind it then") {
    NEEDS_ROOT();
    Fixture f;
    const std::string archive = archive_of({{"a:1", {kBase, kFirst}}}, true);
    REQUIRE(write_in_place(f.dir / "archive", "before" + archive + "behind", 0600).ok());
    const UniqueFd own(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    const UniqueFd file(::open((f.dir / "archive").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::lseek(file.get(), 6, SEEK_SET) == 6);
    REQUIRE(::dup2(file.get(), STDIN_FILENO) == STDIN_FILENO);
    const auto loaded = f.store.load("-");
    REQUIRE(::dup2(own.get(), STDIN_FILENO) == STDIN_FILENO);
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"a:1"});
    CHECK(exists(f.store.find("a:1")->layers[0] + "/first"));
    CHECK(::lseek(file.get(), 0, SEEK_CUR) > 6);
    // Its own file is as it was: what was taken from it are copies.
    CHECK(*read_file(f.dir / "archive") == "before" + archive + "behind");
}

TEST_CASE("a blob is taken only where its content is that of the layer that is there") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(archive_of({{"a:1", {kBase}}}, true)).ok());
    // The layer stays and its blob goes, as in a store that was damaged.
    const auto names = list_directory(f.dir / "data/images/blobs/sha256");
    REQUIRE(names.ok());
    for (const std::string& name : *names) {
        const std::string blob = f.dir / "data/images/blobs/sha256/" + name;
        if (read_file(blob)->starts_with("\x1f\x8b")) REQUIRE(::unlink(blob.c_str()) == 0);
    }
    const std::string good = archive_of({{"a:1", {kBase}}}, true);
    const std::string packed = gzip(kBase);
    const std::size_t at = good.find(packed);
    REQUIRE(at != std::string::npos);
    std::string other = gzip(kFirst);
    other.resize(packed.size(), '\0');
    std::string hostile = good;
    hostile.replace(at, packed.size(), other);
    const auto loaded = f.load(hostile);
    REQUIRE_FALSE(loaded.ok());
    CHECK_MESSAGE(contains(loaded.error().to_string(), "its content is"),
                  loaded.error().to_string());
    CHECK(f.load(good).ok());
}

TEST_CASE("an image that has one layer twice mounts it once") {
    NEEDS_ROOT();
    Fixture f;
    const auto loaded = f.load(archive_of({{"a:1", {kBase, kFirst, kBase}}}));
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    const auto image = f.store.find("a:1");
    REQUIRE(image.ok());
    CHECK(image->diff_ids.size() == 3);
    // overlayfs refuses the same folder twice; the upper one alone gives the same files.
    REQUIRE(image->layers.size() == 2);
    CHECK(exists(image->layers[0] + "/etc/name"));
    CHECK(exists(image->layers[1] + "/first"));
    CHECK(f.store.remove("a:1", {}, false).ok());
    CHECK(f.layers() == 0);
}

TEST_CASE("compressed layers of a docker archive are kept as they came") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(archive_of({{"a:1", {kBase}}}, true)).ok());
    const Json manifest = *read_blob(f.store.data_root(), f.store.find("a:1")->manifest_digest);
    CHECK(manifest["layers"][0]["digest"] == "sha256:" + sha256_hex(gzip(kBase)));
    CHECK(manifest["layers"][0]["size"] == gzip(kBase).size());
    CHECK(*read_file(blob_path(f.store.data_root(), sha256_hex(gzip(kBase)))) == gzip(kBase));
}

TEST_CASE("a layer that went away while an image was being loaded is noticed") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(archive_of({{"a:1", {kBase}}})).ok());
    // What a load that found the layer in the store publishes after `davit rmi a:1`.
    const std::string config =
        Json{{"rootfs", {{"diff_ids", {"sha256:" + sha256_hex(kBase)}}}}}.dump();
    StagedImage late;
    late.config = config;
    late.manifest = make_manifest(config, {});
    late.layers.push_back({.diff_id = sha256_hex(kBase)});
    late.names.push_back("docker.io/library/late:1");
    REQUIRE(f.store.remove("a:1", {}, false).ok());
    CHECK_FALSE(publish(f.store.data_root(), late).ok());
    CHECK(f.store.list().ok());
}

TEST_CASE("a removal sweeps what killed commands left") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(archive_of({
                       {"a:1", {kBase, kFirst}},
                   }))
                .ok());
    REQUIRE(f.load(archive_of({{"b:1", {kBase, kSecond}}})).ok());
    // Killed between publishing layers and the index; killed while deleting a removed layer.
    const std::string orphan = f.dir / ("data/layers/" + std::string(64, 'f'));
    REQUIRE(make_directories(orphan + "/diff", 0755).ok());
    const std::string half = f.dir / ("data/images/tmp/removed-" + sha256_hex(kFirst));
    REQUIRE(make_directories(half + "/diff/some", 0755).ok());
    REQUIRE(write_in_place(f.dir / ("data/images/blobs/sha256/" + std::string(64, 'e')), "{}", 0600)
                .ok());
    REQUIRE(f.store.remove("a:1", {}, false).ok());
    CHECK(f.layers() == 2);
    CHECK(f.blobs() == 4);  // manifest, configuration, two layers
    CHECK(list_directory(f.dir / "data/images/tmp")->empty());
    CHECK(f.store.find("b:1").ok());
}

TEST_CASE("an image whose documents are damaged can be removed and loaded again") {
    NEEDS_ROOT();
    Fixture f;
    const std::string archive = archive_of({{"a:1", {kBase}}});
    REQUIRE(f.load(archive).ok());
    const std::string id = f.store.find("a:1")->id;
    REQUIRE(write_in_place(blob_path(f.store.data_root(), id), "{}", 0600).ok());
    CHECK_FALSE(f.store.find("a:1").ok());
    SUBCASE("loaded over it") {}
    SUBCASE("removed first") {
        const auto removed = f.store.remove("a:1", {}, false);
        REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
    }
    REQUIRE(f.load(archive).ok());
    CHECK(f.store.find("a:1").ok());
}

TEST_CASE("the umask of who loads has no say in an image") {
    NEEDS_ROOT();
    Fixture f;
    const mode_t before = ::umask(0077);
    const auto loaded =
        f.load(archive_of({{"a:1", {TarWriter().file("deep/er/file", "x").finish()}}}));
    ::umask(before);
    REQUIRE(loaded.ok());
    const std::string root = f.store.find("a:1")->layers[0];
    for (const char* folder : {"", "/deep", "/deep/er"}) {
        CAPTURE(std::string(folder));
        struct stat info {};
        REQUIRE(::stat((root + folder).c_str(), &info) == 0);
        CHECK((info.st_mode & 07777U) == 0755);
    }
}

TEST_CASE("a full disk is named and nothing is left [ns]") {
    NEEDS_ROOT();
    const TempDir dir;
    REQUIRE(
        write_in_place(
            dir / "archive",
            archive_of({{"a:1", {TarWriter().file("big", std::string(6U << 20U, 'x')).finish()}}}),
            0600)
            .ok());
    REQUIRE(make_directories(dir / "data", 0700).ok());
    // Its own mounts end with the child.
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", (dir / "data").c_str(), "tmpfs", 0, "size=4m") != 0)
            ::_exit(77);
        Store store = *Store::open(dir / "data");
        const auto loaded = store.load(dir / "archive");
        if (loaded.ok()) ::_exit(1);
        if (loaded.error().help().find(dir / "data'") == std::string::npos) ::_exit(2);
        const auto imported = store.import(dir / "archive", {});
        if (imported.ok() || imported.error().help().empty()) ::_exit(3);
        const bool clean = list_directory(dir / "data/layers")->empty() &&
                           list_directory(dir / "data/images/tmp")->empty() &&
                           store.list()->empty();
        ::_exit(clean ? 0 : 4);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) SKIP_TEST("needs a mount namespace of its own");
    CHECK(WEXITSTATUS(status) == 0);
}
