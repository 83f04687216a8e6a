#include "base/digest.h"
#include "base/file.h"
#include "image/store.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::TarWriter;
using davit::testing::TempDir;

namespace {

#if defined(__aarch64__)
constexpr const char* kOwn = "arm64";
#else
constexpr const char* kOwn = "amd64";
#endif

const std::string kLayer = TarWriter().folder("etc").file("etc/name", "one").finish();

std::string config_of(const std::string& layer, const std::string& architecture = kOwn) {
    return Json{{"created", "2024-01-01T00:00:00Z"},
                {"architecture", architecture},
                {"os", "linux"},
                {"config", {{"Cmd", {"run"}}}},
                {"rootfs", {{"type", "layers"}, {"diff_ids", {"sha256:" + sha256_hex(layer)}}}}}
        .dump();
}

using Files = std::map<std::string, std::string>;

Json put(Files& files, const std::string& text, const std::string& type) {
    files["blobs/sha256/" + sha256_hex(text)] = text;
    return {{"mediaType", type}, {"digest", "sha256:" + sha256_hex(text)}, {"size", text.size()}};
}

Json put_image(Files& files, const std::string& layer, const std::string& architecture) {
    const Json manifest = {
        {"schemaVersion", 2},
        {"config",
         put(files, config_of(layer, architecture), "application/vnd.oci.image.config.v1+json")},
        {"layers", Json::array({put(files, layer, "application/vnd.oci.image.layer.v1.tar")})}};
    Json descriptor = put(files, manifest.dump(), "application/vnd.oci.image.manifest.v1+json");
    descriptor["platform"] = {{"os", architecture == "unknown" ? "unknown" : "linux"},
                              {"architecture", architecture}};
    return descriptor;
}

/// An OCI layout whose index names an index of images for several machines.
Files nested_layout(const std::vector<std::string>& architectures) {
    Files files;
    Json list = Json::array();
    for (const std::string& architecture : architectures)
        list.push_back(
            put_image(files, architecture == kOwn ? kLayer : TarWriter().finish(), architecture));
    const Json inner = {{"schemaVersion", 2}, {"manifests", list}};
    Json outer = put(files, inner.dump(), "application/vnd.oci.image.index.v1+json");
    outer["annotations"] = {{"org.opencontainers.image.ref.name", "local/many:1"}};
    files["index.json"] = Json{{"schemaVersion", 2}, {"manifests", Json::array({outer})}}.dump();
    files["oci-layout"] = R"({"imageLayoutVersion":"1.0.0"})";
    return files;
}

std::string tar_of(const Files& files) {
    TarWriter tar;
    for (const auto& [name, text] : files) tar.file(name, text);
    return tar.finish();
}

std::string docker_manifest(const std::string& layer_file) {
    return Json::array({Json{{"Config", "config.json"},
                             {"RepoTags", {"local/docker:1"}},
                             {"Layers", {layer_file}}}})
        .dump();
}

struct Fixture {
    TempDir dir;
    Store store = *Store::open(dir / "data");

    Result<std::vector<std::string>> load(const std::string& archive) {
        REQUIRE(write_in_place(dir / "archive", archive, 0600).ok());
        return store.load(dir / "archive");
    }
};

}  // namespace

TEST_CASE("layers of a docker archive may be links") {
    NEEDS_ROOT();
    for (const bool symbolic : {true, false}) {
        CAPTURE(symbolic);
        Fixture f;
        TarWriter tar;
        tar.file("abc.tar", kLayer).file("config.json", config_of(kLayer));
        if (symbolic)
            tar.add({.path = "id/layer.tar", .type = '2', .link = "../abc.tar"});
        else
            tar.add({.path = "id/layer.tar", .type = '1', .link = "abc.tar"});
        tar.file("manifest.json", docker_manifest("id/layer.tar"));
        const auto loaded = f.load(tar.finish());
        REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
        CHECK(*read_file(f.store.find("local/docker:1")->layers[0] + "/etc/name") == "one");
    }
}

TEST_CASE("links in an archive never name a file of the host") {
    NEEDS_ROOT();
    for (const std::string link : {"/etc/hostname", "../../../../etc/hostname", "loop"}) {
        for (const char type : {'1', '2'}) {
            CAPTURE(link);
            Fixture f;
            TarWriter tar;
            tar.add({.path = "config.json", .type = type, .link = link});
            tar.add({.path = "loop", .type = type, .link = "loop"});
            tar.file("layer.tar", kLayer).file("manifest.json", docker_manifest("layer.tar"));
            const auto loaded = f.load(tar.finish());
            REQUIRE_FALSE(loaded.ok());
            CHECK(loaded.error().to_string().find("has no file 'config.json'") !=
                  std::string::npos);
        }
    }
}

TEST_CASE("holes of an archive take no room on the disk") {
    NEEDS_ROOT();
    Fixture f;
    const auto with_hole = [](const std::string& size) {
        return TarWriter().add(
            {.path = "holey", .pax = {{"GNU.sparse.size", size}, {"GNU.sparse.map", "0,0"}}});
    };
    const auto huge = f.load(with_hole("1152921504606846976").finish());
    REQUIRE_FALSE(huge.ok());
    CHECK(huge.error().to_string().find("takes the layer over") != std::string::npos);
    // Below the limit, and more than this disk has: a hole.
    TarWriter tar = with_hole("500000000000");
    tar.file("config.json", config_of(kLayer)).file("abc.tar", kLayer);
    tar.file("manifest.json", docker_manifest("abc.tar"));
    const auto loaded = f.load(tar.finish());
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
}

TEST_CASE("of a nested index the image for this machine is taken") {
    NEEDS_ROOT();
    Fixture f;
    const auto loaded = f.load(tar_of(nested_layout({"s390x", "unknown", kOwn})));
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"local/many:1"});
    CHECK(f.store.find("local/many:1")->config.architecture == kOwn);
    CHECK(f.store.list()->size() == 1);
    Fixture other;
    const auto refused = other.load(tar_of(nested_layout({"s390x", "unknown"})));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().to_string().find(kOwn) != std::string::npos);
    CHECK(other.store.list()->empty());
}

TEST_CASE("a folder and standard input are archives too") {
    NEEDS_ROOT();
    Fixture f;
    const Files files = nested_layout({kOwn});
    for (const auto& [name, text] : files) {
        const std::string path = f.dir / ("layout/" + name);
        REQUIRE(make_directories(path.substr(0, path.rfind('/')), 0755).ok());
        REQUIRE(write_in_place(path, text, 0600).ok());
    }
    const auto loaded = f.store.load(f.dir / "layout");
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*loaded == std::vector<std::string>{"local/many:1"});
    CHECK(list_directory(f.dir / "layout")->size() == 3);  // it is the user's and stays

    REQUIRE(write_in_place(f.dir / "archive", tar_of(files), 0600).ok());
    const pid_t child = ::fork();
    if (child == 0) {
        const int fd = ::open((f.dir / "archive").c_str(), O_RDONLY | O_CLOEXEC);
        Store store = *Store::open(f.dir / "other");
        ::_exit(::dup2(fd, 0) == 0 && store.load("-").ok() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}

TEST_CASE("an archive that is both kinds at once is loaded once") {
    NEEDS_ROOT();
    Fixture f;
    Files files = nested_layout({kOwn});
    files["config.json"] = config_of(kLayer);
    files["manifest.json"] = docker_manifest("blobs/sha256/" + sha256_hex(kLayer));
    const auto loaded = f.load(tar_of(files));
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(f.store.list()->size() == 1);
}

TEST_CASE("the store is a layout that others read") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(f.load(tar_of(nested_layout({kOwn}))).ok());
    const std::string name = "oci:" + f.store.data_root() +
                             "/images:" + canonical(f.store.find("local/many:1")->names.front());
    const auto seen = davit::testing::run({.argv = {"skopeo", "inspect", "--raw", name}});
    if (seen.status == 127) SKIP_TEST("skopeo is not installed");
    CHECK_MESSAGE(seen.status == 0, seen.err);
    CHECK("sha256:" + sha256_hex(seen.out) == f.store.find("local/many:1")->manifest_digest);
}

TEST_CASE("loads and removals at the same time keep the store whole") {
    NEEDS_ROOT();
    Fixture f;
    REQUIRE(write_in_place(f.dir / "archive", tar_of(nested_layout({kOwn})), 0600).ok());
    const auto start = [&](bool load) {
        const pid_t child = ::fork();
        if (child != 0) return child;
        Store store = *Store::open(f.dir / "data");
        for (int i = 0; i < 15; ++i) {
            // Each may lose against the other, but neither may break what the other sees.
            if (load)
                (void)store.load(f.dir / "archive").ok();
            else
                (void)store.remove("local/many:1", {}, false).ok();
            if (!store.list().ok()) ::_exit(1);
        }
        ::_exit(0);
    };
    pid_t children[] = {start(true), start(true), start(false)};
    for (const pid_t child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    const pid_t killed = start(false);
    ::poll(nullptr, 0, 3);
    ::kill(killed, SIGKILL);
    ::waitpid(killed, nullptr, 0);
    const auto loaded = f.store.load(f.dir / "archive");
    REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
    CHECK(*read_file(f.store.find("local/many:1")->layers[0] + "/etc/name") == "one");
    REQUIRE(f.store.remove("local/many:1", {}, false).ok());
    CHECK(list_directory(f.dir / "data/layers")->empty());
    CHECK(list_directory(f.dir / "data/images/tmp")->empty());
}
