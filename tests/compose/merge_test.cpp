#include "tests/compose/support.h"

namespace davit::compose {
namespace {

using testing::load_files;
using testing::Loaded;

Loaded merged(const std::string& base, const std::string& over) {
    return load_files({{"compose.yaml", base}, {"compose.override.yaml", over}});
}

/// As `merged`, for the lines of a service "web".
Loaded merged_web(const std::string& base, const std::string& over) {
    return merged("services:\n  web:\n    image: nginx\n" + base, "services:\n  web:\n" + over);
}

}  // namespace

TEST_CASE("an override file is laid over the first") {
    const Loaded loaded = merged(
        "services:\n  web: {image: a, user: u, ports: [\"80:80\"], labels: [x=1, y=1]}\n",
        "services:\n  web: {image: b, ports: [\"81:81\"], labels: {y: 2}}\n  new: {image: n}\n");
    const Service& web = loaded.service("web");
    CHECK(web.image == "b");
    CHECK(web.user == "u");
    CHECK(web.ports.size() == 2);
    CHECK(web.labels == std::map<std::string, std::string>{{"x", "1"}, {"y", "2"}});
    CHECK(loaded.project().services.size() == 2);
    CHECK(loaded.project().files.size() == 2);
}

TEST_CASE("attributes with rules of their own") {
    CHECK(merged_web("    command: [a, b]\n", "    command: [c]\n").service("web").command ==
          std::vector<std::string>{"c"});
    CHECK(!merged_web("    command: [a]\n", "    command:\n").service("web").command);
    CHECK(merged_web("    user: u\n", "    user:\n").service("web").user == "u");
    CHECK(merged_web("    environment: [A=1, B=1]\n", "    environment: {B: 2}\n")
              .service("web")
              .environment == std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
    CHECK(merged_web("    environment: [A=1]\n", "    environment: [A]\n")
              .service("web")
              .environment.empty());
    const Service mounts =
        merged_web("    volumes: [/a, ./x:/b]\n", "    volumes: [./y:/b/]\n").service("web");
    REQUIRE(mounts.volumes.size() == 2);
    CHECK(mounts.volumes[1].source.ends_with("/y"));
    CHECK(merged_web("    logging: {driver: local, options: {max-file: 2}}\n",
                     "    logging: {options: {max-size: 1m}}\n")
              .service("web")
              .logging.options.size() == 2);
    CHECK(merged_web("    logging: {driver: local, options: {max-file: 2}}\n",
                     "    logging: {driver: none}\n")
              .service("web")
              .logging == Logging{"none", {}});
    CHECK(merged_web("    depends_on: [a]\n  a: {image: x}\n  b: {image: x}\n",
                     "    depends_on: {b: {condition: service_started}}\n")
              .service("web")
              .depends_on.size() == 2);
}

TEST_CASE("a string and a list of env files merge") {
    const Loaded loaded =
        load_files({{"compose.yaml", "services: {web: {image: x, env_file: a.env}}\n"},
                    {"compose.override.yaml", "services: {web: {env_file: [b.env]}}\n"},
                    {"a.env", "A=1\nB=1\n"},
                    {"b.env", "B=2\n"}});
    CHECK(loaded.service("web").environment ==
          std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
}

TEST_CASE("reset takes away and override replaces") {
    CHECK(merged_web("    ports: [\"80:80\"]\n", "    ports: !reset []\n")
              .service("web")
              .ports.empty());
    const Service web =
        merged_web("    ports: [\"80:80\"]\n", "    ports: !override [\"81:81\"]\n").service("web");
    REQUIRE(web.ports.size() == 1);
    CHECK(web.ports[0].published == 81);
    CHECK(testing::load_web("    user: !reset u\n    labels: !override {a: 1}\n")
              .service("web")
              .user.empty());
}

TEST_CASE("values of different kinds do not merge") {
    const Loaded loaded = merged_web("    ports: [\"80:80\"]\n", "    ports: 80\n");
    CHECK(!loaded.result);
    CHECK(loaded.remarks ==
          "compose.override.yaml:3:12: 'services.web.ports' must be a list, found the number 80\n");
}

TEST_CASE("documents of one file merge like files") {
    CHECK(testing::load_text("services: {a: {image: x}}\n---\nservices: {a: {image: y}}\n")
              .service("a")
              .image == "y");
}

TEST_CASE("mistakes of both files are told") {
    CHECK(merged("services:\n  web: {image: a, usr: 1}\n", "services:\n  web: {prots: []}\n")
              .remarks ==
          "compose.override.yaml:2:9: unknown key 'prots' in service 'web'\n"
          "compose.yaml:2:19: unknown key 'usr' in service 'web'\n");
}

}  // namespace davit::compose
