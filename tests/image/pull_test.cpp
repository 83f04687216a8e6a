#include "image/parts.h"
#include "tests/image/pull_world.h"
#include "tests/support/skip.h"

#include <chrono>
#include <csignal>
#include <ctime>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::image;
using davit::testing::check_whole;
using davit::testing::kBig;
using davit::testing::kLower;
using davit::testing::kUpper;
using davit::testing::World;
using davit::testing::zstd;

TEST_CASE("an image comes from a registry with the digests it has there") {
    NEEDS_ROOT();
    World w;
    bool docker = false;
    SUBCASE("an OCI manifest") {}
    SUBCASE("a manifest of Docker's") { docker = true; }
    const Json descriptor = w.manifest(w.image({kLower, kUpper}, docker), "1");
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(pulled->digest == descriptor["digest"].get<std::string>());
    CHECK(pulled->changed);
    check_whole(w);
    CHECK(w.store.find(w.host() + "/app@" + pulled->digest)->id == pulled->id);
    const std::string before = w.log();
    const auto again = w.pull();
    REQUIRE(again.ok());
    CHECK_FALSE(again->changed);
    CHECK(w.log().substr(before.size()).find(kBig) == std::string::npos);

    // By digest, which then is its name.
    REQUIRE(w.store.remove(pulled->id, {}, true).ok());
    REQUIRE(w.pull("app@" + pulled->digest).ok());
    CHECK(w.store.find(w.host() + "/app@" + pulled->digest)->id == pulled->id);
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
    CHECK(pulled->digest == index["digest"].get<std::string>());
    CHECK(w.store.find(pulled->id)->layers.size() == 2);
    CHECK(w.store.find(pulled->id)->manifest_digest == amd["digest"].get<std::string>());
    CHECK(w.store.find(w.host() + "/app@" + std::string(index["digest"]))->id == pulled->id);
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
    CHECK(failed.error().to_string().find(w.host()) != std::string::npos);
    CHECK(w.left() == 0);
    w.faults(Json::array());
    const std::string before = w.log();
    REQUIRE(w.pull().ok());
    CHECK(w.log().substr(before.size()).find(kBig + " bytes=") != std::string::npos);
    check_whole(w);

    // A part that was spoilt meanwhile is got anew.
    REQUIRE(w.store.remove(w.host() + "/app:1", {}, true).ok());
    REQUIRE(
        write_in_place(w.dir / ("data/images/parts/" + sha256_hex(zstd(kUpper))), "spoilt", 0600)
            .ok());
    const auto again = w.pull();
    REQUIRE_MESSAGE(again.ok(), again.error().to_string());
    check_whole(w);
}

TEST_CASE("a blob of the store that is damaged is got anew where its layer is needed") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    REQUIRE(w.pull().ok());
    const std::string layer = w.dir / ("data/layers/" + sha256_hex(kUpper));
    REQUIRE(remove_tree(layer).ok());
    const std::string blob =
        w.dir / ("data/images/blobs/sha256/" + sha256_hex(davit::testing::zstd(kUpper)));
    REQUIRE(write_in_place(blob, "spoilt", 0644).ok());
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    check_whole(w);
}

TEST_CASE("a blob that is said to be two layers is refused") {
    NEEDS_ROOT();
    World w;
    const std::string bytes = davit::testing::zstd(kUpper);
    w.manifest(static_cast<davit::testing::FakeRegistry&>(w).image(
                   {{image::kOciLayerZstd, bytes, kUpper}, {image::kOciLayerZstd, bytes, kLower}}),
               "1");
    const auto pulled = w.pull();
    REQUIRE_FALSE(pulled.ok());
    CHECK_MESSAGE(pulled.error().to_string().find("has two contents") != std::string::npos,
                  pulled.error().to_string());
    CHECK(w.left() == 0);
}

TEST_CASE("parts that nobody goes on with are swept after a week, and when asked") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    const auto part = [&](const std::string& name, std::chrono::hours age) {
        const std::string path = part_file(w.dir / "data", name);
        REQUIRE(make_directories(parts_folder(w.dir / "data"), 0700).ok());
        REQUIRE(write_in_place(path, "a part", 0600).ok());
        const timespec then{std::time(nullptr) - std::chrono::seconds(age).count(), 0};
        const timespec times[2] = {then, then};
        REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
        return path;
    };
    const std::string old = part(std::string(64, 'a'), std::chrono::hours(24 * 8));
    const std::string young = part(std::string(64, 'b'), std::chrono::hours(1));
    const std::string busy = part(std::string(64, 'c'), std::chrono::hours(24 * 8));
    {
        const auto lock = FileLock::exclusive(busy + ".lock");
        REQUIRE(w.pull().ok());
        CHECK_FALSE(exists(old));
        CHECK_FALSE(exists(old + ".lock"));
        CHECK(exists(young));
        CHECK(exists(busy));
        CHECK(*sweep_parts(w.dir / "data", std::chrono::seconds(0)) == 6);
        CHECK_FALSE(exists(young));
        CHECK(exists(busy));
    }
    CHECK(*sweep_parts(w.dir / "data", std::chrono::seconds(0)) == 6);
    CHECK(w.parts() == 0);
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
        const std::string third = davit::testing::TarWriter().file("third", "x").finish();
        image["layers"][0] = w.image({third, kUpper})["layers"][0];
        words = "and the image says";
    }
    SUBCASE("one blob for two diff ids") {
        image["layers"][0] = image["layers"][1];
        words = "has two contents";
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
        words = "not a sha256 or sha512 digest";
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

TEST_CASE("a credential helper that ends without reading ends nobody else") {
    // More than a pipe holds, so that it is written when nobody is there any more.
    const auto done = run_credential_helper("nowhere", "store", std::string(1U << 20U, 'x'));
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().kind() == ErrorKind::NotFound);
}

TEST_CASE("credentials go to their registry, and tokens are renewed") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    w.put("auth.json", Json{{"user", "bob"}, {"password", "secret"}, {"uses", 1}}.dump());
    const auto anonymous = w.pull();
    REQUIRE_FALSE(anonymous.ok());
    CHECK(anonymous.error().kind() == ErrorKind::PermissionDenied);
    CHECK(anonymous.error().help().find("davit login " + w.host()) != std::string::npos);

    const std::string config = w.dir / "docker/config.json";
    REQUIRE_FALSE(store_credentials(config, w.host(), {.user = "bob", .secret = "wrong"})->size() >
                  0);
    w.settings.credential_files = {config};
    const auto wrong = w.pull();
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.error().to_string().find("'bob' of " + config) != std::string::npos);
    CHECK(wrong.error().to_string().find("wrong password") != std::string::npos);

    REQUIRE(store_credentials(config, w.host(), {.user = "bob", .secret = "secret"}).ok());
    // Blobs lie elsewhere, as they do: what is ours must not go there.
    World other;
    other.image({kLower, kUpper});
    w.faults({{{"path", "blobs"},
               {"do", "redirect"},
               {"to", "http://" + other.host() + "/v2/x/" + kBig}}});
    const auto led_astray = w.pull();
    REQUIRE_FALSE(led_astray.ok());  // it is the wrong blob for most
    CHECK(other.log().find("GET /v2/x/") != std::string::npos);
    CHECK(other.log().find("Bearer") == std::string::npos);
    CHECK(other.log().find("Basic") == std::string::npos);
    w.faults(Json::array());
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    check_whole(w);
    CHECK(*erase_credentials(config, w.host()));
    CHECK_FALSE(*erase_credentials(config, w.host()));
}

TEST_CASE("mirrors are asked first and may be down or wrong") {
    NEEDS_ROOT();
    World w;
    World mirror;
    w.manifest(w.image({kLower, kUpper}), "1");
    SUBCASE("the mirror has it") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        w.settings.hosts[w.host()].mirrors = {"http://" + mirror.host()};
        REQUIRE(w.pull()->host == mirror.host());
        CHECK(w.log().empty());
    }
    SUBCASE("it doesn't") {
        w.settings.hosts[w.host()].mirrors = {"http://127.0.0.1:1", "http://" + mirror.host()};
        REQUIRE(w.pull()->host == w.host());
        CHECK(mirror.log().find("manifests/1") != std::string::npos);
    }
    SUBCASE("it breaks off") {
        mirror.manifest(mirror.image({kLower, kUpper}), "1");
        mirror.faults({{{"path", kBig}, {"do", "reset"}, {"after", 50'000}}});
        w.settings.hosts[w.host()].mirrors = {"http://" + mirror.host()};
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
        REQUIRE(w.store.remove(w.host() + "/app:1", {}, true).ok());
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
