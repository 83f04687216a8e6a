#include "tests/compose/support.h"

#include <fmt/format.h>

namespace davit::compose {
namespace {

using testing::load_text;
using testing::load_web;

}  // namespace

TEST_CASE("three mistakes give three errors in the order of the file") {
    const testing::ScratchFolder folder;
    folder.write("compose.yaml",
                 "services:\n"
                 "  web:\n"
                 "    imgae: nginx:1.27\n"
                 "    user: 1000\n"
                 "    depends_on: [dbb]\n"
                 "  db:\n"
                 "    image: postgres\n");
    Diagnostics diagnostics;
    CHECK(!load_project(folder.options(), diagnostics));
    CHECK(testing::rendered(diagnostics) ==
          "compose.yaml:3:5: error: unknown key 'imgae' in service 'web'\n"
          "    3 |     imgae: nginx:1.27\n"
          "      |     ^~~~~\n"
          "  help: the nearest key is 'image'\n"
          "compose.yaml:4:11: error: 'services.web.user' must be a string, found the number 1000\n"
          "    4 |     user: 1000\n"
          "      |           ^~~~\n"
          "  help: write it in quotes: \"1000\"\n"
          "compose.yaml:5:18: error: service 'web' depends on 'dbb', which is not defined\n"
          "    5 |     depends_on: [dbb]\n"
          "      |                  ^~~\n"
          "  help: the nearest service is 'db'\n");
}

TEST_CASE("mistakes of one service") {
    struct Case {
        const char* lines;
        const char* remarks;
    };
    const Case cases[] = {
        {"    healthcheck: {test: [CMD]}\n",
         "4:19: the test of this health check has nothing to run"},
        {"    devices: [dev/null]\n", "4:15: a device is named by its absolute path"},
        {"    device_cgroup_rules: [c 1:3]\n", "4:27: 'c 1:3' is not a device rule"},
        {"    ipc: mine\n", "4:10: 'ipc: mine' is unknown"},
        {"    cgroup_parent: ../x\n", "4:20: a cgroup can't be named with '..'"},
        {"    cpuset: all\n", "4:13: 'all' is not a list of processors"},
        {"    blkio_config: {weight: 7}\n", "4:28: the weight 7 is not 10 to 1000"},
        {"    provider: {type: x}\n", "4:5: 'provider' is not supported yet"},
        {"    pid: mine\n", "4:10: 'pid: mine' is unknown"},
        {"    networks: {default: {ipv4_address: 10.0.0}}\n",
         "4:40: '10.0.0' is not an IPv4 address"},
        {"    networks: {default: {ipv6_address: 10.0.0.1}}\n",
         "4:40: '10.0.0.1' is not an IPv6 address"},
        {"    networks: {default: {mac_address: \"01:00:00:00:00:01\"}}\n",
         "4:39: '01:00:00:00:00:01' is not the MAC address of a station"},
        {"    networks: {default: {interface_name: a/b}}\n",
         "4:42: 'a/b' can't be the name of an interface"},
        {"    networks: {default: {link_local_ips: [x]}}\n", "4:43: 'x' is not an IP address"},
        {"    x-davit: {publish: carrier}\n", "4:24: ports can't be published by 'carrier'"},
        {"    ports: [\"7:7/sctp\"]\n    x-davit: {publish: relay}\n",
         "5:24: a port of sctp can't be relayed"},
        {"    mac_address: 02:42\n", "4:18: '02:42' is not the MAC address of a station"},
        {"    frobnicate: 1\n", "4:5: unknown key 'frobnicate' in service 'web'"},
        {"    user: [a]\n", "4:5: 'services.web.user' must be a string, found a list"},
        {"    user:\n", "4:5: 'services.web.user' must be a string, found nothing"},
        {"    restart: false\n",
         "4:14: 'services.web.restart' must be a string, found the boolean false"},
        {"    restart: sometimes\n", "4:14: 'sometimes' is not a restart policy"},
        {"    restart: on-failure:x\n", "4:14: 'on-failure:x' is not a restart policy"},
        {"    ports: 80:80\n",
         "4:12: 'services.web.ports' must be a list, found the string '80:80'"},
        {"    working_dir: srv\n", "4:18: the working directory 'srv' is not absolute"},
        {"    container_name: a b\n", "4:21: the name 'a b' can't be used"},
        {"    container_name: ../../etc\n", "4:21: the name '../../etc' can't be used"},
        {"    hostname: a/b\n", "4:15: 'a/b' can't be a host name"},
        {"    stop_signal: SIGFOO\n", "4:18: 'SIGFOO' is not a signal"},
        {"    stop_grace_period: 10\n",
         "4:24: 'services.web.stop_grace_period' must be a duration, found the number 10"},
        {"    mem_limit: 5x\n",
         "4:16: 'services.web.mem_limit': '5x' is not a size: its unit is unknown"},
        {"    cpus: many\n", "4:11: 'services.web.cpus' must be a number, found the string 'many'"},
        {"    cpus: -1\n", "4:11: 'cpus' must be 0 to 8192, found -1"},
        {"    pids_limit: many\n",
         "4:17: 'services.web.pids_limit' must be a whole number, found the string 'many'"},
        {"    pids_limit: 5\n    deploy: {resources: {limits: {pids: 6}}}\n",
         "5:41: 'services.web.deploy.resources.limits.pids' differs from 'pids_limit'"},
        {"    logging: {driver: splunk}\n",
         "4:23: the logging driver 'splunk' is not supported yet"},
        {"    logging: {options: {max-size: big}}\n",
         "4:25: 'services.web.logging.options.max-size': 'big' is not a size: it has no number"},
        {"    logging: {options: {hue: x}}\n",
         "4:25: 'services.web.logging.options.hue': this option is not supported yet"},
        {"    environment: 5\n",
         "4:18: 'services.web.environment' must be a mapping or a list, found the number 5"},
        {"    environment: {A: [1]}\n",
         "4:19: 'services.web.environment.A' must be a single value, found a list"},
        {"    environment: [1]\n",
         "4:19: 'services.web.environment[0]' must be a string, found the number 1"},
        {"    environment: [\"=x\"]\n",
         "4:19: 'services.web.environment[0]' has no name before its '='"},
        {"    environment: [\"A =x\"]\n",
         "4:19: the name in 'services.web.environment[0]' ends with a blank"},
        {"    command: [1]\n",
         "4:15: 'services.web.command[0]' must be a string, found the number 1"},
        {"    scale: -1\n", "4:12: service 'web' can't have -1 containers"},
        {"    depends_on: [web]\n", "4:18: services depend on each other in a circle: web -> web"},
        {"    tmpfs: [/a]\n    volumes: [/a]\n", "5:15: service 'web' mounts two things on '/a'"},
        {"    x-davit: {data_rot: /x}\n", "4:15: unknown key 'data_rot' in 'x-davit'"},
        {"    x-davit: {publish: pigeons}\n", "4:24: ports can't be published by 'pigeons'"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.lines);
        const testing::Loaded loaded = load_web(c.lines);
        CHECK(!loaded.result);
        CHECK(loaded.remarks == fmt::format("compose.yaml:{}\n", c.remarks));
    }
}

TEST_CASE("mistakes between services and at the top") {
    struct Case {
        const char* text;
        const char* remarks;
    };
    const Case cases[] = {
        {"services:\n  web: {user: x}\n", "2:3: service 'web' has no image"},
        {"services:\n  web: {image: x, provider: {type: x}}\n",
         "2:19: 'provider' is not supported yet"},
        {"services:\n  web:\n", "2:3: 'services.web' must be a mapping, found nothing"},
        {"services:\n  \"a b\": {image: x}\n", "2:3: 'a b' can't be the name of a service"},
        {"services:\n  ..: {image: x}\n", "2:3: '..' can't be the name of a service"},
        {"services:\n", "1:1: 'services' must be a mapping, found nothing"},
        {"sevices: {}\n", "1:1: unknown key 'sevices' in the compose file"},
        {"services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: NOPE}}\n",
         "2:28: the variable 'NOPE' of 's' is not set"},
        {"- a\n", "1:1: a compose file is a mapping, found a list"},
        {"# nothing\n", "1:1: the compose file is empty"},
        {"services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n"
         "  c: {image: x, depends_on: [a]}\n",
         "4:30: services depend on each other in a circle: a -> b -> c -> a"},
        {"services:\n  a: {image: x, container_name: n}\n  b: {image: x, container_name: n}\n",
         "3:33: the container name 'n' is taken by service 'a'"},
        {"services:\n  a: {image: x, container_name: shop-b-1}\n  b: {image: x}\n",
         "2:33: the container name 'shop-b-1' is taken by service 'b'"},
        {"services:\n  a: {image: x, ports: [\"80:80\"]}\n  b: {image: x, ports: [\"80:81\"]}\n",
         "3:25: port 80/tcp of the host is published twice, by service 'a' too"},
        {"services:\n  a: {image: x, ports: [\"80:80\"]}\n"
         "  b: {image: x, ports: [\"81:80\", \"127.0.0.1:80:80\"]}\n",
         "3:34: port 80/tcp of the host is published twice, by service 'a' too"},
        {"services:\n  a: {image: x, ports: [\"80-82:80-82\"]}\n"
         "  b: {image: x, ports: [\"82:80\"]}\n",
         "3:25: port 82/tcp of the host is published twice, by service 'a' too"},
        {"services: {a: {image: x, volumes: [\"vv:/v\"]}}\nvolumes:\n  vv: {driver: nfs}\n",
         "3:16: the volume driver 'nfs' is not supported yet"},
        {"services:\n  a:\n    image: x\n    volumes: [{type: image, target: /i}]\n",
         "4:16: a mount of type 'image' has no 'source'"},
        {"services:\n  a:\n    image: x\n    volumes:\n"
         "      - {type: volume, source: vv, target: /i, volume: {subpath: ../x}}\nvolumes: {vv: }\n",
         "5:66: '../x' can't be a subpath"},
        {"services:\n  a:\n    image: x\n    volumes:\n"
         "      - {type: bind, source: /s, target: /t, bind: {propagation: up}}\n",
         "5:66: 'up' is not a way to propagate mounts"},
        {"services:\n  a: {image: x, post_start: [{command: []}]}\n",
         "2:31: a hook of 'post_start' has no command"},
        {"volumes:\n  v: {external: true, labels: [a]}\n",
         "2:23: the external volume 'v' can't have 'labels'"},
        {"services: {a: {image: x, volumes: [\"vv:/v\"]}}\nvolumes:\n  vv: {name: ../x}\n",
         "3:14: the name '../x' can't be used"},
        {"services: {a: {image: x}}\nnetworks:\n  default: {driver: overlay}\n",
         "3:21: the network driver 'overlay' is not supported yet"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {driver: macvlan, driver_opts: {parent: eth0, macvlan_mode: l2}}\n",
         "3:72: there is no macvlan_mode 'l2'"},
        {"services:\n  a: {image: x, network_mode: \"service:b\", hostname: h}\n  b: {image: x}\n",
         "2:44: service 'a' has the network of 'service:b', which decides on 'hostname'"},
        {"services: {a: {image: x, networks: [h, default]}}\nnetworks:\n"
         "  h: {external: true, name: host}\n",
         "1:26: service 'a' is on network 'h', which leaves no place for others"},
        {"services: {a: {image: x}}\nnetworks:\n  default: {enable_ipv4: false}\n",
         "3:26: network 'default' has neither IPv4 nor IPv6"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {driver_opts: {com.docker.network.driver.mtu: \"10\"}}\n",
         "3:58: '10' is not an MTU"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {ipam: {config: [{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/99}]}}\n",
         "3:61: '10.0.0.0/99' is not a range: the number of bits must be 8 to 30"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {enable_ipv6: true, ipam: {config: [{subnet: \"fd00::1/64\"}]}}\n",
         "3:57: 'fd00::1/64' is not a subnet: the bits behind the network must be 0"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {ipam: {config: [{subnet: 10.0.0.1/24}]}}\n",
         "3:38: '10.0.0.1/24' is not a subnet: the bits behind the network must be 0"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {ipam: {config: [{subnet: 10.0.0.0/33}]}}\n",
         "3:38: '10.0.0.0/33' is not a subnet: the number of bits must be 8 to 30"},
        {"services: {a: {image: x}}\nnetworks:\n"
         "  default: {ipam: {config: [{gateway: 10.0.0.1}]}}\n",
         "3:30: an entry of 'ipam.config' has no subnet"},
        {"x-davit: {data_root: 5}\n",
         "1:22: 'x-davit.data_root' must be a string, found the number 5"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const testing::Loaded loaded = load_text(c.text);
        CHECK(!loaded.result);
        CHECK(loaded.remarks == fmt::format("compose.yaml:{}\n", c.remarks));
    }
}

TEST_CASE("two services may share what does not clash") {
    CHECK(load_text("services:\n"
                    "  a: {image: x, ports: [\"80:80\", \"127.0.0.1:81:80\", \"80\"]}\n"
                    "  b: {image: x, ports: [\"80:80/udp\", \"127.0.0.2:81:80\", \"80\"]}\n")
              .remarks.empty());
    CHECK(load_web("    ports: [\"80:80\", \"80:80\"]\n").service("web").ports.size() == 1);
}

TEST_CASE("an anchored mistake is told once for each place and not stopped by the first") {
    CHECK(load_text("x-c: &c {bogus: 1}\nservices:\n  a: {image: x, logging: *c}\n"
                    "  b: {image: y, logging: *c}\n")
              .remarks == "compose.yaml:1:10: unknown key 'bogus' in 'logging'\n");
}

TEST_CASE("version warns and stops nothing") {
    const testing::Loaded loaded = load_text("version: \"3.8\"\nservices: {a: {image: x}}\n");
    CHECK(loaded.result.has_value());
    CHECK(loaded.remarks == "compose.yaml:1:1: the key 'version' is obsolete and means nothing\n");
}

TEST_CASE("places are kept for errors that come later") {
    const testing::Loaded loaded = load_text(
        "services:\n"
        "  web:\n"
        "    image: nginx\n"
        "    ports:\n"
        "      - \"8000-8001:80-81\"\n"
        "      - 90\n"
        "    volumes: [/a, data:/b]\n"
        "    depends_on: {db: {condition: service_started}}\n"
        "  db: {image: x}\n"
        "volumes:\n"
        "  data:\n"
        "networks:\n"
        "  back:\n");
    REQUIRE(loaded.result);
    const auto at = [&](const char* path) { return to_string(loaded.result->places.find(path)); };
    CHECK(at("services.web") == "compose.yaml:2:3");
    CHECK(at("services.web.image") == "compose.yaml:3:12");
    CHECK(at("services.web.ports[0]") == "compose.yaml:5:9");
    CHECK(at("services.web.ports[1]") == "compose.yaml:5:9");
    CHECK(at("services.web.ports[2]") == "compose.yaml:6:9");
    CHECK(at("services.web.volumes[1]") == "compose.yaml:7:19");
    CHECK(at("services.web.depends_on.db") == "compose.yaml:8:18");
    CHECK(at("services.web.user") == "compose.yaml:2:3");
    CHECK(at("volumes.data") == "compose.yaml:11:3");
    CHECK(at("networks.default").empty());  // what no service uses is no part of it
    CHECK(at("networks.default") == "");
    CHECK(at("nowhere") == "");
}

}  // namespace davit::compose
