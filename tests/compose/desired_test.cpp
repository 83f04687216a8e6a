#include "compose/config_hash.h"
#include "compose/state.h"
#include "tests/compose/support.h"

#include <functional>
#include <set>

namespace davit::compose {

TEST_CASE("a project asks for its containers networks and volumes by name") {
    const testing::Loaded loaded = testing::load_text(
        "services:\n"
        "  web: {image: nginx, depends_on: [db], volumes: [data:/a, data:/b, ext:/c, /anon]}\n"
        "  db: {image: pg, container_name: the-db}\n"
        "volumes: {data: , unused: , ext: {external: true}}\n"
        "networks: {unused: }\n");
    const DesiredState desired = desired_state(loaded.project());
    CHECK(desired.project == "shop");
    REQUIRE(desired.networks.size() == 1);
    CHECK(desired.networks.at("shop_default").key == "default");
    REQUIRE(desired.volumes.size() == 2);
    CHECK(desired.volumes.at("shop_data").key == "data");
    CHECK(desired.volumes.at("ext").config.external);
    REQUIRE(desired.containers.size() == 2);
    const DesiredContainer& web = desired.containers.at("shop-web-1");
    CHECK(web.service == "web");
    CHECK(web.number == 1);
    CHECK(web.networks == std::vector<std::string>{"shop_default"});
    CHECK(web.volumes == std::vector<std::string>{"shop_data", "ext"});
    CHECK(web.needs == std::vector<std::string>{"the-db"});
    CHECK(web.config == loaded.service("web"));
    CHECK(web.config_hash == config_hash(loaded.project(), loaded.service("web")));
    CHECK(web.config_hash.size() == 64);
}

TEST_CASE("every setting but depends_on changes the hash") {
    using Change = std::function<void(Service&)>;
    const Change changes[] = {
        [](Service& s) { s.image = "other"; },
        [](Service& s) { s.command = std::vector<std::string>{"a"}; },
        [](Service& s) {
            s.command = std::vector<std::string>{"a", "b"};
        },
        [](Service& s) { s.command = std::vector<std::string>{"a b"}; },
        [](Service& s) { s.entrypoint = std::vector<std::string>{}; },
        [](Service& s) { s.entrypoint = std::vector<std::string>{"a"}; },
        [](Service& s) {
            s.environment = {{"A", "1"}};
        },
        [](Service& s) { s.working_dir = "/x"; },
        [](Service& s) { s.user = "x"; },
        [](Service& s) { s.hostname = "x"; },
        [](Service& s) { s.container_name = "x"; },
        [](Service& s) {
            s.ports = {{"", 80, 80, "tcp"}};
        },
        [](Service& s) {
            s.ports = {{"", 80, 80, "udp"}};
        },
        [](Service& s) {
            s.ports = {{"127.0.0.1", 80, 80, "tcp"}};
        },
        [](Service& s) {
            s.volumes = {{MountType::Bind, "/a", "/b"}};
        },
        [](Service& s) {
            s.volumes = {{MountType::Bind, "/a", "/b", true}};
        },
        [](Service& s) {
            s.volumes = {{MountType::Volume, "data", "/b"}};
        },
        [](Service& s) {
            s.restart = {RestartPolicy::Condition::Always, 0};
        },
        [](Service& s) {
            s.restart = {RestartPolicy::Condition::OnFailure, 2};
        },
        [](Service& s) {
            s.labels = {{"A", "1"}};
        },
        [](Service& s) {
            s.logging = {"none", {}};
        },
        [](Service& s) {
            s.logging.options = {{"max-file", "2"}};
        },
        [](Service& s) { s.resources.memory_bytes = 1; },
        [](Service& s) { s.resources.cpus = 1; },
        [](Service& s) { s.storage_bytes = 1 << 20; },
        [](Service& s) {
            s.cdi_devices = {{"vendor.com/class=0", "gpus"}};
        },
        [](Service& s) {
            s.cdi_devices = {{"vendor.com/class=1", "gpus"}};
        },
        [](Service& s) { s.resources.pids = 1; },
        [](Service& s) { s.stop_signal = "SIGINT"; },
        [](Service& s) { s.stop_grace_period = std::chrono::seconds(1); },
        [](Service& s) { s.data_root = "/x"; },
    };
    Project project;
    project.volumes["data"] = {"shop_data", false, {}};
    Service service;
    service.name = "web";
    service.image = "nginx";
    std::set<std::string> hashes = {config_hash(project, service)};
    for (const Change& change : changes) {
        Service changed = service;
        change(changed);
        CHECK(hashes.insert(config_hash(project, changed)).second);
    }
    Service depending = service;
    depending.depends_on = {{"db"}};
    CHECK(config_hash(project, depending) == config_hash(project, service));

    service.volumes = {{MountType::Volume, "data", "/b"}};
    const std::string before = config_hash(project, service);
    project.volumes["data"].name = "elsewhere";
    CHECK(config_hash(project, service) != before);
}

TEST_CASE("the hash of a service stays the same from release to release") {
    Project project;
    Service service;
    service.image = "nginx";
    CHECK(config_hash(project, service) ==
          "87132e95dfbdfe0f3b4b5fc5d97e77562f531773bb439b3b9624ef0863f7fcbb");
}

TEST_CASE("settings of a network change its hash") {
    const Network network = {"lan", {}, {}};
    CHECK(config_hash(network) == config_hash(Network{"lan", {}, {}}));
    CHECK(config_hash(network) != config_hash(Network{"lan2", {}, {}}));
    CHECK(config_hash(network) != config_hash(Network{"lan", {{.subnet = "10.0.0.0/24"}}, {}}));
    CHECK(config_hash(network) != config_hash(Network{"lan", {}, {{"a", "b"}}}));
}

}  // namespace davit::compose
