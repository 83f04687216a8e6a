#include "base/file.h"
#include "base/json.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace davit;
using davit::testing::Background;
using davit::testing::eventually;
using davit::testing::run;
using davit::testing::Sandbox;
using davit::testing::TempDir;

namespace {

/// Debian's docker-registry on localhost:5443 with TLS of an authority of its own and with tokens;
/// in the network namespace of the tests.
struct TokenRegistry {
    TokenRegistry() {
        const std::string script =
            "cd \"$1\" && "
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj "
            "/CN=test-ca && "
            "openssl req -newkey rsa:2048 -nodes -keyout srv.key -out srv.csr -subj /CN=localhost "
            "&& printf 'subjectAltName=DNS:localhost\\n' > ext && "
            "openssl x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out srv.crt "
            "-days 30 -extfile ext && "
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout tok.key -out tok.crt -days 30 -subj "
            "/CN=token";
        const auto made = run({.argv = {"sh", "-c", script, "sh", dir.path()}});
        REQUIRE_MESSAGE(made.status == 0, made.err);
        const std::string config = fmt::format(
            "version: 0.1\nlog: {{level: error}}\n"
            "storage: {{filesystem: {{rootdirectory: {0}/data}}}}\n"
            "http: {{addr: 'localhost:5443', tls: {{certificate: {0}/srv.crt, key: "
            "{0}/srv.key}}}}\n"
            "auth: {{token: {{realm: 'https://localhost:5444/token', service: reg, issuer: "
            "test-issuer, rootcertbundle: {0}/tok.crt}}}}\n",
            dir.path());
        // The tokens come from plain http, which is allowed on this host.
        std::string plain = config;
        plain.replace(plain.find("https://localhost:5444"), 22, "http://localhost:5444");
        REQUIRE(write_in_place(dir / "registry.yml", plain, 0644).ok());
        REQUIRE(write_in_place(
                    dir / "registries.yaml",
                    fmt::format("registries:\n  localhost:5443:\n    ca: {}/ca.crt\n", dir.path()),
                    0644)
                    .ok());
        registry = std::make_unique<Background>(
            davit::testing::Command{
                .argv = {"/usr/bin/docker-registry", "serve", dir / "registry.yml"}},
            dir / "registry.log");
        tokens = std::make_unique<Background>(
            davit::testing::Command{.argv = {"/usr/bin/python3",
                                             DAVIT_SOURCE_DIR "/tests/support/token_server.py",
                                             dir / "tok.key", dir / "tok.crt", "5444"}},
            dir / "token.log");
        REQUIRE(eventually([&] {
            return run({.argv = {"curl", "-s", "--cacert", dir / "ca.crt",
                                 "https://localhost:5443/v2/"}})
                           .status == 0 &&
                   run({.argv = {"curl", "-s", "http://127.0.0.1:5444/token?service=reg"}})
                           .status == 0;
        }));
    }

    davit::testing::Outcome davit(const Sandbox& box, std::vector<std::string> arguments) const {
        davit::testing::Command command = box.davit_command(std::move(arguments));
        command.environment.push_back("DAVIT_REGISTRIES=" + (dir / "registries.yaml"));
        command.environment.push_back("DOCKER_CONFIG=" + (dir / "docker"));
        return run(command);
    }
    /// skopeo puts an image of the store into the registry.
    void put(const Sandbox& box, const std::string& image, const std::string& name) const {
        REQUIRE(make_directories(dir / "cert", 0755).ok());
        REQUIRE(run({.argv = {"cp", dir / "ca.crt", dir / "cert/"}}).status == 0);
        const auto copied = run(
            {.argv = {"skopeo", "copy", "--insecure-policy", "--dest-cert-dir", dir / "cert",
                      "--dest-creds", "bob:secret", "oci:" + box.data_root() + "/images:" + image,
                      "docker://localhost:5443/" + name}});
        REQUIRE_MESSAGE(copied.status == 0, copied.err);
    }

    TempDir dir;
    std::unique_ptr<Background> registry;
    std::unique_ptr<Background> tokens;
};

}  // namespace

#define NEEDS_REGISTRY()                                                               \
    if (!exists("/usr/bin/docker-registry") || run({.argv = {"skopeo", "-v"}}).status) \
    SKIP_TEST("needs docker-registry and skopeo")

TEST_CASE("images come from a registry with TLS and tokens") {
    NEEDS_REGISTRY();
    const Sandbox box("registry-pull");
    const TokenRegistry registry;
    box.load_busybox();
    registry.put(box, "docker.io/local/busybox:1", "public/box:1");
    registry.put(box, "docker.io/local/busybox:1", "private/box:1");
    const std::string id = box.davit_ok({"images", "-q", "--no-trunc"});
    box.davit_ok({"rmi", "local/busybox:1"});

    SUBCASE("by name, without a project") {
        const auto pulled = registry.davit(box, {"pull", "localhost:5443/public/box:1"});
        REQUIRE_MESSAGE(pulled.status == 0, pulled.err);
        CHECK(pulled.out.find("Digest: sha256:") == 0);
        CHECK(pulled.out.find("Status: Downloaded newer image for localhost:5443/public/box:1\n"
                              "localhost:5443/public/box:1\n") != std::string::npos);
        CHECK(pulled.err.find(" localhost:5443/public/box:1 Pulled\n") != std::string::npos);
        CHECK(box.davit_ok({"images", "-q", "--no-trunc"}) == id);
        const auto again = registry.davit(box, {"pull", "-q", "localhost:5443/public/box:1"});
        CHECK(again.out == "localhost:5443/public/box:1\n");
        CHECK(again.err.empty());
    }
    SUBCASE("what is private needs a login") {
        const auto refused = registry.davit(box, {"pull", "localhost:5443/private/box:1"});
        CHECK(refused.status == 1);
        CHECK(refused.err.find("anonymous; no entry for localhost:5443 in") != std::string::npos);
        CHECK(refused.err.find("davit login localhost:5443") != std::string::npos);
        const auto wrong =
            registry.davit(box, {"login", "-u", "bob", "-p", "wrong", "localhost:5443"});
        CHECK(wrong.status == 1);
        CHECK_FALSE(exists(registry.dir / "docker/config.json"));
        const auto login =
            registry.davit(box, {"login", "-u", "bob", "-p", "secret", "localhost:5443"});
        REQUIRE_MESSAGE(login.status == 0, login.err);
        CHECK(login.out == "Login Succeeded\n");
        CHECK(registry.davit(box, {"pull", "-q", "localhost:5443/private/box:1"}).status == 0);
        CHECK(registry.davit(box, {"logout", "localhost:5443"}).out ==
              "Removing login credentials for localhost:5443\n");
    }
    SUBCASE("as the services want them") {
        const auto up = [&](const std::string& policy, std::vector<std::string> more) {
            box.compose(
                fmt::format("services:\n  web:\n    image: localhost:5443/public/box:1\n"
                            "    pull_policy: {}\n    command: sleep 1000\n",
                            policy));
            std::vector<std::string> words = {"up", "-d"};
            words.insert(words.end(), more.begin(), more.end());
            return registry.davit(box, words);
        };
        const auto never = up("never", {});
        CHECK(never.status == 1);
        CHECK(never.err.find("is not in the store") != std::string::npos);
        CHECK(never.err.find("compose.yaml:4:12") != std::string::npos);
        const auto missing = up("missing", {});
        REQUIRE_MESSAGE(missing.status == 0, missing.err);
        CHECK(missing.err.find(" localhost:5443/public/box:1 Pulled\n") != std::string::npos);
        CHECK(up("missing", {}).err.find("Pulled") == std::string::npos);
        CHECK(up("daily", {}).err.find("Pulled") == std::string::npos);
        CHECK(up("always", {}).err.find("Pulled") != std::string::npos);
        CHECK(up("always", {"--quiet-pull"}).err.find("Pulled") == std::string::npos);
        CHECK(up("missing", {"--pull", "always"}).err.find("Pulled") != std::string::npos);
        CHECK(registry.davit(box, {"pull", "web"}).status == 0);
        CHECK(registry.davit(box, {"pull", "wbe"}).status == 1);
    }
    SUBCASE("and go to one, with the digests they have") {
        REQUIRE(registry.davit(box, {"pull", "-q", "localhost:5443/public/box:1"}).status == 0);
        box.davit_ok({"tag", "localhost:5443/public/box:1", "localhost:5443/private/made:2"});
        CHECK(registry.davit(box, {"push", "localhost:5443/private/made:2"}).status == 1);
        REQUIRE(
            registry.davit(box, {"login", "-u", "bob", "-p", "secret", "localhost:5443"}).status ==
            0);
        const auto pushed = registry.davit(box, {"push", "localhost:5443/private/made:2"});
        REQUIRE_MESSAGE(pushed.status == 0, pushed.err);
        CHECK(pushed.out.find("The push refers to repository [localhost:5443/private/made]\n") ==
              0);
        const auto raw = [&](const std::string& name) {
            return run({.argv = {"skopeo", "inspect", "--raw", "--cert-dir", registry.dir / "cert",
                                 "--creds", "bob:secret", "docker://localhost:5443/" + name}})
                .out;
        };
        CHECK_FALSE(raw("private/made:2").empty());
        CHECK(raw("private/made:2") == raw("public/box:1"));
        // An image that the registry has nothing of.
        box.write("f", "new");
        REQUIRE(run({.argv = {"tar", "-C", box.folder(), "-cf", box.folder() + "/f.tar", "f"}})
                    .status == 0);
        box.davit_ok({"import", box.folder() + "/f.tar", "localhost:5443/private/other:1"});
        const auto fresh = registry.davit(box, {"push", "localhost:5443/private/other:1"});
        REQUIRE_MESSAGE(fresh.status == 0, fresh.err);
        CHECK(fresh.out.find(": Pushed\n1: digest: sha256:") != std::string::npos);
        box.davit_ok({"rmi", "localhost:5443/private/other:1"});
        CHECK(registry.davit(box, {"pull", "-q", "localhost:5443/private/other:1"}).status == 0);
    }
    SUBCASE("an authority that nobody knows is refused, and named") {
        REQUIRE(write_in_place(registry.dir / "registries.yaml", "registries: {}\n", 0644).ok());
        const auto refused = registry.davit(box, {"pull", "localhost:5443/public/box:1"});
        CHECK(refused.status == 1);
        CHECK(refused.err.find("certs.d/localhost:5443/ca.crt") != std::string::npos);
        REQUIRE(write_in_place(registry.dir / "registries.yaml",
                               "registries:\n  localhost:5443:\n    insecure: true\n", 0644)
                    .ok());
        CHECK(registry.davit(box, {"pull", "-q", "localhost:5443/public/box:1"}).status == 0);
        REQUIRE(write_in_place(registry.dir / "registries.yaml",
                               "registries:\n  localhost:5443:\n    insecur: true\n", 0644)
                    .ok());
        const auto mistake = registry.davit(box, {"pull", "localhost:5443/public/box:1"});
        CHECK(mistake.err.find("registries.yaml:3:5") != std::string::npos);
    }
}
