#include "base/file.h"
#include "base/json.h"
#include "tests/support/fake_registry.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/tar_writer.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

// `davit pull` as it is called: services and policies, mirrors, credentials, no network.

using namespace davit;
using davit::testing::contains;
using davit::testing::FakeRegistry;
using davit::testing::Outcome;
using davit::testing::Sandbox;
using davit::testing::TarWriter;

namespace {

/// A registry with the images app:1, db:1 and tool:1.
struct Served : FakeRegistry {
    Served() {
        for (const char* name : {"app", "db", "tool"}) serve(name);
    }
    void serve(const std::string& name, const std::string& content = "first") const {
        const std::string tar = TarWriter().file(name, content).finish();
        manifest(image({{"application/vnd.oci.image.layer.v1.tar", tar, tar}}), name);
    }
    /// Every repository of the fake has every tag: the tag tells them apart.
    std::string name(const std::string& image) const { return host() + "/" + image + ":" + image; }
};

Outcome davit_with(const Sandbox& box, const std::vector<std::string>& environment,
                   std::vector<std::string> arguments) {
    davit::testing::Command command = box.davit_command(std::move(arguments));
    command.environment.insert(command.environment.end(), environment.begin(), environment.end());
    return davit::testing::run(command);
}

/// A credential helper of that name, for a registry that wants the password of "bob".
/// Returns the environment in which davit finds it, and docker/config.json.
std::vector<std::string> with_helper(const Sandbox& box, const Served& registry,
                                     const std::string& name, const std::string& script) {
    registry.put("auth.json", Json{{"user", "bob"}, {"password", "secret"}}.dump());
    for (const char* folder : {"/bin", "/docker"})
        REQUIRE(make_directories(box.folder() + folder, 0755).ok());
    const std::string program = "bin/docker-credential-" + name;
    box.write(program, "#!/bin/sh\n" + script);
    REQUIRE(::chmod((box.folder() + "/" + program).c_str(), 0755) == 0);
    return {"PATH=" + box.folder() + "/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DOCKER_CONFIG=" + box.folder() + "/docker"};
}

}  // namespace

TEST_CASE("pull brings the services that it is told to, by the policy that it is told") {
    const Sandbox box("pull-flags");
    const Served registry;
    box.write("Dockerfile", "FROM scratch\n");
    box.compose(
        fmt::format("services:\n"
                    "  web: {{image: '{}', depends_on: [db]}}\n"
                    "  db: {{image: '{}'}}\n"
                    "  made: {{image: '{}', build: .}}\n",
                    registry.name("app"), registry.name("db"), registry.name("tool")));
    const auto names = [&] { return box.davit_ok({"images", "--format", "{{.Repository}}"}); };

    box.davit_ok({"pull", "-q", "web"});
    CHECK(names() == registry.host() + "/app\n");
    box.davit_ok({"pull", "-q", "--include-deps", "web"});
    CHECK(contains(names(), "/db\n"));
    CHECK_FALSE(contains(names(), "/tool\n"));
    box.davit_ok({"pull", "-q", "--ignore-buildable"});
    CHECK_FALSE(contains(names(), "/tool\n"));
    box.davit_ok({"pull", "-q"});
    CHECK(contains(names(), "/tool\n"));

    const std::size_t before = registry.asked("manifests/app");
    box.davit_ok({"pull", "-q", "--policy", "missing"});
    CHECK(registry.asked("manifests/app") == before);
    box.davit_ok({"pull", "-q", "--policy", "always", "web"});
    CHECK(registry.asked("manifests/app") == before + 1);
    box.davit_ok({"rmi", registry.name("app")});
    box.davit_ok({"pull", "-q", "--policy", "missing", "web"});
    CHECK(registry.asked("manifests/app") == before + 2);
    CHECK(contains(box.davit({"pull", "--policy", "sometimes"}).err, "use missing or always"));

    registry.faults({{{"path", "manifests/db"}, {"do", "status"}, {"code", 404}}});
    CHECK(box.davit({"pull", "-q"}).status == 1);
    CHECK(box.davit({"pull", "-q", "--ignore-pull-failures"}).status == 0);
}

TEST_CASE("services of one image run the same one, also where its tag moves meanwhile (R6)") {
    const Sandbox box("pull-once");
    const Served registry;
    box.compose(
        fmt::format("services:\n  a: {{image: '{0}'}}\n  b: {{image: '{0}'}}\n  c: {{image: "
                    "'{0}', pull_policy: always}}\n",
                    registry.name("app")));
    box.davit_ok({"pull", "-q"});
    CHECK(registry.asked("manifests/app") == 1);
    registry.serve("app", "second");
    box.davit_ok({"create"});
    CHECK(registry.asked("manifests/app") == 2);
    const std::string id = box.inspect("pull-once-a-1", "{{.Image}}");
    CHECK(id.starts_with("sha256:"));
    CHECK(box.inspect("pull-once-b-1", "{{.Image}}") == id);
    CHECK(box.inspect("pull-once-c-1", "{{.Image}}") == id);
}

TEST_CASE("what is in the store needs no registry (R7)") {
    const Sandbox box("pull-offline");
    box.load_busybox();
    // Nobody listens there.
    box.davit_ok({"tag", "local/busybox:1", "127.0.0.1:1/busybox:1"});
    box.compose(
        "services:\n  a: {image: '127.0.0.1:1/busybox:1', command: sleep 1000, stop_signal: "
        "SIGKILL}\n");
    box.davit_ok({"up", "-d"});
    const Outcome asked = box.davit({"up", "-d", "--pull", "always"});
    CHECK(asked.status == 1);
    CHECK(contains(asked.err, "127.0.0.1:1"));
    CHECK(box.inspect("pull-offline-a-1", "{{.State.Status}}") == "running");
}

TEST_CASE("mirrors of Docker Hub serve its short names, and the store knows them by these (R7)") {
    const Sandbox box("pull-mirror");
    const Served registry;
    box.write("registries.yaml",
              fmt::format("registries:\n  docker.io:\n    mirrors: [\"http://127.0.0.1:1\", "
                          "\"http://{}\"]\n",
                          registry.host()));
    const std::vector<std::string> environment = {"DAVIT_REGISTRIES=" + box.folder() +
                                                  "/registries.yaml"};
    const Outcome pulled = davit_with(box, environment, {"pull", "app:app"});
    REQUIRE_MESSAGE(pulled.status == 0, pulled.err);
    CHECK(contains(pulled.out, "docker.io/library/app:app\n"));
    CHECK(registry.asked("/v2/library/app/manifests/app") == 1);
    CHECK(box.davit_ok({"images", "--format", "{{.Repository}}:{{.Tag}}"}) == "app:app\n");
}

TEST_CASE("credential helpers keep what login gives them and are asked by pull") {
    const Sandbox box("pull-helper");
    const Served registry;
    const std::vector<std::string> environment =
        with_helper(box, registry, "drawer",
                    "cd \"$(dirname \"$0\")\"\necho \"$1\" >> calls\ncase $1 in\n"
                    "store) cat > drawer ;;\nget) cat > asked\n"
                    "  [ -e drawer ] && cat drawer && exit 0\n"
                    "  echo credentials not found in native keychain; exit 1 ;;\n"
                    "erase) rm drawer ;;\nesac\n");
    const auto davit = [&](std::vector<std::string> words) {
        return davit_with(box, environment, std::move(words));
    };
    std::string config;
    SUBCASE("one for everything") { config = R"({"credsStore": "drawer"})"; }
    SUBCASE("one for this registry") {
        config = Json{{"credHelpers", {{registry.host(), "drawer"}}}}.dump();
    }
    box.write("docker/config.json", config);
    const Outcome anonymous = davit({"pull", registry.name("app")});
    CHECK(anonymous.status == 1);
    CHECK(contains(anonymous.err, "anonymous; no entry for " + registry.host()));
    const Outcome login = davit({"login", "-u", "bob", "-p", "secret", registry.host()});
    REQUIRE_MESSAGE(login.status == 0, login.err);
    CHECK(contains(*read_file(box.folder() + "/bin/drawer"), "\"Secret\":\"secret\""));
    CHECK(*read_file(box.folder() + "/docker/config.json") == config);
    const Outcome pulled = davit({"pull", "-q", registry.name("app")});
    CHECK_MESSAGE(pulled.status == 0, pulled.err);
    CHECK(*read_file(box.folder() + "/bin/asked") == registry.host() + "\n");
    CHECK(davit({"logout", registry.host()}).status == 0);
    CHECK_FALSE(exists(box.folder() + "/bin/drawer"));
    CHECK(davit({"pull", "-q", registry.name("app")}).status == 1);

    box.write("docker/config.json", R"({"credsStore": "nowhere"})");
    const Outcome missing = davit({"pull", "-q", registry.name("app")});
    CHECK(contains(missing.err, "there is no program 'docker-credential-nowhere'"));
}

TEST_CASE("helpers that are asked at the same time don't wait for each other") {
    const Sandbox box("pull-helpers");
    const Served registry;
    // As those of Docker's project do it: they read to the end.
    const std::vector<std::string> environment =
        with_helper(box, registry, "thorough",
                    "server=$(cat)\necho '{\"ServerURL\": \"\", \"Username\": \"bob\", "
                    "\"Secret\": \"secret\"}'\n");
    box.write("docker/config.json", R"({"credsStore": "thorough"})");
    box.compose(
        fmt::format("services:\n  a: {{image: '{}'}}\n  b: {{image: '{}'}}\n  c: "
                    "{{image: '{}'}}\n",
                    registry.name("app"), registry.name("db"), registry.name("tool")));
    for (int round = 0; round < 8; ++round) {
        davit::testing::Command pull = box.davit_command({"pull", "-q"});
        pull.argv.insert(pull.argv.begin(), {"timeout", "--signal=KILL", "60"});
        pull.environment.insert(pull.environment.end(), environment.begin(), environment.end());
        const Outcome pulled = davit::testing::run(pull);
        REQUIRE_MESSAGE(pulled.status == 0, pulled.err);
    }
}

TEST_CASE("a password from standard input may have many lines, and blanks") {
    const Sandbox box("login-stdin");
    const Served registry;
    registry.put("auth.json", Json{{"user", "bob"}, {"password", "{\n \"key\": 1\n} "}}.dump());
    const auto login = [&](const std::string& input) {
        davit::testing::Command command =
            box.davit_command({"login", "-u", "bob", "--password-stdin", registry.host()});
        command.environment.push_back("DOCKER_CONFIG=" + box.folder() + "/docker");
        command.argv.insert(command.argv.begin(),
                            {"sh", "-c", "printf '" + input + "' | \"$@\"", "sh"});
        return davit::testing::run(command);
    };
    const Outcome whole = login("{\\n \"key\": 1\\n} \\r\\n");
    CHECK_MESSAGE(whole.status == 0, whole.err);
    CHECK(login("{\\n \"key\": 1\\n}\\n").status == 1);
    const Outcome none = login("\\n");
    CHECK(none.status == 1);
    CHECK(contains(none.err, "no password is given"));
}
