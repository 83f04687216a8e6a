#include "image/store.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/sys.h"
#include "image/store_files.h"
#include "tests/image/memory_source.h"
#include "tests/image/packed.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::TarWriter;
using davit::testing::TempDir;
using davit::testing::zstd;

namespace {

std::string layer_one() {
    return TarWriter().folder("etc").file("etc/name", "one").file("both", "lower").finish();
}
std::string layer_two() { return TarWriter().file("both", "upper").finish(); }

std::string config_of(const std::vector<std::string>& layers, const char* created) {
    Json diff_ids = Json::array();
    for (const std::string& layer : layers) diff_ids.push_back("sha256:" + sha256_hex(layer));
    return Json{
        {"created", created},
        {"architecture", "amd64"},
        {"os", "linux"},
        {"config",
         {{"Cmd", {"run"}}, {"Env", {"A=1"}}, {"ExposedPorts", {{"80/tcp", Json::object()}}}}},
        {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
        .dump();
}

/// A docker-archive; `spoil` changes its pieces before they are put together.
struct DockerArchive {
    std::vector<std::string> layers = {layer_one(), layer_two()};
    std::string config = config_of(layers, "2024-01-01T00:00:00Z");
    Json tags = Json::array({"local/app:1"});

    std::string finish() const {
        TarWriter tar;
        Json names = Json::array();
        for (const std::string& layer : layers) {
            const std::string name = sha256_hex(layer) + "/layer.tar";
            tar.file(name, layer);
            names.push_back(name);
        }
        tar.file(sha256_hex(config) + ".json", config);
        tar.file("manifest.json", Json::array({Json{{"Config", sha256_hex(config) + ".json"},
                                                    {"RepoTags", tags},
                                                    {"Layers", names}}})
                                      .dump());
        return tar.finish();
    }
};

/// An OCI archive without manifest.json, whose layers are compressed.
struct OciArchive {
    std::vector<std::string> layers = {layer_one()};
    std::string wrong_digest_for = {};  ///< "layer" or "config"
    bool wrong_size = false;

    std::string finish() const {
        TarWriter tar;
        const auto put = [&](const std::string& type, const std::string& blob, bool wrong) {
            const std::string hex = wrong ? std::string(64, '0') : sha256_hex(blob);
            tar.file("blobs/sha256/" + hex, blob);
            return Json{{"mediaType", type},
                        {"digest", "sha256:" + hex},
                        {"size", blob.size() + (wrong_size ? 1U : 0U)}};
        };
        Json descriptors = Json::array();
        for (const std::string& layer : layers)
            descriptors.push_back(put("application/vnd.oci.image.layer.v1.tar+zstd", zstd(layer),
                                      wrong_digest_for == "layer"));
        const std::string config = config_of(layers, "2024-02-02T00:00:00Z");
        const Json manifest = {{"schemaVersion", 2},
                               {"config", put("application/vnd.oci.image.config.v1+json", config,
                                              wrong_digest_for == "config")},
                               {"layers", descriptors}};
        Json descriptor = put("application/vnd.oci.image.manifest.v1+json", manifest.dump(), false);
        descriptor["annotations"] = {{"io.containerd.image.name", "docker.io/local/oci:2"},
                                     {"org.opencontainers.image.ref.name", "2"}};
        tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
        tar.file("index.json",
                 Json{{"schemaVersion", 2}, {"manifests", Json::array({descriptor})}}.dump());
        return tar.finish();
    }
};

struct Fixture {
    TempDir dir;
    Store store = *Store::open(dir / "data");

    Result<std::vector<std::string>> load(const std::string& archive) const {
        REQUIRE(write_in_place(dir / "archive", archive, 0600).ok());
        Store copy = *Store::open(dir / "data");
        return copy.load(dir / "archive");
    }
    /// Names in the folders that may hold something after a failure.
    std::size_t left() const {
        return list_directory(dir / "data/images/tmp")->size() +
               list_directory(dir / "data/layers")->size() + store.list()->size();
    }
};

}  // namespace

TEST_CASE("a docker archive is loaded found and removed") {
    NEEDS_ROOT();
    Fixture f;
    const auto loaded = f.load(DockerArchive().finish());
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"local/app:1"});
    const auto image = f.store.find("local/app:1");
    REQUIRE(image.ok());
    CHECK(image->config.cmd == std::vector<std::string>{"run"});
    CHECK(image->config.exposed_ports == std::vector<std::string>{"80/tcp"});
    REQUIRE(image->layers.size() == 2);
    CHECK(*read_file(image->layers[0] + "/both") == "upper");  // the top layer first
    CHECK(*read_file(image->layers[1] + "/both") == "lower");
    CHECK(f.store.find(image->id.substr(0, 12))->id == image->id);
    CHECK(f.store.find("sha256:" + image->id)->id == image->id);
    CHECK(list_directory(f.dir / "data/images/tmp")->empty());

    CHECK(f.load(DockerArchive().finish()).ok());  // once more is the same
    CHECK(f.store.list()->size() == 1);
    REQUIRE(f.store.tag("local/app:1", "other:2").ok());
    const auto busy = f.store.remove(image->id, {image->id}, true);
    REQUIRE_FALSE(busy.ok());
    CHECK(busy.error().kind() == ErrorKind::Busy);
    const auto untagged = f.store.remove("other:2", {image->id}, false);
    REQUIRE(untagged.ok());
    CHECK(untagged->untagged == std::vector<std::string>{"other:2"});
    CHECK(untagged->deleted.empty());
    const auto removed = f.store.remove("local/app:1", {}, false);
    REQUIRE(removed.ok());
    CHECK(removed->deleted.size() == 3);
    CHECK(f.left() == 0);
    const auto missing = f.store.find("local/app:1");
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().kind() == ErrorKind::NotFound);
    CHECK(missing.error().help().find("davit load -i") != std::string::npos);
}

TEST_CASE("an OCI archive without a docker manifest is loaded") {
    NEEDS_ROOT();
    Fixture f;
    for (const std::string& archive : {OciArchive().finish(), zstd(OciArchive().finish())}) {
        const auto loaded = f.load(archive);
        REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
        CHECK(*loaded == std::vector<std::string>{"local/oci:2"});
    }
    CHECK(*read_file(f.store.find("local/oci:2")->layers[0] + "/etc/name") == "one");
}

TEST_CASE("what is wrong in an archive is refused and nothing is left") {
    NEEDS_ROOT();
    DockerArchive wrong_diff_id;
    wrong_diff_id.layers[1] = TarWriter().file("both", "forged").finish();
    DockerArchive too_few;
    too_few.layers.pop_back();
    DockerArchive hostile;
    hostile.layers = {TarWriter().file("ok", "x").file("../canary", "bad").finish()};
    hostile.config = config_of(hostile.layers, "2024-01-01T00:00:00Z");
    DockerArchive bad_name;
    bad_name.tags = Json::array({"local/UPPER"});
    struct Case {
        const char* name;
        std::string archive;
        const char* words;
    };
    const std::string good = DockerArchive().finish();
    const Case cases[] = {
        {"wrong diff id", wrong_diff_id.finish(), "and the image says"},
        {"too few layers", too_few.finish(), "layers"},
        {"hostile layer", hostile.finish(), "'..'"},
        {"bad name", bad_name.finish(), "local/UPPER"},
        {"wrong layer digest", OciArchive{.wrong_digest_for = "layer"}.finish(), "sha256:"},
        {"wrong config digest", OciArchive{.wrong_digest_for = "config"}.finish(), "digest"},
        {"wrong size", OciArchive{.wrong_size = true}.finish(), "bytes"},
        {"cut short", good.substr(0, good.size() / 2), "cut short"},
        {"no archive", "this is no archive at all", "cut short"},
        {"a root file system", layer_one(), "manifest.json"},
        {"damaged zstd", zstd(good).substr(0, 60), "zstd"}};
    for (const Case& c : cases) {
        CAPTURE(std::string(c.name));
        Fixture f;
        const auto loaded = f.load(c.archive);
        REQUIRE_FALSE(loaded.ok());
        CHECK_MESSAGE(loaded.error().to_string().find(c.words) != std::string::npos,
                      loaded.error().to_string());
        CHECK(f.left() == 0);
    }
}

TEST_CASE("a root file system is imported with its changes") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(write_in_place(f.dir / "root.tar", zstd(layer_one()), 0600).ok());
    const auto id = f.store.import(f.dir / "root.tar",
                                   {.reference = "mine:1", .changes = {"CMD [\"x\"]", "USER app"}});
    REQUIRE_MESSAGE(id.ok(), id.error().to_string());
    const auto image = f.store.find("mine:1");
    REQUIRE(image.ok());
    CHECK(image->id == *id);
    CHECK(image->config.cmd == std::vector<std::string>{"x"});
    CHECK(image->config.user == "app");
    CHECK(*read_file(image->layers[0] + "/etc/name") == "one");
    CHECK_FALSE(f.store.import(f.dir / "root.tar", {.changes = {"NONSENSE x"}}).ok());
    CHECK_FALSE(f.store.import(f.dir / "no.tar", {}).ok());
    CHECK(list_directory(f.dir / "data/images/tmp")->empty());
}

TEST_CASE("a name moves to the image that was loaded last") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(DockerArchive().finish()).ok());
    const std::string first = f.store.find("local/app:1")->id;
    DockerArchive next;
    next.layers = {layer_one()};
    next.config = config_of(next.layers, "2024-03-03T00:00:00Z");
    REQUIRE(f.load(next.finish()).ok());
    CHECK(f.store.find("local/app:1")->id != first);
    CHECK(f.store.find(first)->names.empty());
    const auto all = f.store.list();
    REQUIRE(all->size() == 2);
    CHECK(all->front().created == "2024-03-03T00:00:00Z");
    REQUIRE(f.store.remove(first, {}, false).ok());
    // The layer that both had is still needed.
    CHECK(*read_file(f.store.find("local/app:1")->layers[0] + "/etc/name") == "one");
}

TEST_CASE("removing images leaves what steps of builds have made, and nothing else") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(DockerArchive().finish()).ok());
    const std::string kept = sha256_hex(layer_two());
    REQUIRE(make_directories(f.dir / "data/build/keys", 0700).ok());
    const auto note = [&](char key, const std::string& text) {
        const std::string name = std::string(64, key) + ".json";
        REQUIRE(write_in_place(f.dir / ("data/build/keys/" + name), text, 0600).ok());
    };
    note('a', Json{{"version", 1}, {"diff_id", kept}, {"created", ""}}.dump());
    note('b', Json{{"version", 1}, {"diff_id", ""}, {"created", ""}}.dump());
    note('c', "damaged");
    const auto removed = f.store.remove("local/app:1", {}, false);
    REQUIRE_MESSAGE(removed.ok(), removed.error().to_string());
    CHECK(removed->deleted.back() == "sha256:" + sha256_hex(layer_one()));
    CHECK(*list_directory(f.dir / "data/layers") == std::vector<std::string>{kept});
    CHECK(blob_of_layer(f.dir / "data", kept).has_value());
    CHECK(list_directory(f.dir / "data/images/blobs/sha256")->size() == 1);
    // As `builder prune` does it.
    REQUIRE(remove_tree(f.dir / "data/build/keys").ok());
    CHECK(f.store.remove_layers({kept}, {}).ok());
    CHECK(list_directory(f.dir / "data/layers")->empty());
    CHECK(list_directory(f.dir / "data/images/blobs/sha256")->empty());
}

TEST_CASE("loads at the same time and loads that are killed leave a whole store") {
    NEEDS_ROOT();
    Fixture f;
    DockerArchive big;
    TarWriter many;
    for (int i = 0; i < 300; ++i) many.file("f" + std::to_string(i), std::string(20000, 'x'));
    big.layers = {many.finish(), layer_two()};
    big.config = config_of(big.layers, "2024-01-01T00:00:00Z");
    REQUIRE(write_in_place(f.dir / "archive", big.finish(), 0600).ok());
    const auto start = [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            Store store = *Store::open(f.dir / "data");
            ::_exit(store.load(f.dir / "archive").ok() ? 0 : 1);
        }
        return child;
    };
    for (int delay_ms = 1; delay_ms < 40; delay_ms += 4) {
        const pid_t child = start();
        ::poll(nullptr, 0, delay_ms);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        const auto all = f.store.list();
        REQUIRE_MESSAGE(all.ok(), all.error().to_string());
        for (const Image& image : *all)
            CHECK(read_file(image.layers.back() + "/f299")->size() == 20000);
    }
    const pid_t one = start();
    const pid_t other = start();
    int status = 1;
    ::waitpid(one, &status, 0);
    CHECK(status == 0);
    ::waitpid(other, &status, 0);
    CHECK(status == 0);
    CHECK(f.store.list()->size() == 1);
    CHECK(list_directory(f.dir / "data/images/tmp")->empty());
    CHECK(list_directory(f.dir / "data/layers")->size() == 2);
}
