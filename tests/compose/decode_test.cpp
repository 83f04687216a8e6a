#include "tests/compose/support.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

using testing::load_web;
using testing::Loaded;

std::string text(const std::vector<Port>& ports) {
    std::string all;
    for (const Port& p : ports)
        all += fmt::format("{}|{}|{}|{} ", p.host_ip, p.published, p.target, p.protocol);
    return all;
}

}  // namespace

TEST_CASE("ports in their forms") {
    struct Case {
        const char* yaml;
        const char* expected;
    };
    const Case cases[] = {
        {"\"8080:80\"", "|8080|80|tcp "},
        {"80", "|0|80|tcp "},
        {"22:22", "|22|22|tcp "},
        {"\"80/udp\"", "|0|80|udp "},
        {"\"53:53/UDP\"", "|53|53|udp "},
        {"\"127.0.0.1:8080:80\"", "127.0.0.1|8080|80|tcp "},
        {"\"127.0.0.1::80\"", "127.0.0.1|0|80|tcp "},
        {"\":80\"", "|0|80|tcp "},
        {"\"[::1]:8080:80\"", "::1|8080|80|tcp "},
        {"\"::1:8080:80\"", "::1|8080|80|tcp "},
        {"\"8000-8002:8000-8002\"", "|8000|8000|tcp |8001|8001|tcp |8002|8002|tcp "},
        {"\"9000-9001\"", "|0|9000|tcp |0|9001|tcp "},
        {"\"008080:80\"", "|8080|80|tcp "},
        {"{target: 80, published: 8080, host_ip: 127.0.0.1, protocol: udp}",
         "127.0.0.1|8080|80|udp "},
        {"{target: 80, published: \"8080\", mode: host}", "|8080|80|tcp "},
        {"{target: 80}", "|0|80|tcp "},
    };
    for (const Case& c : cases) {
        CAPTURE(c.yaml);
        const Loaded loaded = load_web(fmt::format("    ports:\n      - {}\n", c.yaml));
        CHECK(text(loaded.service("web").ports) == c.expected);
    }
}

TEST_CASE("ports that are refused") {
    struct Case {
        const char* yaml;
        const char* remark;
    };
    const Case cases[] = {
        {"\"80:0\"", "'services.web.ports[0]': 0 is not a port of the container"},
        {"\"80:65536\"", "'services.web.ports[0]': '65536' is not a port: ports are 1 to 65535"},
        {"\"a:80\"", "'services.web.ports[0]': 'a' is not a port: ports are 1 to 65535"},
        {"\"+80:80\"", "'services.web.ports[0]': '+80' is not a port: ports are 1 to 65535"},
        {"\"127.0.0.1:80\"",
         "'services.web.ports[0]': '127.0.0.1' is not a port: ports are 1 to 65535"},
        {"\"localhost:80:80\"", "'services.web.ports[0]': 'localhost' is not an IP address"},
        {"\"80/foo\"", "'services.web.ports[0]': 'foo' is not a protocol"},
        {"\"9-8:9-8\"", "'services.web.ports[0]': '9-8' is not a port: it ends before it begins"},
        {"\"80-83:80-82\"",
         "'services.web.ports[0]': 4 ports of the host can't lead to 3 ports of "
         "the container"},
        {"1.5", "'services.web.ports[0]' must be a string, found the number 1.5"},
        {"[80]", "'services.web.ports[0]' must be a string, found a list"},
        {"{published: 80}", "'services.web.ports[0]' has no 'target'"},
        {"\"\"", "'services.web.ports[0]': '' is not a port: ports are 1 to 65535"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.yaml);
        const Loaded loaded = load_web(fmt::format("    ports:\n      - {}\n", c.yaml));
        CHECK(!loaded.result);
        const bool long_form = c.yaml[0] == '{';
        CHECK(loaded.remarks ==
              fmt::format("compose.yaml:5:{}: {}\n", long_form ? 10 : 9, c.remark));
    }
}

TEST_CASE("mounts in their forms") {
    struct Case {
        const char* yaml;
        Mount expected;
    };
    const Case cases[] = {
        {"./html:/srv", {MountType::Bind, "FOLDER/html", "/srv"}},
        {"../html:/srv/:ro", {MountType::Bind, "PARENT/html", "/srv", true}},
        {"/a/../b:/srv:rw,z", {MountType::Bind, "/b", "/srv"}},
        {"~/x:/srv", {MountType::Bind, "/home/tester/x", "/srv"}},
        {"data:/srv", {MountType::Volume, "data", "/srv"}},
        {"dd:/srv:ro", {MountType::Volume, "dd", "/srv", true}},
        {"/srv/a/../b", {MountType::Volume, "", "/srv/b"}},
        {"{type: bind, source: ./html, target: /srv, read_only: true}",
         {MountType::Bind, "FOLDER/html", "/srv", true}},
        {"{type: bind, source: ./h, target: /srv, bind: {create_host_path: false}}",
         {MountType::Bind, "FOLDER/h", "/srv", false, false}},
        {"{type: volume, source: data, target: /srv}", {MountType::Volume, "data", "/srv"}},
        {"{type: volume, target: /srv}", {MountType::Volume, "", "/srv"}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.yaml);
        const Loaded loaded =
            load_web(fmt::format("    volumes:\n      - {}\nvolumes:\n  data:\n  dd:\n", c.yaml));
        Mount expected = c.expected;
        const std::string parent = loaded.folder.substr(0, loaded.folder.rfind('/'));
        if (expected.source.starts_with("FOLDER")) expected.source.replace(0, 6, loaded.folder);
        if (expected.source.starts_with("PARENT")) expected.source.replace(0, 6, parent);
        REQUIRE(loaded.service("web").volumes.size() == 1);
        const Mount& mount = loaded.service("web").volumes[0];
        CHECK(mount.source == expected.source);
        CHECK(mount == expected);
    }
}

TEST_CASE("mounts that are refused") {
    struct Case {
        const char* yaml;
        const char* remark;
    };
    const Case cases[] = {
        {"nothing:/srv", "the volume 'nothing' is not defined"},
        {"a/b:/srv", "the volume 'a/b' is not defined"},
        {"data:srv", "'services.web.volumes[0]' can't be mounted on 'srv' in the container"},
        {"data:/", "'services.web.volumes[0]' can't be mounted on '/' in the container"},
        {"\":/srv\"", "':/srv' is not a mount: a part between its colons is empty"},
        {"\"data:\"", "'data:' is not a mount: a part between its colons is empty"},
        {"aa:/b:cc:dd", "'aa:/b:cc:dd' is not a mount: it has more than three parts"},
        {"80", "'services.web.volumes[0]' must be a string or a mapping, found the number 80"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.yaml);
        const Loaded loaded =
            load_web(fmt::format("    volumes:\n      - {}\nvolumes:\n  data:\n", c.yaml));
        CHECK(!loaded.result);
        CHECK(loaded.remarks == fmt::format("compose.yaml:5:9: {}\n", c.remark));
    }
    CHECK(load_web("    volumes: [{type: npipe, target: /t}]\n").remarks ==
          "compose.yaml:4:16: a mount of type 'npipe' is not supported yet\n");
    CHECK(load_web("    volumes: [{target: /t}, {type: bind, target: /u}]\n").remarks ==
          "compose.yaml:4:16: 'services.web.volumes[0]' has no 'type'\n"
          "compose.yaml:4:30: 'services.web.volumes[1]' has no 'source'\n");
}

TEST_CASE("a service with every key") {
    const Loaded loaded = testing::load_text(R"(
name: My Shop
x-anything: {goes: here}
x-davit: {data_root: ./state}
services:
  db:
    image: db
  web:
    image: nginx:1.27
    command: nginx -g "daemon off;"
    entrypoint: [/entry, "a b"]
    environment: [A=1, B, "C=x=y"]
    working_dir: /srv
    user: "1000:1000"
    hostname: web
    container_name: the-web
    depends_on: {db: {condition: service_started, required: true}}
    restart: on-failure:3
    labels: {a: 1, b: true, c: }
    logging: {driver: local, options: {max-size: 10m, max-file: 3}}
    mem_limit: 512m
    cpus: "1.5"
    deploy: {resources: {limits: {memory: 512M, cpus: 1.5, pids: 100}}}
    stop_signal: SIGQUIT
    stop_grace_period: 1m30s
    x-more: [1]
    x-davit: {data_root: /big/disk}
  keeper: {image: k, volumes: ["mine:/a", "theirs:/b", "named:/c"]}
volumes:
  mine:
  theirs: {external: true}
  named: {name: other, driver: local, labels: [x=y]}
networks:
  default: {name: lan, driver: bridge, ipam: {config: [{subnet: 10.9.0.0/24}]}}
)");
    const Project& project = loaded.project();
    CHECK(loaded.remarks.empty());
    CHECK(project.name == "myshop");
    CHECK(project.working_dir == loaded.folder);
    CHECK(project.files == std::vector<std::string>{loaded.folder + "/compose.yaml"});
    CHECK(project.data_root == loaded.folder + "/state");

    Service web;
    web.name = "web";
    web.image = "nginx:1.27";
    web.command = {"nginx", "-g", "daemon off;"};
    web.entrypoint = {"/entry", "a b"};
    web.environment = {{"A", "1"}, {"C", "x=y"}};
    web.working_dir = "/srv";
    web.user = "1000:1000";
    web.hostname = "web";
    web.container_name = "the-web";
    web.depends_on = {{"db"}};
    web.restart = {RestartPolicy::Condition::OnFailure, 3};
    web.labels = {{"a", "1"}, {"b", "true"}, {"c", ""}};
    web.logging = {"local", {{"max-size", "10m"}, {"max-file", "3"}}};
    web.resources = {512 << 20, 1.5, 100};
    web.stop_signal = "SIGQUIT";
    web.stop_grace_period = std::chrono::seconds(90);
    web.networks = {{.network = "default"}};
    web.data_root = "/big/disk";
    CHECK(project.services.at("web") == web);

    CHECK(project.volumes.at("mine") == Volume{"myshop_mine", false, {}});
    CHECK(project.volumes.at("theirs") == Volume{"theirs", true, {}});
    CHECK(project.volumes.at("named") == Volume{"other", false, {{"x", "y"}}});
    CHECK(project.networks.at("default") == Network{"lan", {{.subnet = "10.9.0.0/24"}}, {}});
}

TEST_CASE("values are taken as docker compose takes them") {
    const Service web = load_web(
                            "    environment: {A: 010, B: 1_000, C: yes, D: 1.50, E: , HOME: }\n"
                            "    command: []\n"
                            "    entrypoint: \"\"\n"
                            "    pids_limit: -1\n"
                            "    mem_limit: 1024\n")
                            .service("web");
    CHECK(web.environment ==
          std::map<std::string, std::string>{
              {"A", "8"}, {"B", "1000"}, {"C", "yes"}, {"D", "1.5"}, {"HOME", "/home/tester"}});
    CHECK(!web.command);
    REQUIRE(web.entrypoint);
    CHECK(web.entrypoint->empty());
    CHECK(web.resources.pids == 0);
    CHECK(web.resources.memory_bytes == 1024);
}

TEST_CASE("command lines are split like in a shell") {
    struct Case {
        const char* yaml;
        std::vector<std::string> words;
        const char* remarks = "";
    };
    const Case cases[] = {
        {"a \"b c\" 'd e' f\\ g \"\"", {"a", "b c", "d e", "f g", ""}},
        {"'a # b'", {"a", "#", "b"}},
        {"a \"&&\" b", {"a", "&&", "b"}},
        {"a && b",
         {"a"},
         "compose.yaml:4:14: '&& b' needs a shell, none runs this line, and it is dropped\n"},
        {"|\n      a\n      b", {"a", "b"}},
        {"echo $$HOME $(x)", {"echo", "$HOME", "$(x)"}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.yaml);
        const Loaded loaded = load_web(fmt::format("    command: {}\n", c.yaml));
        CHECK(loaded.service("web").command == c.words);
        CHECK(loaded.remarks == c.remarks);
    }
    CHECK(load_web("    command: a \"b\n").remarks ==
          "compose.yaml:4:14: 'services.web.command': a \" is not closed\n");
}

TEST_CASE("env files stand below environment") {
    const Loaded loaded = testing::load_files(
        {{"compose.yaml",
          "services:\n  web:\n    image: x\n    env_file: [a.env, {path: b.env}, "
          "{path: no.env, required: false}]\n"
          "    environment: {OWN: 1, TAKEN: }\n"},
         {"a.env", "A=a\nBOTH=a\nTAKEN=a\nOWN=a\n"},
         {"b.env", "BOTH=b\nFROM=${A}\n"}});
    CHECK(
        loaded.service("web").environment ==
        std::map<std::string, std::string>{{"A", "a"}, {"BOTH", "b"}, {"FROM", "a"}, {"OWN", "1"}});
    const Loaded missing = load_web("    env_file: no.env\n");
    CHECK(missing.remarks ==
          "compose.yaml:4:15: there is no file '" + missing.folder + "/no.env'\n");
}

TEST_CASE("unnamed networks and empty projects") {
    CHECK(load_web("").project().networks.at("default") == Network{"shop_default", {}, {}});
    CHECK(testing::load_text("services: {}\n").project().networks.empty());
}

}  // namespace davit::compose
