#include "base/json.h"
#include "compose/model_output.h"
#include "tests/compose/shown.h"

namespace davit::compose {
namespace {

using testing::show_files;
using testing::show_text;
using testing::Shown;

std::string yaml_of(const Shown& shown) {
    return shown.without_folder(model_as_yaml(shown.model(), true));
}

/// Loads what was printed from the same folder name again; all paths in it are absolute already.
Shown reloaded(const std::string& text, bool interpolate = true) {
    return show_files({{"compose.yaml", text}},
                      [&](LoadOptions& options) { options.interpolate = interpolate; });
}

/// Texts that a writer of YAML gets wrong, as the author writes them in double quotes.
constexpr const char* kHardTexts[] = {
    "yes",      "no",         "On",         "off",       "y",
    "N",        "true",       "False",      "null",      "~",
    "",         " ",          "1.5",        "1",         "010",
    "0x1F",     "0o7",        "1_000",      "1e3",       ".5",
    ".inf",     ".nan",       "2001-01-01", "12:30:45",  "+1",
    "-1",       "-",          "- a",        "---",       "...",
    "?",        "? a",        ":",          "a: b",      "a:",
    "a #b",     "a#b",        "#a",         "*a",        "&a",
    "!a",       "%a",         "@a",         "`a",        "{a}",
    "[a]",      "a, b",       "|",          ">",         "<<",
    "=",        " a",         "a ",         "'a'",       R"(\"a\")",
    R"(a\\b)",  R"(a\tb)",    R"(a\nb)",    R"(a\nb\n)", R"(\n)",
    R"(a\r\n)", R"(a\u0007)", "größe",      "☃",         "𝄞",
    "$$HOME",   "$${A:-b}",   "a$$$$b",     "$$",        "12345678901234567890",
};

}  // namespace

TEST_CASE("every text comes back as it was") {
    std::string text = "services:\n  web:\n    image: x\n    environment:\n";
    std::size_t number = 0;
    for (const char* hard : kHardTexts)
        text += "      V" + std::to_string(number++) + ": \"" + hard + "\"\n";
    text += "      NONE:\n    command:\n";
    for (const char* hard : kHardTexts) text += std::string("      - \"") + hard + "\"\n";
    text += "    labels:\n";
    for (const char* hard : kHardTexts)
        if (std::string_view(hard).find('$') == std::string_view::npos)
            text += std::string("      \"") + hard + "\": \"" + hard + "\"\n";
    const Shown shown = show_text(text);
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    CHECK(shown.remarks == "");
    const std::string as_yaml = model_as_yaml(shown.model(), true);
    const std::string as_json = model_as_json(shown.model(), true);
    for (const std::string& printed : {as_yaml, as_json}) {
        const Shown again = reloaded(printed);
        REQUIRE_MESSAGE(again.result.has_value(), again.remarks);
        for (const char* key : {"environment", "command", "labels"}) {
            CAPTURE(key);
            const std::string path = std::string("services.web.") + key;
            CHECK(again.at(path) == shown.at(path));
        }
        CHECK(model_as_yaml(again.model(), true).find("V0: \"yes\"\n") != std::string::npos);
        CHECK(model_as_json(again.model(), true) == as_json);
    }
}

TEST_CASE("a project comes back as it was") {
    const std::string text =
        "name: shop\n"
        "services:\n"
        "  web:\n"
        "    image: nginx\n"
        "    build: {context: ./ctx, args: {A: 1, B: }, ssh: [default], tags: [t]}\n"
        "    command: sh -c 'echo a && b'\n"
        "    entrypoint: []\n"
        "    cpus: 0.5\n"
        "    mem_limit: 1.5g\n"
        "    memswap_limit: -1\n"
        "    init: \"true\"\n"
        "    tty: false\n"
        "    stop_grace_period: 90s\n"
        "    healthcheck: {test: [CMD, a], interval: 1m30s, retries: 0, timeout: 0s}\n"
        "    ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}\n"
        "    deploy: {replicas: 0, resources: {limits: {cpus: 0.5, memory: 1536m}}}\n"
        "    depends_on: {db: {condition: service_healthy, required: false}}\n"
        "    links: [\"db:database\"]\n"
        "    ports: [\"8000-8001:80-81\", \"127.0.0.1::90/udp\", {target: 7, name: n}]\n"
        "    secrets: [s, {source: s, target: /x, mode: 0440}]\n"
        "    tmpfs: /t\n"
        "    volumes: [./a:/a:ro, \"data:/d\", /anonymous, {type: tmpfs, target: /x, tmpfs: "
        "{size: 1m, mode: 0700}}]\n"
        "    gpus: all\n"
        "    devices: [/dev/fuse]\n"
        "    extra_hosts: {b: 10.0.0.1, a: [10.0.0.2, \"::1\"]}\n"
        "    environment: [A=$$x, B]\n"
        "    labels: {a: , b: 1.50, c: true}\n"
        "    logging: {driver: json-file, options: {max-file: 3}}\n"
        "    networks: {front: {aliases: [w], priority: 5}, default: }\n"
        "    restart: \"no\"\n"
        "    x-kept: {a: [1, no]}\n"
        "  db: {image: postgres, profiles: [], attach: false}\n"
        "networks:\n"
        "  front: {internal: true, ipam: {config: [{subnet: 10.0.0.0/24}]}}\n"
        "volumes: {data: {labels: [a=b]}}\n"
        "secrets: {s: {file: ./s}}\n"
        "x-top: {a: [1, {b: \"no\"}], z: }\n";
    const Shown shown = show_text(text);
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    const std::string as_yaml = model_as_yaml(shown.model(), true);
    const Shown from_yaml = reloaded(as_yaml);
    REQUIRE_MESSAGE(from_yaml.result.has_value(), from_yaml.remarks);
    CHECK(model_as_yaml(from_yaml.model(), true) == as_yaml);
    const std::string as_json = model_as_json(shown.model(), true);
    CHECK(model_as_json(from_yaml.model(), true) == as_json);
    const Shown from_json = reloaded(as_json);
    REQUIRE_MESSAGE(from_json.result.has_value(), from_json.remarks);
    CHECK(model_as_json(from_json.model(), true) == as_json);
}

TEST_CASE("what is printed is sorted and leaves out what says nothing") {
    const Shown shown = show_text(
        "x-z: {b: 1, a: 2}\n"
        "volumes: {data: , unused: }\n"
        "services:\n"
        "  web:\n"
        "    volumes: [\"data:/d\"]\n"
        "    image: x\n"
        "    tty: false\n"
        "    cap_add: []\n"
        "    environment: {B: 1, A: }\n"
        "    expose: [80]\n"
        "  api: {image: y, network_mode: none, command: []}\n"
        "version: \"3\"\n");
    CHECK(yaml_of(shown) ==
          "name: shop\n"
          "services:\n"
          "  api:\n"
          "    command: []\n"
          "    image: \"y\"\n"
          "    network_mode: none\n"
          "  web:\n"
          "    environment:\n"
          "      A: null\n"
          "      B: \"1\"\n"
          "    expose:\n"
          "      - \"80\"\n"
          "    image: x\n"
          "    networks:\n"
          "      default: null\n"
          "    volumes:\n"
          "      - source: data\n"
          "        target: /d\n"
          "        type: volume\n"
          "        volume: {}\n"
          "networks:\n"
          "  default:\n"
          "    name: shop_default\n"
          "volumes:\n"
          "  data:\n"
          "    name: shop_data\n"
          "x-z:\n"
          "  a: 2\n"
          "  b: 1\n");
}

TEST_CASE("JSON has the types and the defaults of Docker Compose") {
    const Shown shown = show_text(
        "services:\n"
        "  web:\n"
        "    image: x\n"
        "    cpus: 0.5\n"
        "    mem_limit: 1m\n"
        "    pids_limit: \"5\"\n"
        "    init: \"true\"\n"
        "    stop_grace_period: 90s\n"
        "    ports: [\"80:81\"]\n"
        "    extra_hosts: {b: 10.0.0.1, a: 10.0.0.2}\n"
        "    labels: {a: , b: 1.50, c: true, d: 1e10}\n"
        "    environment: {a: , b: 010}\n"
        "    x-own: 1\n"
        "x-top: 1\n");
    // As text: the order of keys is part of it.
    CHECK(Json::parse(model_as_json(shown.model(), true)).dump() == Json::parse(R"({
        "name": "shop",
        "services": {"web": {
            "command": null, "cpus": 0.5, "entrypoint": null,
            "environment": {"a": null, "b": "8"},
            "extra_hosts": ["a=10.0.0.2", "b=10.0.0.1"], "image": "x", "init": true,
            "labels": {"a": "", "b": "1.5", "c": "true", "d": "1e+10"},
            "mem_limit": "1048576", "networks": {"default": null}, "pids_limit": 5,
            "ports": [{"mode": "ingress", "protocol": "tcp", "published": "80", "target": 81}],
            "stop_grace_period": "1m30s"}},
        "networks": {"default": {"ipam": {}, "name": "shop_default"}},
        "x-top": 1})")
                                                                        .dump());
}

TEST_CASE("dollars are doubled only where variables were replaced") {
    const std::string text =
        "services: {web: {image: \"a:${TAG-1}\", environment: {A: \"$$x $${y}\", B: \"$TAG\"}}}\n";
    const Shown done = show_text(text);
    CHECK(done.at("services.web.environment.A") == "$x ${y}");
    CHECK(yaml_of(done).find("A: $$x $${y}\n") == std::string::npos);  // '{' wants quotes
    CHECK(yaml_of(done).find("A: \"$$x $${y}\"\n") != std::string::npos);

    const Shown kept = show_files({{"compose.yaml", text}},
                                  [](LoadOptions& options) { options.interpolate = false; });
    const std::string printed = model_as_yaml(kept.model(), false);
    CHECK(printed.find("image: \"a:${TAG-1}\"\n") != std::string::npos);
    CHECK(printed.find("A: \"$$x $${y}\"\n") != std::string::npos);
    CHECK(printed.find("B: $TAG\n") != std::string::npos);
    CHECK(model_as_yaml(reloaded(printed, false).model(), false) == printed);
    // Replaced later, it is what it would have been at once.
    const Shown later = reloaded(printed);
    CHECK(later.at("services.web.image") == "a:1");
    CHECK(later.at("services.web.environment.A") == "$x ${y}");
}

TEST_CASE("a value is explained by the line that says it") {
    const std::map<std::string, std::string> files = {
        {"compose.yaml",
         "include:\n"                          // 1
         "  - inc/db.yaml\n"                   // 2
         "x-common: &common\n"                 // 3
         "  restart: always\n"                 // 4
         "services:\n"                         // 5
         "  web:\n"                            // 6
         "    <<: *common\n"                   // 7
         "    extends:\n"                      // 8
         "      file: base/base.yaml\n"        // 9
         "      service: base\n"               // 10
         "    image: nginx:${TAG:-1}\n"        // 11
         "    environment:\n"                  // 12
         "      - A=1\n"                       // 13
         "      - B=1\n"                       // 14
         "    ports:\n"                        // 15
         "      - \"8000-8001:80-81\"\n"       // 16
         "    build: ./ctx\n"                  // 17
         "    command: run it\n"               // 18
         "    links: [db]\n"                   // 19
         "    volumes:\n"                      // 20
         "      - data:/data\n"                // 21
         "    mem_limit: 1g\n"                 // 22
         "volumes:\n"                          // 23
         "  data: {labels: {l: \"yes\"}}\n"},  // 24
        {"compose.override.yaml",
         "services:\n"          // 1
         "  web:\n"             // 2
         "    environment:\n"   // 3
         "      B: 2\n"         // 4
         "    user: over\n"     // 5
         "    mem_limit: 2g\n"  // 6
         "    ports: [90]\n"},  // 7
        {"base/base.yaml",
         "services:\n"  // 1
         "  base:\n"    // 2
         "    extends: {file: ../root.yaml, service: root}\n"
         "    hostname: base\n"          // 4
         "    environment: {C: base}\n"  // 5
         "    labels: [l=base]\n"},      // 6
        {"root.yaml", "services: {root: {image: r, stop_signal: SIGINT}}\n"},
        {"inc/db.yaml",
         "services:\n"                // 1
         "  db:\n"                    // 2
         "    image: postgres\n"      // 3
         "    volumes: [./d:/d]\n"},  // 4
    };
    const Shown shown = show_files(files);
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    struct Case {
        const char* path;
        const char* expected;
    };
    const Case cases[] = {
        {"services.web.image", "nginx:1\n    compose.yaml:11:12"},
        {"services.web.restart", "always\n    compose.yaml:4:12"},
        {"services.web.environment.A", "\"1\"\n    compose.yaml:13:9"},
        {"services.web.environment.B", "\"2\"\n    compose.override.yaml:4:10"},
        {"services.web.environment.C", "base\n    ./base/base.yaml:5:22"},
        {"services.web.labels.l", "base\n    ./base/base.yaml:6:14"},
        {"services.web.hostname", "base\n    ./base/base.yaml:4:15"},
        {"services.web.stop_signal", "SIGINT\n    ./root.yaml:1:42"},
        {"services.web.user", "over\n    compose.override.yaml:5:11"},
        {"services.web.mem_limit", "\"2147483648\"\n    compose.override.yaml:6:16"},
        {"services.web.ports[0].target", "80\n    compose.yaml:16:9"},
        {"services.web.ports[1].published", "\"8001\"\n    compose.yaml:16:9"},
        {"services.web.ports[2].target", "90\n    compose.override.yaml:7:13"},
        {"services.web.build.context", "./ctx\n    compose.yaml:17:12"},
        {"services.web.command[1]", "it\n    compose.yaml:18:14"},
        {"services.web.depends_on.db.condition", "service_started\n    compose.yaml:19:13"},
        {"services.web.volumes[0].source", "data\n    compose.yaml:21:9"},
        {"services.web.networks.default", "null\n    by default"},
        {"services.db.image", "postgres\n    ./inc/db.yaml:3:12"},
        {"services.db.volumes[0].source", "./inc/d\n    ./inc/db.yaml:4:15"},
        {"volumes.data.labels.l", "\"yes\"\n    compose.yaml:24:22"},
    };
    for (const Case& c : cases) {
        CAPTURE(std::string(c.path));
        CHECK(shown.without_folder(explain_value(shown.model(), c.path)) ==
              std::string(c.path) + ": " + c.expected + "\n");
    }
    for (const char* path : {"services.none", "services.web.ports[3]", "services.web.ports[x]",
                             "services.web.ports[-1]", "services.web.image.tag", "services.web[0]"})
        CHECK(explain_value(shown.model(), path).empty());
}

TEST_CASE("a mapping is explained key by key in order") {
    const Shown shown = show_text(
        "services:\n"
        "  web:\n"
        "    image: x\n"
        "    labels:\n"
        "      b.c: 1\n"
        "      a: 2\n"
        "    command: []\n");
    CHECK(explain_value(shown.model(), "services.web.labels") ==
          "services.web.labels.a: \"2\"\n"
          "    compose.yaml:6:10\n"
          "services.web.labels.b.c: \"1\"\n"
          "    compose.yaml:5:12\n");
    CHECK(explain_value(shown.model(), "services.web.labels.b.c") ==
          "services.web.labels.b.c: \"1\"\n"
          "    compose.yaml:5:12\n");
    CHECK(explain_value(shown.model(), "services.web.command") ==
          "services.web.command: []\n"
          "    compose.yaml:7:14\n");
}

}  // namespace davit::compose
