#include "tests/compose/shown.h"

// @source Compose spec 05-services.md#extends; compose-go loader/extends.go
namespace davit::compose {
namespace {

using testing::show_files;
using testing::show_text;
using testing::Shown;

constexpr const char* kBase =
    "services:\n"
    "  base:\n"
    "    image: nginx\n"
    "    user: root\n"
    "    command: [a, b]\n"
    "    entrypoint: [e]\n"
    "    hostname: h\n"
    "    environment: {A: 1, B: 1}\n"
    "    labels: [l=1]\n"
    "    ports: [\"80:80\"]\n"
    "    cap_add: [X]\n"
    "    volumes: [./data:/data]\n"
    "    healthcheck: {test: t, interval: 5s}\n"
    "    depends_on: {db: {condition: service_healthy}}\n"
    "  db: {image: postgres}\n";

struct Case {
    const char* path;
    const char* lines;  ///< Of the service that extends, indented already.
    const char* expected;
};

}  // namespace

TEST_CASE("a service takes over everything of the one it extends") {
    for (const char* extends : {"base", "{service: base}", "\n      service: base"}) {
        CAPTURE(extends);
        const Shown shown =
            show_text(std::string(kBase) + "  web:\n    extends: " + extends + "\n");
        REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
        CHECK(shown.at("services.web") == shown.at("services.base"));
        CHECK(shown.at("services.web.extends") == "absent");
        CHECK(shown.at("services.web.image") == "nginx");
    }
}

TEST_CASE("what a service says itself is laid over the one it extends") {
    const Case cases[] = {
        {"image", "    image: httpd\n", "httpd"},
        {"hostname", "    hostname:\n", "h"},
        {"command", "    command: [c]\n", "[c]"},
        {"command", "    command:\n", "null"},
        {"entrypoint", "    entrypoint: []\n", "[]"},
        {"environment", "    environment: [B=2, C=2]\n", R"({A: "1", B: "2", C: "2"})"},
        {"environment", "    environment: {A: }\n", R"({A: null, B: "1"})"},
        {"labels", "    labels: {l: 2, m: x}\n", "{l: \"2\", m: x}"},
        {"cap_add", "    cap_add: [X, Y]\n", "[X, Y]"},
        {"ports", "    ports: [90]\n",
         R"([{mode: ingress, protocol: tcp, published: "80", target: 80}, )"
         "{mode: ingress, protocol: tcp, target: 90}]"},
        {"volumes", "    volumes: [./mine:/data]\n",
         "[{bind: {create_host_path: true}, source: ./mine, target: /data, type: bind}]"},
        {"healthcheck", "    healthcheck: {interval: 9s}\n",
         "{interval: 9s, test: [CMD-SHELL, t]}"},
        {"healthcheck.disable", "    healthcheck: {disable: true}\n", "true"},
        {"depends_on", "    depends_on: [db]\n",
         "{db: {condition: service_started, required: true}}"},
        {"user", "    user: !reset null\n", "absent"},
        {"ports", "    ports: !reset []\n", "absent"},
        {"ports", "    ports: !override [90]\n", "[{mode: ingress, protocol: tcp, target: 90}]"},
        {"environment", "    environment: {A: !reset null}\n", "{B: \"1\"}"},
        {"environment", "    environment: !override {C: 1}\n", "{C: \"1\"}"},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.lines));
        const Shown shown = show_text(std::string(kBase) + "  web:\n    extends: base\n" + c.lines);
        REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
        CHECK(shown.at(std::string("services.web.") + c.path) == c.expected);
        CHECK(shown.at("services.base.image") == "nginx");  // which stays what it was
        CHECK(shown.at("services.base.environment") == R"({A: "1", B: "1"})");
    }
}

TEST_CASE("services extend each other in a chain whatever their order") {
    const Shown shown = show_text(
        "services:\n"
        "  c: {extends: {service: b}, cap_add: [C], user: c}\n"
        "  a: {image: a, cap_add: [A], user: a, hostname: a}\n"
        "  b: {extends: a, cap_add: [B], user: b}\n");
    CHECK(shown.at("services.c.cap_add") == "[A, B, C]");
    CHECK(shown.at("services.c.user") == "c");
    CHECK(shown.at("services.c.hostname") == "a");
    CHECK(shown.at("services.b.cap_add") == "[A, B]");
    CHECK(shown.at("services.a.cap_add") == "[A]");
}

TEST_CASE("paths of another file stand below the folder of that file") {
    const Shown shown = show_files(
        {{"compose.yaml",
          "services:\n"
          "  web:\n"
          "    extends: {file: sub/base.yaml, service: base}\n"
          "    volumes: [./mine:/mine]\n"
          "volumes: {named: {}}\n"},
         {"sub/base.yaml",
          "services:\n"
          "  base:\n"
          "    extends: {file: deep/root.yaml, service: root}\n"
          "    build: {context: ./ctx, additional_contexts: {more: ./more}}\n"
          "    env_file: base.env\n"
          "    label_file: base.labels\n"
          "    volumes: [./data:/data, /abs:/abs, ~/home:/home, named:/named, ../up:/up]\n"
          "    develop: {watch: [{path: ./src, action: rebuild}]}\n"
          "  other: {image: x}\n"
          "volumes: {unused: {}}\n"},
         {"sub/base.env", "FROM=sub\n"},
         {"sub/base.labels", "label=sub\n"},
         {"sub/deep/root.yaml",
          "services: {root: {image: x, env_file: [root.env], volumes: [\"./r:/r\"]}}\n"},
         {"sub/deep/root.env", "FROM=root\nROOT=root\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.at("services.web.build.context") == "./sub/ctx");
    CHECK(shown.at("services.web.build.additional_contexts") == "{more: ./sub/more}");
    CHECK(shown.at("services.web.environment") == "{FROM: sub, ROOT: root}");
    CHECK(shown.at("services.web.labels") == "{label: sub}");
    CHECK(shown.at("services.web.develop.watch[0].path") == "./sub/src");
    const char* sources[] = {"./sub/deep/r", "./sub/data", "/abs",  "/home/tester/home",
                             "named",        "./up",       "./mine"};
    for (std::size_t i = 0; i < std::size(sources); ++i)
        CHECK(shown.at("services.web.volumes[" + std::to_string(i) + "].source") == sources[i]);
    CHECK(shown.at("services.other") == "absent");
    CHECK(shown.result->service_names == std::vector<std::string>{"web"});
}

TEST_CASE("another file sees the variables of the project and not its own") {
    const Shown shown = show_files(
        {{"compose.yaml", "services: {web: {extends: {file: \"$DIR/b.yaml\", service: base}}}\n"},
         {".env", "V=main\nW=main\nDIR=sub\n"},
         {"sub/b.yaml", "services: {base: {image: \"a:$V\", environment: [W]}}\n"},
         {"sub/.env", "V=sub\nW=sub\n"}});
    CHECK(shown.at("services.web.image") == "a:main");
    CHECK(shown.at("services.web.environment") == "{W: main}");
}

TEST_CASE("another file may be JSON or in several documents or name files that are not there") {
    const Shown json =
        show_files({{"compose.yaml", "services: {web: {extends: {file: b.json, service: base}}}\n"},
                    {"b.json", R"({"services": {"base": {"image": "a"}}})"}});
    CHECK(json.at("services.web.image") == "a");
    const Shown parts =
        show_files({{"compose.yaml", "services: {web: {extends: {file: b.yaml, service: base}}}\n"},
                    {"b.yaml",
                     "include: [nowhere.yaml]\nservices: {base: {image: a, user: u}}\n---\n"
                     "services: {base: {image: b}}\n"}});
    CHECK(parts.at("services.web.image") == "b");
    CHECK(parts.at("services.web.user") == "u");
}

TEST_CASE("what the other file has beside its services must be in the project too") {
    const Shown shown =
        show_files({{"compose.yaml", "services: {web: {extends: {file: b.yaml, service: base}}}\n"},
                    {"b.yaml",
                     "services:\n"
                     "  base: {image: a, volumes: [\"data:/d\"], depends_on: [db]}\n"
                     "  db: {image: b}\n"
                     "volumes: {data: {}}\n"}});
    CHECK(shown.remarks ==
          "./b.yaml:2:30: the volume 'data' is not defined\n"
          "./b.yaml:2:55: service 'web' depends on 'db', which is not defined\n");
}

TEST_CASE("an override file is laid over a service that was extended already") {
    const Shown shown = show_files(
        {{"compose.yaml", "services: {base: {image: a}, web: {extends: base}}\n"},
         {"compose.override.yaml", "services: {base: {image: b, user: u}, web: {hostname: h}}\n"}});
    CHECK(shown.at("services.web") == "{hostname: h, image: a, networks: {default: null}}");
    CHECK(shown.at("services.base.image") == "b");
}

TEST_CASE("each file of a project extends services of its own") {
    const Shown shown = show_files(
        {{"compose.yaml", "services: {web: {image: a, user: u}}\n"},
         {"compose.override.yaml",
          "services: {base: {image: b, hostname: h}, web: {extends: base, cap_add: [C]}}\n"}});
    CHECK(shown.at("services.web") ==
          "{cap_add: [C], hostname: h, image: b, networks: {default: null}, user: u}");
}

TEST_CASE("profiles are inherited unless they are reset") {
    const Shown shown = show_text(
        "services:\n"
        "  base: {image: a, profiles: [p]}\n"
        "  inherits: {extends: base}\n"
        "  adds: {extends: base, profiles: [q]}\n"
        "  resets: {extends: base, profiles: !reset []}\n"
        "  replaces: {extends: base, profiles: !override [q]}\n");
    CHECK(shown.at("services.base") == "absent");
    CHECK(shown.at("services.inherits") == "absent");
    CHECK(shown.at("services.adds") == "absent");
    CHECK(shown.at("services.resets.image") == "a");
    CHECK(shown.at("services.replaces") == "absent");
    const Shown with_q = show_files({{"compose.yaml",
                                      "services:\n"
                                      "  base: {image: a, profiles: [p]}\n"
                                      "  adds: {extends: base, profiles: [q]}\n"}},
                                    [](LoadOptions& options) { options.profiles = {"q"}; });
    CHECK(with_q.at("services.adds.profiles") == "[p, q]");
    CHECK(with_q.at("services.base") == "absent");
}

TEST_CASE("a base may be one that can't run alone") {
    CHECK(show_files({{"compose.yaml",
                       "services: {web: {image: a, extends: {file: b.yaml, service: base}}}\n"},
                      {"b.yaml", "services: {base: {user: u}}\n"}})
              .at("services.web.user") == "u");
}

TEST_CASE("other keys of extends are let through") {
    const Shown shown =
        show_text("services: {base: {image: a}, web: {extends: {service: base, more: 1}}}\n");
    CHECK(shown.remarks == "");
    CHECK(shown.at("services.web.image") == "a");
}

}  // namespace davit::compose
