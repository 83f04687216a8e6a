#include "tests/compose/shown.h"

// @source Compose spec 14-include.md; compose-go loader/include.go
namespace davit::compose {
namespace {

using testing::show_files;
using testing::Shown;

constexpr const char* kIncludedWeb = "services: {web: {image: nginx}}\n";

std::string including(const std::string& list) { return "include: " + list + "\n" + kIncludedWeb; }

}  // namespace

TEST_CASE("an included file brings its resources and has a folder and variables of its own") {
    const Shown shown = show_files({{"compose.yaml",
                                     "name: outer\n"
                                     "include: [db/compose.yaml]\n"
                                     "services: {web: {image: nginx, depends_on: [db]}}\n"},
                                    {".env", "W=outer\n"},
                                    {"db/compose.yaml",
                                     "name: inner\n"
                                     "x-inner: 1\n"
                                     "services:\n"
                                     "  db:\n"
                                     "    image: pg:${V}-${COMPOSE_PROJECT_NAME}\n"
                                     "    volumes: [\"./d:/d\", \"data:/x\"]\n"
                                     "    environment: [V, W]\n"
                                     "    env_file: e.env\n"
                                     "volumes: {data: {}}\n"},
                                    {"db/.env", "V=inner\nW=inner\n"},
                                    {"db/e.env", "E=$V-$W\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.remarks == "");
    CHECK(shown.at("name") == "outer");
    CHECK(shown.at("x-inner") == "absent");
    CHECK(shown.at("include") == "absent");
    CHECK(shown.at("services.db.image") == "pg:inner-outer");
    CHECK(shown.at("services.db.volumes[0].source") == "./db/d");
    CHECK(shown.at("services.db.environment") == "{E: inner-outer, V: inner, W: outer}");
    CHECK(shown.at("volumes.data") == "{name: outer_data}");
    CHECK(shown.at("networks") == "{default: {name: outer_default}}");
    CHECK(shown.result->environment.count("V") == 0);
}

TEST_CASE("the forms of include") {
    const std::map<std::string, std::string> files = {
        {"a/a.yaml", "services: {a: {image: \"${V:-none}\", volumes: [\"./x:/x\"]}}\n"},
        {"a/.env", "V=a\n"},
        {"b/.env", "V=b\n"},
        {"one.env", "V=one\n"},
        {"two.env", "V=two\n"},
        {"over.yaml", "services: {a: {user: over, volumes: [\"./y:/y\"]}}\n"},
    };
    struct Case {
        const char* include;
        const char* image;
        const char* source;
        const char* user = "absent";
    };
    const Case cases[] = {
        {"[a/a.yaml]", "a", "./a/x"},
        {"[\"${DIR:-a}/a.yaml\"]", "a", "./a/x"},
        {"[./a/../a/a.yaml]", "a", "./a/x"},
        {"[{path: a/a.yaml}]", "a", "./a/x"},
        {"[{path: [a/a.yaml]}]", "a", "./a/x"},
        {"[{path: [a/a.yaml, over.yaml]}]", "a", "./a/x", "over"},
        {"[{path: [over.yaml, a/a.yaml]}]", "none", "./y", "over"},
        {"[{path: a/a.yaml, project_directory: b}]", "b", "./b/x"},
        {"[{path: [a/a.yaml, over.yaml], project_directory: b}]", "b", "./b/x", "over"},
        {"[{path: a/a.yaml, project_directory: .}]", "none", "./x"},
        {"[{path: a/a.yaml, env_file: one.env}]", "one", "./a/x"},
        {"[{path: a/a.yaml, env_file: [one.env, two.env]}]", "two", "./a/x"},
        {"[{path: a/a.yaml, env_file: /dev/null}]", "none", "./a/x"},
        {"[{path: a/a.yaml, project_directory: b, env_file: one.env}]", "one", "./b/x"},
        {"[{path: a/a.yaml, more: 1}]", "a", "./a/x"},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.include));
        std::map<std::string, std::string> all = files;
        all["compose.yaml"] = including(c.include);
        const Shown shown = show_files(all);
        REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
        CHECK(shown.remarks == "");
        CHECK(shown.at("services.a.image") == c.image);
        CHECK(shown.at("services.a.volumes[0].source") == c.source);
        CHECK(shown.at("services.a.user") == c.user);
        CHECK(shown.at("services.web.image") == "nginx");
    }
}

TEST_CASE("all relative paths of an included file are its own") {
    const Shown shown =
        show_files({{"compose.yaml",
                     "include: [a/a.yaml]\nservices: {web: {image: x, secrets: [s], "
                     "configs: [c]}}\n"},
                    {"a/a.yaml",
                     "services:\n"
                     "  a: {build: {dockerfile: D}}\n"
                     "  b: {build: ctx}\n"
                     "  c: {extends: {file: base.yaml, service: base}}\n"
                     "secrets: {s: {file: ./s.txt}}\n"
                     "configs: {c: {file: ../c.txt}}\n"},
                    {"a/base.yaml", "services: {base: {image: x, volumes: [\"./v:/v\"]}}\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.at("services.a.build.context") == "./a");
    CHECK(shown.at("services.b.build.context") == "./a/ctx");
    CHECK(shown.at("services.c.volumes[0].source") == "./a/v");
    CHECK(shown.at("secrets.s.file") == "./a/s.txt");
    CHECK(shown.at("configs.c.file") == "./c.txt");
}

TEST_CASE("included files include others") {
    const Shown shown =
        show_files({{"compose.yaml", including("[a/a.yaml]")},
                    {"a/a.yaml", "include: [b/b.yaml]\nservices: {a: {image: \"a$X${Y-}\"}}\n"},
                    {"a/.env", "X=a\n"},
                    {"a/b/b.yaml", "services: {b: {image: \"b$X$Y\", volumes: [\"./v:/v\"]}}\n"},
                    {"a/b/.env", "X=b\nY=b\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.remarks == "");
    CHECK(shown.at("services.a.image") == "aa");
    CHECK(shown.at("services.b.image") == "bab");
    CHECK(shown.at("services.b.volumes[0].source") == "./a/b/v");
    CHECK(shown.result->service_names.size() == 3);
}

TEST_CASE("a file that is included by two others is there once") {
    const Shown shown =
        show_files({{"compose.yaml", including("[a.yaml, b.yaml]")},
                    {"a.yaml", "include: [c.yaml]\nservices: {a: {image: a}}\n"},
                    {"b.yaml", "include: [c.yaml]\nservices: {b: {image: b, depends_on: [c]}}\n"},
                    {"c.yaml", "services: {c: {image: c}}\nnetworks: {default: {}}\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.remarks == "");
    CHECK(shown.at("services.c.image") == "c");
}

TEST_CASE("a resource of both files must be the same in both") {
    struct Case {
        const char* outer;
        const char* inner;
        const char* remarks;
    };
    const Case cases[] = {
        {"services: {web: {image: x}}", "services: {web: {image: x}}", ""},
        {"services: {web: {image: x, ports: [80]}}",
         "services: {web: {ports: [{target: 80, mode: ingress, protocol: tcp}], image: x}}", ""},
        {"services: {web: {image: x}}", "services: {web: {image: y}}",
         "compose.yaml:2:12: 'services.web' is in an included file too, and differs\n"},
        {"services: {web: {image: x}}\nnetworks: {n: {}}", "networks: {n: }", ""},
        {"services: {web: {image: x}}\nnetworks: {n: {}}", "networks: {n: {driver: bridge}}",
         "compose.yaml:3:12: 'networks.n' is in an included file too, and differs\n"},
        {"services: {web: {image: x}}\nvolumes: {v: {}}", "volumes: {v: {name: w}}",
         "compose.yaml:3:11: 'volumes.v' is in an included file too, and differs\n"},
        {"services: {web: {image: x}}\nsecrets: {s: {file: s}}", "secrets: {s: {environment: S}}",
         "compose.yaml:3:11: 'secrets.s' is in an included file too, and differs\n"},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.outer));
        CAPTURE(std::string(c.inner));
        const Shown shown =
            show_files({{"compose.yaml", std::string("include: [i.yaml]\n") + c.outer + "\n"},
                        {"i.yaml", std::string(c.inner) + "\n"}});
        CHECK(shown.remarks == c.remarks);
        CHECK(shown.result.has_value() == (*c.remarks == '\0'));
    }
}

TEST_CASE("an override file changes what the first file included") {
    const Shown shown =
        show_files({{"compose.yaml", including("[a.yaml]")},
                    {"compose.override.yaml",
                     "services: {a: {image: over, user: !reset null, ports: [81]}}\n"},
                    {"a.yaml", "services: {a: {image: a, user: u, ports: [80]}}\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.at("services.a.image") == "over");
    CHECK(shown.at("services.a.user") == "absent");
    CHECK(shown.at("services.a.ports[1].target") == "81");
}

TEST_CASE("an override file includes too") {
    const Shown shown = show_files({{"compose.yaml", kIncludedWeb},
                                    {"compose.override.yaml", "include: [a.yaml]\n"},
                                    {"a.yaml", "services: {a: {image: a}}\n"}});
    CHECK(shown.at("services.a.image") == "a");
}

TEST_CASE("an included service can be extended and keeps its profiles") {
    const Shown shown = show_files(
        {{"compose.yaml",
          "include: [a.yaml]\nservices: {web: {extends: a, image: x, profiles: !reset []}}\n"},
         {"a.yaml", "services: {a: {image: a, hostname: h, profiles: [p]}}\n"}});
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.at("services.web.hostname") == "h");
    CHECK(shown.at("services.a") == "absent");
    CHECK(shown.result->profiles == std::vector<std::string>{"p"});
}

TEST_CASE("variables without a value follow the form they stand in") {
    // Of a mapping they are those of the project, as with Docker Compose.
    const Shown shown = show_files({{"compose.yaml", including("[a/a.yaml]")},
                                    {".env", "U=outer\n"},
                                    {"a/a.yaml",
                                     "services:\n"
                                     "  list: {image: x, environment: [U, V]}\n"
                                     "  map: {image: x, environment: {U: , V: }}\n"},
                                    {"a/.env", "U=inner\nV=inner\n"}});
    CHECK(shown.at("services.list.environment") == "{U: outer, V: inner}");
    CHECK(shown.at("services.map.environment") == "{U: outer, V: null}");
}

}  // namespace davit::compose
