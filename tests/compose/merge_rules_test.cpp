#include "tests/compose/shown.h"

// How each attribute of two files becomes one. @source Compose spec 13-merge.md; compose-go
// override/
namespace davit::compose {
namespace {

using testing::show_files;
using testing::show_text;
using testing::Shown;

/// A service `web` of two files; the lines of each are indented by four blanks already.
Shown merged_web(const std::string& base, const std::string& over) {
    return show_files({{"compose.yaml", "services:\n  web:\n    image: nginx\n" + base},
                       {"compose.override.yaml", "services:\n  web:\n" + over}});
}

struct Case {
    const char* path;  ///< Below services.web, or from the top where it begins with '/'.
    const char* base;
    const char* over;
    const char* expected;
};

void check(const Case& c) {
    CAPTURE(std::string(c.path));
    CAPTURE(std::string(c.base));
    CAPTURE(std::string(c.over));
    const Shown shown = merged_web(c.base, c.over);
    REQUIRE_MESSAGE(shown.result.has_value(), shown.remarks);
    const std::string path =
        *c.path == '/' ? std::string(c.path + 1) : std::string("services.web.") + c.path;
    CHECK(shown.at(path) == c.expected);
}

}  // namespace

TEST_CASE("single values are replaced and null leaves them alone") {
    const Case cases[] = {
        {"image", "", "    image: httpd\n", "httpd"},
        {"hostname", "    hostname: a\n", "    hostname: b\n", "b"},
        {"hostname", "    hostname: a\n", "    hostname:\n", "a"},
        {"environment", "    environment: {A: 1}\n", "    environment:\n", "{A: \"1\"}"},
        {"ports[0].target", "    ports: [80]\n", "    ports:\n", "80"},
        {"init", "    init: true\n", "    init: false\n", "false"},
        {"stop_grace_period", "    stop_grace_period: 10s\n", "    stop_grace_period: 90s\n",
         "1m30s"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("commands and tests are replaced as a whole") {
    const Case cases[] = {
        {"command", "    command: [a, b]\n", "    command: c d\n", "[c, d]"},
        {"command", "    command: [a, b]\n", "    command:\n", "null"},
        {"command", "    command: [a, b]\n", "    command: []\n", "[]"},
        {"entrypoint", "    entrypoint: a b\n", "    entrypoint: [c]\n", "[c]"},
        {"entrypoint", "    entrypoint: a\n", "    entrypoint: null\n", "null"},
        {"healthcheck", "    healthcheck: {test: [CMD, a, b], interval: 10s, retries: 3}\n",
         "    healthcheck: {test: c d, timeout: 5s}\n",
         "{interval: 10s, retries: 3, test: [CMD-SHELL, c d], timeout: 5s}"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("tables of names and values merge by name in either form") {
    for (const char* key : {"environment", "labels", "annotations", "sysctls"}) {
        const std::string name = std::string("    ") + key;
        const std::string list = name + ": [a=1, b=1]\n";
        const std::string map = name + ": {a: 1, b: 1}\n";
        for (const std::string& base : {list, map}) {
            for (const char* over : {": [b=2, c=2]\n", ": {b: 2, c: 2}\n"})
                check({key, base.c_str(), (name + over).c_str(), R"({a: "1", b: "2", c: "2"})"});
        }
    }
    const Case cases[] = {
        {"environment", "    environment: [A=1, B=1]\n", "    environment: [A]\n",
         R"({A: null, B: "1"})"},
        {"environment", "    environment: {A: 1, B: 1}\n", "    environment: {A: }\n",
         R"({A: null, B: "1"})"},
        {"environment", "    environment: {A: 1}\n", "    environment: {A: \"\"}\n", "{A: \"\"}"},
        {"build.args", "    build: {args: [A=1, B=1]}\n", "    build: {args: {B: 2}}\n",
         R"({A: "1", B: "2"})"},
        {"build.labels", "    build: {labels: {l: 1}}\n", "    build: {labels: [l=2]}\n",
         "{l: \"2\"}"},
        {"build.additional_contexts", "    build: {additional_contexts: [a=./x, b=./x]}\n",
         "    build: {additional_contexts: {b: ./y}}\n", "{a: ./x, b: ./y}"},
        {"deploy.labels", "    deploy: {labels: [l=1]}\n", "    deploy: {labels: {l: 2}}\n",
         "{l: \"2\"}"},
        {"/networks.n.labels", "    networks: [n]\nnetworks: {n: {labels: [a=1]}}\n",
         "    user: u\nnetworks: {n: {labels: {a: 2, b: 2}}}\n", R"({a: "2", b: "2"})"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("lists are appended and hold each thing once") {
    for (const char* key : {"cap_add", "cap_drop"}) {
        const std::string name = std::string("    ") + key;
        check({key, (name + ": [KILL, CHOWN]\n").c_str(), (name + ": [CHOWN, SETUID]\n").c_str(),
               "[KILL, CHOWN, SETUID]"});
    }
    const Case cases[] = {
        {"expose", "    expose: [\"80\", 81]\n", "    expose: [80, \"82\"]\n",
         R"(["80", "81", "82"])"},
        {"dns", "    dns: 1.1.1.1\n", "    dns: [8.8.8.8, 1.1.1.1]\n", "[1.1.1.1, 8.8.8.8]"},
        {"dns_search", "    dns_search: [a.example]\n", "    dns_search: b.example\n",
         "[a.example, b.example]"},
        {"tmpfs", "    tmpfs: /a\n", "    tmpfs: [/b, /a]\n", "[/a, /b]"},
        {"profiles", "    profiles: []\n", "    profiles: []\n", "[]"},
        {"group_add", "    group_add: [a, 5]\n", "    group_add: [b]\n", "[a, \"5\", b]"},
        {"security_opt", "    security_opt: [no-new-privileges]\n",
         "    security_opt: [seccomp=unconfined]\n", "[no-new-privileges, seccomp=unconfined]"},
        {"dns_opt", "    dns_opt: [rotate]\n", "    dns_opt: [rotate, \"ndots:2\"]\n",
         "[rotate, ndots:2]"},
        {"build.tags", "    build: {tags: [a, b]}\n", "    build: {tags: [b, c]}\n", "[a, b, c]"},
        {"build.cache_from", "    build: {cache_from: [a]}\n", "    build: {cache_from: [b]}\n",
         "[a, b]"},
        {"extra_hosts", "    extra_hosts: [a=10.0.0.1]\n",
         "    extra_hosts: {a: 10.0.0.2, b: 10.0.0.3}\n", "[a=10.0.0.1, a=10.0.0.2, b=10.0.0.3]"},
        {"links", "    links: [\"db:x\"]\n  db: {image: x}\n", "    links: [\"db:x\", db]\n",
         "[db:x, db]"},
        {"build.ssh", "    build: {ssh: [default, a=./k]}\n", "    build: {ssh: {a: ./j}}\n",
         "[default, a=./j]"},
        {"post_start", "    post_start: [{command: a}]\n", "    post_start: [{command: b}]\n",
         "[{command: [a]}, {command: [b]}]"},
        {"develop.watch", "    develop: {watch: [{path: ./a, action: rebuild}]}\n",
         "    develop: {watch: [{path: ./b, action: restart}]}\n",
         "[{action: rebuild, path: ./a}, {action: restart, path: ./b}]"},
        {"networks.n.aliases", "    networks: {n: {aliases: [x, z]}}\nnetworks: {n: {}}\n",
         "    networks: {n: {aliases: [z, w]}}\n", "[x, z, w]"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("the same value twice in a list of options is refused") {
    CHECK(merged_web("    security_opt: [no-new-privileges]\n",
                     "    security_opt: [no-new-privileges]\n")
              .remarks ==
          "compose.override.yaml:3:20: 'no-new-privileges' stands in 'services.web.security_opt' "
          "twice\n");
}

TEST_CASE("ports are one where address and both numbers and protocol are the same") {
    const Case cases[] = {
        {"ports", "    ports: [\"80:80\", 90]\n", "    ports: [\"80:80/tcp\"]\n",
         R"([{mode: ingress, protocol: tcp, published: "80", target: 80}, )"
         "{mode: ingress, protocol: tcp, target: 90}]"},
        {"ports", "    ports: [\"127.0.0.1:81:81\"]\n",
         "    ports: [{target: 81, published: 81, host_ip: 127.0.0.1, app_protocol: http}]\n",
         "[{app_protocol: http, host_ip: 127.0.0.1, mode: ingress, protocol: tcp, "
         "published: \"81\", target: 81}]"},
        {"ports", "    ports: [\"80:80\"]\n", "    ports: [\"80:80/udp\"]\n",
         R"([{mode: ingress, protocol: tcp, published: "80", target: 80}, )"
         R"({mode: ingress, protocol: udp, published: "80", target: 80}])"},
        {"ports", "    ports: [\"80:80\"]\n", "    ports: [\"8080:80\"]\n",
         R"([{mode: ingress, protocol: tcp, published: "80", target: 80}, )"
         R"({mode: ingress, protocol: tcp, published: "8080", target: 80}])"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("what is mounted on the same target takes the earlier place") {
    const Case cases[] = {
        {"volumes", "    volumes: [./a:/x, data:/y]\nvolumes: {data: {}}\n",
         "    volumes: [./b:/y/, ./c:/z]\n",
         "[{bind: {create_host_path: true}, source: ./a, target: /x, type: bind}, "
         "{bind: {create_host_path: true}, source: ./b, target: /y, type: bind}, "
         "{bind: {create_host_path: true}, source: ./c, target: /z, type: bind}]"},
        {"volumes", "    volumes: [./a:/x]\n",
         "    volumes: [{type: tmpfs, target: /x, tmpfs: {size: 1m}}]\n",
         "[{target: /x, tmpfs: {size: \"1048576\"}, type: tmpfs}]"},
        {"secrets",
         "    secrets: [one, {source: one, target: /x}]\n"
         "secrets: {one: {file: ./1}, two: {file: ./2}}\n",
         "    secrets: [{source: two, target: /x, mode: 0400}, {source: two, target: "
         "/run/secrets/one}]\n",
         "[{source: two, target: /run/secrets/one}, "
         "{mode: \"0400\", source: two, target: /x}]"},
        {"configs", "    configs: [one]\nconfigs: {one: {file: ./1}, two: {file: ./2}}\n",
         "    configs: [{source: two, target: /one}, two]\n",
         "[{source: two, target: /one}, {source: two}]"},
        {"devices", "    devices: [/dev/a:/dev/x, /dev/b]\n",
         "    devices: [\"/dev/c:/dev/x:r\"]\n",
         "[{permissions: r, source: /dev/c, target: /dev/x}, "
         "{permissions: rwm, source: /dev/b, target: /dev/b}]"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("env files keep their first place and their last form") {
    const Shown shown =
        show_files({{"compose.yaml", "services: {web: {image: x, env_file: [a.env, b.env]}}\n"},
                    {"compose.override.yaml",
                     "services: {web: {env_file: [c.env, {path: a.env, format: raw}]}}\n"},
                    {"a.env", "A='a'\nB=a\n"},
                    {"b.env", "B=b\nC=b\n"},
                    {"c.env", "C=c\n"}});
    CHECK(shown.at("services.web.environment") == "{A: 'a', B: b, C: c}");
}

TEST_CASE("short and long forms merge") {
    const Case cases[] = {
        {"depends_on",
         "    depends_on: {db: {condition: service_healthy, restart: true}}\n  db: {image: x}\n",
         "    depends_on: [db]\n",
         "{db: {condition: service_started, required: true, restart: true}}"},
        {"depends_on", "    depends_on: [db]\n  db: {image: x}\n",
         "    depends_on: {db: {condition: service_healthy, required: false}}\n",
         "{db: {condition: service_healthy, required: false}}"},
        {"build", "    build: ./a\n", "    build: {dockerfile: D, target: t}\n",
         "{context: ./a, dockerfile: D, target: t}"},
        {"build", "    build: {context: ./a, dockerfile: D}\n", "    build: ./b\n",
         "{context: ./b, dockerfile: D}"},
        {"networks", "    networks: [a, b]\nnetworks: {a: {}, b: {}, c: {}}\n",
         "    networks: {a: {priority: 5}, c: }\n", "{a: {priority: 5}, b: null, c: null}"},
        {"networks", "    networks: {a: {aliases: [x]}}\nnetworks: {a: {}, b: {}}\n",
         "    networks: [a, b]\n", "{a: {aliases: [x]}, b: null}"},
        {"depends_on", "    depends_on: [db]\n  db: {image: x}\n",
         "    depends_on: {db: {restart: true}}\n",
         "{db: {condition: service_started, required: true, restart: true}}"},
        {"ulimits", "    ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}\n",
         "    ulimits: {nofile: {soft: 3, hard: 4}, nproc: 9}\n",
         "{nofile: {hard: 4, soft: 3}, nproc: 9}"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("logging options merge as long as the driver stays") {
    const char* both = "{driver: json-file, options: {max-file: \"2\", max-size: 1m}}";
    const Case cases[] = {
        {"logging", "    logging: {driver: json-file, options: {max-file: 2}}\n",
         "    logging: {driver: json-file, options: {max-size: 1m}}\n", both},
        {"logging", "    logging: {options: {max-file: 2}}\n",
         "    logging: {driver: json-file, options: {max-size: 1m}}\n", both},
        {"logging", "    logging: {driver: json-file, options: {max-file: 2}}\n",
         "    logging: {options: {max-size: 1m}}\n", both},
        {"logging", "    logging: {driver: local, options: {max-file: 2}}\n",
         "    logging: {driver: json-file, options: {max-size: 1m}}\n",
         "{driver: json-file, options: {max-size: 1m}}"},
        {"logging", "    logging: {driver: local, options: {max-file: 2}}\n",
         "    logging: {driver: none}\n", "{driver: none}"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("address pools merge by their subnet") {
    const Shown shown = show_files(
        {{"compose.yaml",
          "services: {web: {image: x}}\n"
          "networks: {default: {ipam: {config: [{subnet: 10.1.0.0/24, gateway: 10.1.0.1}]}}}\n"},
         {"compose.override.yaml",
          "networks: {default: {ipam: {config: [{subnet: 10.1.0.0/24, ip_range: 10.1.0.128/25}, "
          "{subnet: 10.2.0.0/24}]}}}\n"}});
    CHECK(shown.at("networks.default.ipam.config") ==
          "[{gateway: 10.1.0.1, ip_range: 10.1.0.128/25, subnet: 10.1.0.0/24}, "
          "{subnet: 10.2.0.0/24}]");
}

TEST_CASE("reset takes away and override replaces at every depth") {
    const Case cases[] = {
        {"ports", "    ports: [\"80:80\"]\n", "    ports: !reset []\n", "absent"},
        {"ports", "    ports: [\"80:80\"]\n", "    ports: !reset null\n", "absent"},
        {"ports", "    ports: [80, 81]\n", "    ports: !override [82]\n",
         "[{mode: ingress, protocol: tcp, target: 82}]"},
        {"ports[1].target", "    ports: [80]\n", "    ports: [!reset 80, 90]\n", "90"},
        {"user", "    user: u\n", "    user: !reset x\n", "absent"},
        {"environment", "    environment: {A: 1, B: 1}\n", "    environment: {A: !reset null}\n",
         "{B: \"1\"}"},
        {"environment", "    environment: [A=1, B=1]\n", "    environment: !override {C: 3}\n",
         "{C: \"3\"}"},
        {"labels", "    labels: {a: 1}\n", "    labels: !override [b=2]\n", "{b: \"2\"}"},
        {"deploy.resources.limits", "    deploy: {resources: {limits: {cpus: 1, memory: 1g}}}\n",
         "    deploy: {resources: {limits: !override {cpus: 2}}}\n", "{cpus: 2}"},
        {"healthcheck.interval", "    healthcheck: {test: a, interval: 5s}\n",
         "    healthcheck: {interval: !reset 0s}\n", "absent"},
        {"depends_on", "    depends_on: [a, b]\n  a: {image: x}\n  b: {image: x}\n",
         "    depends_on: {a: !reset {}}\n", "{b: {condition: service_started, required: true}}"},
        {"command", "    command: [a]\n", "    command: !override [b]\n", "[b]"},
        {"image", "", "    image: !override httpd\n", "httpd"},
        {"/networks.n", "    networks: [n]\nnetworks: {n: {driver: bridge, internal: true}}\n",
         "    user: u\nnetworks: {n: !override {labels: [a=1]}}\n",
         "{labels: {a: \"1\"}, name: shop_n}"},
        {"/services.db", "  db: {image: x}\n", "    user: u\n  db: !reset null\n", "absent"},
        {"/services.db", "  db: {image: x, user: u}\n", "    user: u\n  db: !override {image: y}\n",
         "{image: y, networks: {default: null}}"},
    };
    for (const Case& c : cases) check(c);
}

TEST_CASE("tags mean something in one file alone") {
    const Shown shown = show_text(
        "services: {web: {image: x, user: !reset u, labels: !override {a: b}, ports: [!reset 80, "
        "81]}}\n");
    CHECK(shown.at("services.web.user") == "absent");
    CHECK(shown.at("services.web.labels") == "{a: b}");
    CHECK(shown.at("services.web.ports") == "[{mode: ingress, protocol: tcp, target: 81}]");
}

TEST_CASE("a third file may add again what the second took away") {
    const Shown shown =
        show_files({{"a.yaml", "services: {web: {image: x, ports: [80], user: a}}\n"},
                    {"b.yaml", "services: {web: {ports: !reset [], user: !reset a}}\n"},
                    {"c.yaml", "services: {web: {ports: [90]}}\n"}},
                   [](LoadOptions& options) {
                       options.files = {"a.yaml", "b.yaml", "c.yaml"};
                   });
    CHECK(shown.at("services.web.ports") == "[{mode: ingress, protocol: tcp, target: 90}]");
    CHECK(shown.at("services.web.user") == "absent");
}

TEST_CASE("documents of one file merge in their order") {
    const Shown shown = show_text(
        "name: one\nservices: {web: {image: a, ports: [80], user: u}}\n---\n"
        "name: two\nservices: {web: {image: b, ports: [81]}}\n---\n"
        "services: {web: {ports: !override [82], user: !reset null}, db: {image: c}}\n---\n");
    CHECK(shown.at("name") == "two");
    CHECK(shown.at("services.web.image") == "b");
    CHECK(shown.at("services.web.ports") == "[{mode: ingress, protocol: tcp, target: 82}]");
    CHECK(shown.at("services.web.user") == "absent");
    CHECK(shown.at("services.db.image") == "c");
}

TEST_CASE("extensions merge as any mapping does") {
    const Case cases[] = {
        {"x-meta", "    x-meta: {a: {b: 1, c: [x]}}\n", "    x-meta: {a: {c: [y], d: 2}}\n",
         "{a: {b: 1, c: [x, y], d: 2}}"},
        {"/x-top", "x-top: {a: 1}\n", "    user: u\nx-top: {b: 2}\n", "{a: 1, b: 2}"},
    };
    for (const Case& c : cases) check(c);
}

}  // namespace davit::compose
