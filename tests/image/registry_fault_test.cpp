#include "base/sha512.h"
#include "base/sys.h"
#include "image/push.h"
#include "image/save.h"
#include "image/store_check.h"
#include "tests/image/pull_world.h"
#include "tests/support/skip.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

// Registries that misbehave (R1 to R5 and R7 of docs/reliability.md), beyond what pull_test.cpp
// has.

using namespace davit;
using namespace davit::image;
using davit::testing::check_whole;
using davit::testing::kBig;
using davit::testing::kLower;
using davit::testing::kUpper;
using davit::testing::packed_by;
using davit::testing::TarWriter;
using davit::testing::TempDir;
using davit::testing::World;
using davit::testing::zstd;

namespace {

/// A certificate for `name` with its key in one file, signed by itself, which makes it its own
/// authority; `days` below 0: it ended in the past.
std::string certificate(const TempDir& dir, const std::string& name, int days) {
    const std::string script =
        "cd \"$1\" && openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -days 30 "
        "-subj \"/CN=$2\" -addext \"subjectAltName=DNS:$2\" && "
        "if [ \"$3\" -lt 0 ]; then openssl x509 -in crt -signkey key -days \"$3\" -out old && mv old "
        "crt; fi && cat crt key > both";
    const auto made = davit::testing::run(
        {.argv = {"sh", "-c", script, "sh", dir.path(), name, std::to_string(days)}});
    REQUIRE_MESSAGE(made.status == 0, made.err);
    return dir / "both";
}

/// An environment variable for the length of a scope.
class Variable {
public:
    Variable(const char* name, const std::string& value) : name_(name) {
        ::setenv(name, value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
    ~Variable() { ::unsetenv(name_); }  // NOLINT(concurrency-mt-unsafe)
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
};

void check_refused(World& w, const std::string& words) {
    const auto pulled = w.pull();
    REQUIRE_FALSE(pulled.ok());
    CHECK_MESSAGE(pulled.error().to_string().find(words) != std::string::npos,
                  pulled.error().to_string());
    CHECK(w.left() == 0);
}

}  // namespace

TEST_CASE("a server that gives a byte at a time is left and asked again (R1)") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    w.faults({{{"path", kBig}, {"do", "drip"}, {"after", 90'000}, {"every", 0.1}, {"times", 1}}});
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(w.asked(kBig + " bytes=") == 1);
    check_whole(w);
}

TEST_CASE("layers that are there are not got again when another one failed (R1)") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    w.faults({{{"path", kBig}, {"do", "reset"}, {"after", 60'000}}});
    REQUIRE_FALSE(w.pull().ok());
    w.faults(Json::array());
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(w.asked("blobs/sha256:" + sha256_hex(kLower)) == 1);
    check_whole(w);
}

TEST_CASE("a registry that fails for good is asked a few times and no more (R1, R3)") {
    NEEDS_ROOT();
    World w;
    w.settings.tries = 4;
    w.manifest(w.image({kLower, kUpper}), "1");
    SUBCASE("502") { w.faults({{{"path", "manifests"}, {"do", "status"}, {"code", 502}}}); }
    SUBCASE("stalls") { w.faults({{{"path", "manifests"}, {"do", "stall"}, {"after", 0}}}); }
    SUBCASE("resets") { w.faults({{{"path", "manifests"}, {"do", "reset"}, {"after", 5}}}); }
    check_refused(w, w.host());
    CHECK(w.asked("manifests/1") == 4);
}

TEST_CASE("layers come in every form that there is (R2)") {
    NEEDS_ROOT();
    World w;
    const std::string gzip = packed_by("gzip", kUpper);
    const std::string nothing = TarWriter().finish();
    using Layer = davit::testing::FakeRegistry::Layer;
    const std::vector<Layer> layers = {
        {kOciLayer, kLower, kLower},
        {kOciLayerGzip, packed_by("gzip", nothing), nothing},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", gzip, kUpper},
        // What it is decides, not what it is called.
        {kOciLayerGzip, zstd(TarWriter().file("z", "zstd").finish()),
         TarWriter().file("z", "zstd").finish()},
        {kOciLayer, "", ""}};
    Json image = static_cast<const davit::testing::FakeRegistry&>(w).image(layers);
    w.manifest(image, "1");
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    const auto found = w.store.find(pulled->id);
    REQUIRE(found->layers.size() == 5);
    CHECK(*read_file(found->layers[1] + "/z") == "zstd");
    CHECK(*read_file(found->layers[2] + "/etc/name") == "upper");
    CHECK(list_directory(found->layers[3])->empty());
}

TEST_CASE("gzip inside gzip is no layer (R2)") {
    NEEDS_ROOT();
    World w;
    const std::string once = packed_by("gzip", kUpper);
    w.manifest(static_cast<const davit::testing::FakeRegistry&>(w).image(
                   {{kOciLayerGzip, packed_by("gzip", once), once}}),
               "1");
    check_refused(w, "tar archive is damaged");
}

TEST_CASE("answers that lead nowhere are refused (R3)") {
    NEEDS_ROOT();
    World w;
    w.manifest(w.image({kLower, kUpper}), "1");
    SUBCASE("a blob that is not there though its manifest is") {
        w.faults({{{"path", kBig}, {"do", "status"}, {"code", 404}}});
        check_refused(w, "answered 404");
        CHECK(w.asked(kBig) == 1);
    }
    SUBCASE("tokens that are never good") {
        w.put("auth.json", Json{{"user", "bob"}, {"password", "secret"}, {"never", true}}.dump());
        const std::string config = w.dir / "config.json";
        REQUIRE(store_credentials(config, w.host(), {.user = "bob", .secret = "secret"}).ok());
        w.settings.credential_files = {config};
        check_refused(w, "answered 401");
        CHECK(w.asked("manifests/1") == 2);
    }
    SUBCASE("another kind than the document says") {
        w.faults({{{"path", "manifests"},
                   {"do", "type"},
                   {"type", "application/vnd.docker.distribution.manifest.v2+json"}}});
        check_refused(w, "says that it is");
    }
}

TEST_CASE("a blob may lie at an address with a signature (R3)") {
    NEEDS_ROOT();
    World w;
    World storage;
    w.manifest(w.image({kLower, kUpper}), "1");
    (void)storage.image({kLower, kUpper});
    w.faults({{{"path", kBig},
               {"do", "redirect"},
               {"to", "http://" + storage.host() + "/v2/cdn/" + kBig}}});
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(storage.asked("GET /v2/cdn/" + kBig) == 1);
    check_whole(w);
}

TEST_CASE("certificates are looked at, and https is not left for http (R3, R4)") {
    NEEDS_ROOT();
    const TempDir dir;
    std::string words = "self-signed certificate";
    std::string versions;
    std::string name = "localhost";
    int days = 30;
    bool trusted = true;
    bool leaves = false;
    SUBCASE("as it should be") { words = ""; }
    SUBCASE("signed by itself") { trusted = false; }
    SUBCASE("of another host") {
        name = "registry.example";
        words = "subject name matches";
    }
    SUBCASE("of the past") {
        days = -1;
        words = "expired";
    }
    SUBCASE("an old version") {
        versions = "old";
        words = "alert";
    }
    SUBCASE("a redirect to http") {
        leaves = true;
        words = "redirects from https to 'http://";
    }
    World w(certificate(dir, name, days), versions);
    if (trusted) w.settings.hosts[w.host()].tls.ca = dir / "crt";
    w.manifest(w.image({kLower, kUpper}), "1");
    World plain;
    (void)plain.image({kLower, kUpper});
    if (leaves)
        w.faults({{{"path", "blobs"},
                   {"do", "redirect"},
                   {"to", "http://" + plain.host() + "/v2/x/" + kBig}}});
    if (words.empty()) {
        const auto pulled = w.pull();
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
        return check_whole(w);
    }
    check_refused(w, words);
    CHECK(plain.log().empty());
    if (leaves) return;
    CHECK(w.log().empty());
    // Only for this one registry, and only where it is written down.
    w.settings.hosts[w.host()].insecure = true;
    if (versions.empty()) CHECK(w.pull().ok());
}

TEST_CASE("manifests of all shapes are taken or refused as they should be (R5)") {
    NEEDS_ROOT();
    World w;
    const auto index_of = [&](const Json& descriptor) {
        return Json{{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", {descriptor}}};
    };
    Json image = w.image({kLower, kUpper});
    SUBCASE("indexes in indexes") {
        const Json inner = w.manifest(index_of(w.manifest(image, "image")), "inner");
        const Json outer = w.manifest(index_of(inner), "1");
        const auto pulled = w.pull();
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
        CHECK(pulled->digest == outer["digest"].get<std::string>());
        check_whole(w);
        w.manifest(index_of(outer), "1");
        const auto deeper = w.pull();
        REQUIRE_FALSE(deeper.ok());
        CHECK(deeper.error().to_string().find("nested too deep") != std::string::npos);
    }
    SUBCASE("a thousand layers") {
        for (int i = 0; i < 1000; ++i) image["layers"].push_back(image["layers"][0]);
        w.manifest(image, "1");
        check_refused(w, "1002 layers");
    }
    SUBCASE("data beside the descriptor") {
        image["layers"][0]["data"] = "bm90IHdoYXQgaXQgaXM=";
        image["artifactType"] = "application/vnd.example";
        image["subject"] = image["config"];
        w.manifest(image, "1");
        const auto pulled = w.pull();
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
        check_whole(w);
    }
    SUBCASE("something that is no configuration") {
        image["config"] = w.blob("application/vnd.oci.empty.v1+json", "{}");
        w.manifest(image, "1");
        check_refused(w, "no image of a container");
    }
    SUBCASE("an index of nothing") {
        w.manifest(
            Json{{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", Json::array()}},
            "1");
        check_refused(w, "");
    }
    SUBCASE("no JSON") {
        w.put("manifests/1", "<html>");
        check_refused(w, "manifest");
    }
    SUBCASE("an algorithm that nobody knows") {
        image["layers"][0]["digest"] = "md5:d41d8cd98f00b204e9800998ecf8427e";
        w.manifest(image, "1");
        check_refused(w, "digest");
    }
    SUBCASE("a configuration of another size") {
        image["config"]["size"] = 5;
        w.manifest(image, "1");
        check_refused(w, "more than the 5 bytes");
    }
}

TEST_CASE("foreign layers come from where their descriptor says (R5)") {
    NEEDS_ROOT();
    World w;
    World elsewhere;
    Json image = w.image({kLower, kUpper});
    (void)elsewhere.image({kLower, kUpper});
    image["layers"][1]["mediaType"] =
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
    image["layers"][1]["urls"] = {"file:///etc/passwd", "http://" + elsewhere.host() + "/" + kBig};
    w.put("blobs/" + sha256_hex(zstd(kUpper)), "not here");
    w.manifest(image, "1");
    w.put("auth.json", Json{{"user", "bob"}, {"password", "secret"}}.dump());
    const std::string config = w.dir / "config.json";
    REQUIRE(store_credentials(config, w.host(), {.user = "bob", .secret = "secret"}).ok());
    w.settings.credential_files = {config};
    SUBCASE("there") {}
    SUBCASE("there, in two pieces") {
        elsewhere.faults({{{"path", kBig}, {"do", "reset"}, {"after", 90'000}, {"times", 1}}});
    }
    const auto pulled = w.pull();
    REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
    CHECK(elsewhere.log().find("Bearer") == std::string::npos);
    CHECK(w.asked(kBig) == 0);
    check_whole(w);
}

TEST_CASE("a push leaves foreign layers where they are, and says so") {
    NEEDS_ROOT();
    World w;
    Json image = w.image({kLower, kUpper});
    image["layers"][1]["mediaType"] =
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";
    image["layers"][1]["urls"] = {"http://" + w.host() + "/" + kBig};
    const std::string said_digest = w.manifest(image, "1")["digest"];
    REQUIRE(w.pull().ok());
    const World target;
    const std::string name = target.host() + "/app:1";
    REQUIRE(w.store.tag(w.host() + "/app:1", name).ok());
    std::map<std::string, std::string> said;
    const auto pushed =
        push(w.store, w.settings, name,
             [&](const std::string& layer, const std::string& word) { said[layer] = word; });
    REQUIRE_MESSAGE(pushed.ok(), pushed.error().to_string());
    const auto shown = [](const std::string& bytes) { return sha256_hex(bytes).substr(0, 12); };
    CHECK(said == std::map<std::string, std::string>{
                      {shown(kLower), "Pushed"}, {shown(zstd(kUpper)), "Skipped foreign layer"}});
    CHECK(target.asked(sha256_hex(zstd(kUpper))) == 0);
    // Who pulls it from there is still told where the layer is.
    CHECK(pushed->digest == said_digest);
    World other;
    const auto pulled = pull(other.store, other.settings, {name, ""}, {});
    CHECK_MESSAGE(pulled.ok(), pulled.error().to_string());
}

TEST_CASE("a proxy of the environment is used, and no_proxy is heeded (R7)") {
    NEEDS_ROOT();
    World w;
    World proxy;
    w.manifest(w.image({kLower, kUpper}), "1");
    proxy.manifest(proxy.image({kLower, kUpper}), "1");
    const Variable variable("http_proxy", "http://" + proxy.host());
    SUBCASE("used") {
        REQUIRE(w.pull().ok());
        CHECK(proxy.asked("http://" + w.host() + "/v2/app/" + kBig) == 1);
        CHECK(w.asked("/v2/") == 0);
    }
    SUBCASE("passed by") {
        const Variable except("no_proxy", "127.0.0.1");
        REQUIRE(w.pull().ok());
        CHECK(proxy.log().empty());
    }
    check_whole(w);
}

TEST_CASE("where nobody answers the error says who was asked (R7)") {
    NEEDS_ROOT();
    World w;
    w.settings.hosts["127.0.0.1:1"].mirrors = {"http://127.0.0.1:2"};
    const auto pulled = image::pull(w.store, w.settings, {"127.0.0.1:1/app:1", ""}, {});
    REQUIRE_FALSE(pulled.ok());
    CHECK(pulled.error().to_string().find("127.0.0.1:1") != std::string::npos);
    CHECK(w.left() == 0);
}

/// What `image check` has to say, a line each.
std::string findings_of(const World& w) {
    std::string text;
    const auto checked = image::check(w.store, false, {});
    REQUIRE(checked.ok());
    for (const image::Finding& finding : checked->findings)
        text += finding.image + ": " + finding.what + "\n";
    return text;
}

TEST_CASE("what is known by sha512 is checked by it, kept and given on (R5)") {
    NEEDS_ROOT();
    World w;
    Json image = w.image({kLower, kUpper});
    const auto by_sha512 = [&](Json& descriptor, const std::string& bytes) {
        Sha512 digest;
        digest.update(bytes);
        const std::string hex = std::move(digest).hex();
        w.put("blobs/" + hex, bytes);
        descriptor["digest"] = "sha512:" + hex;
        return hex;
    };
    const std::string layer = by_sha512(image["layers"][1], zstd(kUpper));
    const std::string config_id = std::string(image["config"]["digest"]).substr(7);
    const std::string config = w.blob_text(config_id);
    by_sha512(image["config"], config);
    w.manifest(image, "1");
    SUBCASE("right") {
        const auto pulled = w.pull();
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
        CHECK(pulled->id == config_id);
        CHECK(exists(w.dir / ("data/images/blobs/sha512/" + layer)));
        CHECK(*read_file(w.store.find(pulled->id)->layers[0] + "/etc/name") == "upper");
        CHECK(findings_of(w) == "");
        // By way of an archive.
        const UniqueFd file = *sys::open(w.dir / "saved", O_RDWR | O_CREAT, 0600);
        FileSink sink(UniqueFd(::dup(file.get())));
        REQUIRE(save(w.store, {w.host() + "/app:1"}, SaveFormat::Oci, sink).ok());
        REQUIRE(sink.flush().ok());
        REQUIRE(w.store.remove(pulled->id, {}, true).ok());
        CHECK(w.left() == 0);
        CHECK(list_directory(w.dir / "data/images/blobs/sha512")->empty());
        const auto loaded = w.store.load(w.dir / "saved");
        REQUIRE_MESSAGE(loaded.ok(), loaded.error().to_string());
        CHECK(w.store.find(pulled->id)->layers.size() == 2);
        CHECK(findings_of(w) == "");
    }
    SUBCASE("by its own digest") {
        const std::string text = image.dump();
        Sha512 digest;
        digest.update(text);
        const std::string hex = std::move(digest).hex();
        w.put("manifests/" + hex, text);
        const auto pulled = w.pull("app@sha512:" + hex);
        REQUIRE_MESSAGE(pulled.ok(), pulled.error().to_string());
        CHECK(w.store.find(w.host() + "/app@sha512:" + hex)->id == config_id);
        w.put("manifests/" + hex, text + " ");
        CHECK(w.pull("app@sha512:" + hex).error().to_string().find("gave a manifest that is not") !=
              std::string::npos);
    }
    SUBCASE("another byte") {
        w.faults({{{"path", layer}, {"do", "flip"}}});
        check_refused(w, "get layer sha512:");
    }
}
