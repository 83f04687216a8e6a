#include "image/pull.h"

#include "base/digest.h"
#include "base/file.h"
#include "image/store_files.h"
#include "tests/image/tar_writer.h"
#include "tests/support/command.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <csignal>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::TempDir;

namespace {

std::string zstd(const std::string& text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
    return packed;
}

/// Bytes that don't compress, the same each time.
std::string noise(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>((seed = seed * 1103515245U + 12345U) >> 16U);
    return text;
}

const std::string kLower =
    davit::testing::TarWriter().folder("etc").file("etc/name", "lower").finish();
const std::string kUpper =
    davit::testing::TarWriter().file("big", noise(700'000, 7)).file("etc/name", "upper").finish();

/// A folder that fault_registry.py serves, the server itself, and a store to pull into.
struct World {
    World() {
        for (const char* folder : {"/served/manifests", "/served/blobs"})
            REQUIRE(make_directories(dir.path() + folder, 0755).ok());
        settings.first_delay = std::chrono::milliseconds(5);
        settings.stall_seconds = 1;
        server = std::make_unique<davit::testing::Background>(
            davit::testing::Command{
                .argv = {"python3", DAVIT_SOURCE_DIR "/tests/support/fault_registry.py", served()}},
            dir / "server.out");
        for (int i = 0; i < 1000 && !exists(served() + "/port"); ++i) ::poll(nullptr, 0, 10);
        REQUIRE(exists(served() + "/port"));
        host = "127.0.0.1:" + *read_file(served() + "/port");
    }

    std::string served() const { return dir / "served"; }
    void put(const std::string& name, const std::string& text) const {
        REQUIRE(write_in_place(served() + "/" + name, text, 0644).ok());
    }
    Json blob(const std::string& type, const std::string& bytes) const {
        put("blobs/" + sha256_hex(bytes), bytes);
        return {
            {"mediaType", type}, {"digest", "sha256:" + sha256_hex(bytes)}, {"size", bytes.size()}};
    }
    /// Serves `manifest` as `tag` and by its digest. Returns its descriptor.
    Json manifest(const Json& json, const std::string& tag) const {
        const std::string text = json.dump();
        put("manifests/" + tag, text);
        put("manifests/" + sha256_hex(text), text);
        return {{"mediaType", string_or(json, "mediaType")},
                {"digest", "sha256:" + sha256_hex(text)},
                {"size", text.size()}};
    }
    Json image(const std::vector<std::string>& layers, bool docker = false) const {
        Json diff_ids = Json::array();
        Json descriptors = Json::array();
        for (std::size_t i = 0; i < layers.size(); ++i) {
            diff_ids.push_back("sha256:" + sha256_hex(layers[i]));
            descriptors.push_back(i == 0 ? blob(kOciLayer, layers[i])
                                         : blob(kOciLayerZstd, zstd(layers[i])));
        }
        const std::string config = Json{{"architecture", "amd64"},
                                        {"os", "linux"},
                                        {"config", {{"Cmd", {"run"}}}},
                                        {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
                                       .dump();
        return {{"schemaVersion", 2},
                {"mediaType",
                 docker ? "application/vnd.docker.distribution.manifest.v2+json" : kOciManifest},
                {"config", blob(kOciConfig, config)},
                {"layers", descriptors}};
    }
    void faults(const Json& list) const { put("faults.json", list.dump()); }
    std::string log() const {
        return read_file(served() + "/log").ok() ? *read_file(served() + "/log") : "";
    }

    Result<Pulled> pull(const std::string& name = "app:1", const std::string& platform = "") {
        return image::pull(store, settings, {host + "/" + name, platform}, {});
    }
    /// Folders that may hold something after a failure, but for parts.
    std::size_t left() const {
        return list_directory(dir / "data/images/tmp")->size() +
               list_directory(dir / "data/layers")->size() + store.list()->size() +
               list_directory(dir / "data/images/blobs/sha256")->size();
    }
    std::size_t parts() const { return list_directory(dir / "data/images/parts")->size(); }

    TempDir dir;
    RegistrySettings settings;
    Store store = *Store::open(dir / "data");
    std::unique_ptr<davit::testing::Background> server;
    std::string host;
};

void check_whole(World& w) {
    const auto found = w.store.find(w.host + "/app:1");
    REQUIRE_MESSAGE(found.ok(), found.error().to_string());
    REQUIRE(found->layers.size() == 2);
    CHECK(*read_file(found->layers[0] + "/etc/name") == "upper");
    CHECK(read_file(found->layers[0] + "/big")->size() == 700'000);
    CHECK(*read_file(found->layers[1] + "/etc/name") == "lower");
    CHECK(w.parts() == 0);
    CHECK(list_directory(w.dir / "data/images/tmp")->empty());
    const auto blobs = list_directory(w.dir / "data/images/blobs/sha256");
    for (const std::string& blob : *blobs)
        CHECK(sha256_hex(*read_file(w.dir / ("data/images/blobs/sha256/" + blob))) == blob);
}

const std::string kBig = "blobs/sha256:" + sha256_hex(zstd(kUpper));

}  // namespace

#define NEEDS_ROOT() \
    if (::geteuid() != 0) SKIP_TEST("unpacking gives files their owners, which needs root")

TEST_CASE("an image comes from a registry with the digests it has there") {
    NEEDS_ROOT();
    World w;
    bool docker = false;
    SUBCASE("an OCI manifest") {}
    SUBCASE("a manifest of Docker's") { docker = true; }
    const Json descriptor = w.manifest(w.image({kLower, kUpper}, docker), "1");
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(pulled->digest == descriptor["digest"]);
    CHECK(pulled->changed);
    check_whole(w);
    CHECK(w.store.find(w.host + "/app@" + pulled->digest)->id == pulled->id);
    const std::string before = w.log();
    const auto again = w.pull();
    REQUIRE(again.ok());
    CHECK_FALSE(again->changed);
    CHECK(w.log().substr(before.size()).find(kBig) == std::string::npos);

    // By digest, which then is its name.
    REQUIRE(w.store.remove(pulled->id, {}, true).ok());
    REQUIRE(w.pull("app@" + pulled->digest).ok());
    CHECK(w.store.find(w.host + "/app@" + pulled->digest)->id == pulled->id);
}

TEST_CASE("of an index the image for the platform is taken") {
    NEEDS_ROOT();
    World w;
    const auto with = [](Json descriptor, const char* os, const char* arch, const char* variant) {
        descriptor["platform"] = {{"os", os}, {"architecture", arch}, {"variant", variant}};
        return descriptor;
    };
    const Json amd = w.manifest(w.image({kLower, kUpper}), "amd");
    const Json arm = w.manifest(w.image({kLower}), "arm");
    const Json index =
        w.manifest({{"schemaVersion", 2},
                    {"mediaType", kOciIndex},
                    {"manifests",
                     {with(arm, "unknown", "unknown", ""), with(arm, "linux", "arm", "v7"),
                      with(amd, "linux", "amd64", "")}}},
                   "1");
    const auto pulled = w.pull("app:1", "linux/amd64");
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(pulled->digest == index["digest"]);
    CHECK(w.store.find(pulled->id)->layers.size() == 2);
    CHECK(w.store.find(pulled->id)->manifest_digest == amd["digest"]);
    CHECK(w.store.find(w.host + "/app@" + std::string(index["digest"]))->id == pulled->id);
    CHECK(w.store.find(w.pull("app:1", "linux/arm64")->id)->layers.size() == 1);
    const auto none = w.pull("app:1", "linux/riscv64");
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().help().find("linux/arm/v7, linux/amd64") != std::string::npos);
}

TEST_CASE("what breaks off goes on where it ended") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    Json list = Json::array();
    SUBCASE("resets at some byte") {
        list = {{{"path", kBig}, {"do", "reset"}, {"after", 100'000}, {"times", 4}}};
    }
    SUBCASE("ends without a length") {
        list = {{{"path", kBig}, {"do", "reset"}, {"after", 300'000}, {"times", 1}},
                {{"path", kBig}, {"do", "nolength"}}};
    }
    SUBCASE("stalls") { list = {{{"path", kBig}, {"do", "stall"}, {"after", 5000}, {"times", 1}}}; }
    SUBCASE("no ranges") {
        list = {{{"path", kBig}, {"do", "reset"}, {"after", 200'000}, {"times", 1}},
                {{"path", kBig}, {"do", "whole"}}};
    }
    SUBCASE("errors of the server") {
        list = {{{"path", "manifests"}, {"do", "status"}, {"code", 503}, {"times", 2}},
                {{"path", kBig}, {"do", "status"}, {"code", 500}, {"times", 2}},
                {{"path", "blobs"},
                 {"do", "status"},
                 {"code", 429},
                 {"headers", {{"Retry-After", "1"}}},
                 {"times", 1}}};
    }
    w.faults(list);
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    check_whole(w);
}

TEST_CASE("a pull that failed leaves its bytes to the next one") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    w.faults({{{"path", kBig}, {"do", "reset"}, {"after", 60'000}}});
    const auto failed = w.pull();
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().to_string().find(w.host) != std::string::npos);
    CHECK(w.left() == 0);
    w.faults(Json::array());
    const std::string before = w.log();
    REQUIRE(w.pull().ok());
    CHECK(w.log().substr(before.size()).find(kBig + " bytes=") != std::string::npos);
    check_whole(w);

    // A part that was spoilt meanwhile is got anew.
    REQUIRE(w.store.remove(w.host + "/app:1", {}, true).ok());
    REQUIRE(
        write_in_place(w.dir / ("data/images/parts/" + sha256_hex(zstd(kUpper))), "spoilt", 0600)
            .ok());
    const auto again = w.pull();
    REQUIRE_MESSAGE(again.ok(), again.error().to_string());
    check_whole(w);
}

TEST_CASE("what a registry gives that it should not is refused and nothing is left") {
    NEEDS_ROOT();
    World w;
    Json image = w.image({kLower, kUpper});
    Json faults = Json::array();
    const char* words = "";
    SUBCASE("another byte") {
        faults = {{{"path", kBig}, {"do", "flip"}}};
        words = "get layer";
    }
    SUBCASE("more bytes") {
        faults = {{{"path", kBig}, {"do", "extra"}, {"bytes", 3}}};
        words = "more than";
    }
    SUBCASE("another size") {
        image["layers"][0]["size"] = kLower.size() - 512;
        words = "more than";
    }
    SUBCASE("another diff id") {
        const Json other = w.image({kUpper, kUpper});
        image["layers"][0] = other["layers"][1];
        words = "and the image says";
    }
    SUBCASE("layers and manifests") {
        image["manifests"] = Json::array();
        words = "both layers and manifests";
    }
    SUBCASE("schema 1") {
        image = {{"schemaVersion", 1}, {"fsLayers", Json::array()}};
        words = "schema 1";
    }
    SUBCASE("no layers") {
        image["layers"] = Json::array();
        words = "no layers";
    }
    SUBCASE("too few layers") {
        image["layers"].erase(0);
        words = "configuration names 2";
    }
    SUBCASE("an artifact") {
        image["layers"][0]["mediaType"] = "application/vnd.example.thing";
        words = "no image of a container";
    }
    SUBCASE("a size that is a word") {
        image["layers"][0]["size"] = "many";
        words = "has no size";
    }
    SUBCASE("a digest that is a path") {
        image["layers"][0]["digest"] = "sha256:../../../etc/passwd";
        words = "not a sha256 digest";
    }
    SUBCASE("a huge manifest") {
        image["note"] = std::string(5U << 20U, 'x');
        words = "larger than 4 MiB";
    }
    SUBCASE("other errors") {
        faults = {{{"path", "manifests"}, {"do", "status"}, {"code", 404}}};
        words = "answered 404";
    }
    SUBCASE("forbidden") {
        faults = {{{"path", "blobs"},
                   {"do", "status"},
                   {"code", 403},
                   {"body", "{\"errors\":[{\"message\":\"denied \\u001b[31m\"}]}"}}};
        words = "answered 403 (denied \\x1b";
    }
    SUBCASE("redirects in circles") {
        faults = {{{"path", "manifests"}, {"do", "redirect"}, {"to", "/v2/x/manifests/1"}}};
        words = "in circles";
    }
    SUBCASE("a limit") {
        faults = {{{"path", "manifests"},
                   {"do", "status"},
                   {"code", 429},
                   {"headers", {{"Retry-After", "3600"}}}}};
        words = "answered 429";
    }
    w.manifest(image, "1");
    w.faults(faults);
    const auto pulled = w.pull();
    REQUIRE_FALSE(pulled.ok());
    CHECK_MESSAGE(pulled.error().to_string().find(words) != std::string::npos,
                  pulled.error().to_string());
    CHECK(w.left() == 0);
}

TEST_CASE("credentials go to their registry, and tokens are renewed") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    w.put("auth.json", Json{{"user", "bob"}, {"password", "secret"}, {"uses", 1}}.dump());
    const auto anonymous = w.pull();
    REQUIRE_FALSE(anonymous.ok());
    CHECK(anonymous.error().kind() == ErrorKind::PermissionDenied);
    CHECK(anonymous.error().help().find("davit login " + w.host) != std::string::npos);

    const std::string config = w.dir / "docker/config.json";
    REQUIRE_FALSE(store_credentials(config, w.host, {.user = "bob", .secret = "wrong"})->size() >
                  0);
    w.settings.credential_files = {config};
    const auto wrong = w.pull();
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.error().to_string().find("'bob' of " + config) != std::string::npos);
    CHECK(wrong.error().to_string().find("wrong password") != std::string::npos);

    REQUIRE(store_credentials(config, w.host, {.user = "bob", .secret = "secret"}).ok());
    // Blobs lie elsewhere, as they do: what is ours must not go there.
    World other;
    other.image({kLower, kUpper});
    w.faults({{{"path", "blobs"},
               {"do", "redirect"},
               {"to", "http://" + other.host + "/v2/x/" + kBig}}});
    const auto led_astray = w.pull();
    REQUIRE_FALSE(led_astray.ok());  // it is the wrong blob for most
    CHECK(other.log().find("GET /v2/x/") != std::string::npos);
    CHECK(other.log().find("Bearer") == std::string::npos);
    CHECK(other.log().find("Basic") == std::string::npos);
    w.faults(Json::array());
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    check_whole(w);
    CHECK(*erase_credentials(config, w.host));
    CHECK_FALSE(*erase_credentials(config, w.host));
}

TEST_CASE("mirrors are asked first and may be down or wrong") {
    NEEDS_ROOT();
    World w;
    World mirror;
    w.manifest(w.image({kLower, kUpper}), "1");
    SUBCASE("the mirror has it") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        w.settings.hosts[w.host].mirrors = {"http://" + mirror.host};
        REQUIRE(w.pull()->host == mirror.host);
        CHECK(w.log().empty());
    }
    SUBCASE("it doesn't") {
        w.settings.hosts[w.host].mirrors = {"http://127.0.0.1:1", "http://" + mirror.host};
        REQUIRE(w.pull()->host == w.host);
        CHECK(mirror.log().find("manifests/1") != std::string::npos);
    }
    SUBCASE("it breaks off") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        mirror.faults({{{"path", kBig}, {"do", "reset"}, {"after", 50'000}}});
        w.settings.hosts[w.host].mirrors = {"http://" + mirror.host};
        REQUIRE(w.pull().ok());
        CHECK(w.log().find(kBig + " bytes=") != std::string::npos);
    }
    check_whole(w);
}

TEST_CASE("two pulls at once get each layer once") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    (void)Http::shared();
    pid_t children[2];
    for (pid_t& child : children) {
        child = ::fork();
        if (child == 0) ::_exit(w.pull().ok() ? 0 : 1);
    }
    for (const pid_t child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    check_whole(w);
    const std::string log = w.log();
    CHECK(log.find("GET /v2/app/" + kBig) == log.rfind("GET /v2/app/" + kBig));
}

TEST_CASE("a pull that is killed leaves a whole store, and the next one goes on") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    // In processes of their own: one that is forked must not share connections with its parent.
    const auto start = [&] {
        const pid_t child = ::fork();
        if (child != 0) return child;
        const auto pulled = w.pull();
        if (!pulled) MESSAGE(pulled.error().to_string());
        ::_exit(pulled.ok() ? 0 : 1);
    };
    for (int delay_ms = 0; delay_ms < 50; delay_ms += 2) {
        const pid_t child = start();
        ::poll(nullptr, 0, delay_ms);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        const auto all = w.store.list();
        REQUIRE_MESSAGE(all.ok(), all.error().to_string());
        // What is visible is whole.
        for (const Image& image : *all)
            CHECK(read_file(image.layers[0] + "/big")->size() == 700'000);
        int status = -1;
        ::waitpid(start(), &status, 0);
        REQUIRE(status == 0);
        check_whole(w);
        REQUIRE(w.store.remove(w.host + "/app:1", {}, true).ok());
        CHECK(w.left() == 0);
    }
}

TEST_CASE("challenges of registries are taken apart") {
    const auto parts = parse_challenge(
        R"(Bearer realm="https://a.example/token",service="s, \"x\"",scope=repository:a:pull)");
    CHECK(parts.at("scheme") == "bearer");
    CHECK(parts.at("realm") == "https://a.example/token");
    CHECK(parts.at("service") == "s, \"x\"");
    CHECK(parts.at("scope") == "repository:a:pull");
    CHECK(parse_challenge("Basic realm=x").at("scheme") == "basic");
    CHECK(parse_challenge("").at("scheme").empty());
}
