#include "stack/records.h"

#include "base/json.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;
using davit::testing::TempDir;

namespace {

Paths paths_in(const TempDir& dir) {
    Paths paths;
    paths.data_root = dir / "data";
    paths.run_root = dir / "run";
    return paths;
}

/// A record in which no field has its default.
ContainerRecord full_record() {
    ContainerRecord record;
    record.id = std::string(64, 'a');
    record.name = "shop-web-2";
    record.project = "shop";
    record.service = "web";
    record.number = 2;
    record.image = "nginx:1.27";
    record.image_id = std::string(64, 'b');
    record.config_hash = "cafe";
    record.created = "2026-01-02T03:04:05.000000006Z";
    record.working_dir = "/srv/shop";
    record.files = {"/srv/shop/compose.yaml"};
    record.hostname = "aaaaaaaaaaaa";
    record.user = "33:33";
    record.cwd = "/srv";
    record.entrypoint = {"/docker-entrypoint.sh"};
    record.cmd = {"nginx", "-g", "daemon off;"};
    record.env = {"A=1", "B=two words"};
    record.labels = {{"tier", "front"}};
    record.exposed_ports = {"80/tcp"};
    compose::Port port;
    port.host_ip = "127.0.0.1";
    port.published = 8080;
    port.target = 80;
    port.protocol = "udp";
    record.ports = {port};
    MountRecord mount;
    mount.type = "volume";
    mount.name = "shop_data";
    mount.source = "/var/lib/davit/volumes/shop_data/_data";
    mount.destination = "/data";
    mount.read_only = true;
    mount.anonymous = true;
    record.mounts = {mount};
    Endpoint endpoint;
    endpoint.network = "shop_default";
    endpoint.ip = "172.17.0.2";
    endpoint.prefix = 20;
    endpoint.gateway = "172.17.0.1";
    endpoint.mac = "02:42:ac:11:00:02";
    endpoint.host_link = "ve0123456789";
    endpoint.aliases = {"web", "shop-web-2"};
    endpoint.ip6 = "fd00::2";
    endpoint.prefix6 = 80;
    endpoint.gateway6 = "fd00::1";
    endpoint.interface = "lan0";
    endpoint.link_local_ips = {"169.254.8.8"};
    endpoint.default4 = true;
    endpoint.default6 = true;
    endpoint.internal = true;
    endpoint.sysctls = {{"net.ipv4.conf.IFNAME.log_martians", "1"}};
    record.endpoints = {endpoint};
    record.needs = {"shop-db-1"};
    record.gates = {{"shop-db-1", compose::Awaited::Healthy, true, true}};
    record.links = {"db:database"};
    record.network_mode = "service:db";
    record.network_container = "shop/shop-db-1";
    record.network_id = std::string(64, 'b');
    record.relay_ports = true;
    record.own_dns = true;
    record.restart = {compose::RestartPolicy::Condition::OnFailure, 3};
    record.logging = {"local", {{"max-size", "10m"}}};
    record.resources = {1 << 20, 1.5, 100};
    record.devices = {{"/dev/kvm", "/dev/kvm", "rw"}};
    record.cgroup_parent = "/batch";
    record.sharing = {"host", "shareable", "host", "host"};
    record.shm_size_bytes = 1 << 20;
    record.tty = true;
    record.stdin_open = true;
    record.health_check = runtime::HealthCheck{.test = {"CMD", "true"}, .args = {"true"}};
    record.post_start = {{.command = {"warm"},
                          .user = "app",
                          .working_dir = "/w",
                          .privileged = true,
                          .environment = {{"A", "b"}}}};
    record.pre_stop = {{.command = {"drain"}}};
    record.stop_signal = "SIGQUIT";
    record.stop_timeout = std::chrono::milliseconds(2500);
    record.uid_base = 524288;
    record.state_dir = "/mnt/big/davit/shop-web-2";
    record.log_path = "/mnt/big/davit/shop-web-2/logs/container.log";
    return record;
}

Json on_disk(const Paths& paths, const std::string& name) {
    Result<Json> json = read_json(paths.container("shop", name) + "/record.json");
    REQUIRE(json.ok());
    return *json;
}

}  // namespace

TEST_CASE("a container record comes back as it was written") {
    const TempDir dir;
    const Paths paths = paths_in(dir);
    const ContainerRecord record = full_record();
    REQUIRE(write_record(paths, record).ok());
    const auto records = read_containers(paths, "shop");
    REQUIRE(records.ok());
    REQUIRE(records->size() == 1);
    // Written again it must give the same file: no field was lost on the way.
    const Json first = on_disk(paths, record.name);
    REQUIRE(write_record(paths, records->at(record.name)).ok());
    CHECK(on_disk(paths, record.name) == first);
    // And no field of the file may hold a default, or the comparison above would prove nothing.
    for (const auto& [key, value] : first.items()) {
        CAPTURE(key);
        CHECK(!value.is_null());
        CHECK(value != Json(""));
        CHECK(value != Json(0));
        CHECK(value != Json::array());
        CHECK(value != Json::object());
    }
    CHECK(records->at(record.name).ports == record.ports);
    CHECK(records->at(record.name).restart == record.restart);
    CHECK(records->at(record.name).mounts[0].read_only);
    CHECK(records->at(record.name).stop_timeout == record.stop_timeout);
}

TEST_CASE("a container whose record was never written is still found") {
    const TempDir dir;
    const Paths paths = paths_in(dir);
    REQUIRE(make_directories(paths.container("shop", "shop-web-1"), 0700).ok());
    const auto records = read_containers(paths, "shop");
    REQUIRE(records.ok());
    REQUIRE(records->count("shop-web-1") == 1);
    CHECK(records->at("shop-web-1").name == "shop-web-1");
    CHECK(records->at("shop-web-1").project == "shop");
    CHECK(records->at("shop-web-1").id.empty());
}

TEST_CASE("a broken record counts as half made and a newer one is refused") {
    struct Case {
        const char* text;
        bool ok;
    };
    const Case cases[] = {
        {"", true},
        {"{\"version\": 1, \"id\":", true},
        {"[]", true},
        {R"({"version": 1, "id": 5, "name": "x", "project": "shop"})", true},
        {R"({"version": 99, "id": "a", "name": "shop-web-1", "project": "shop"})", false},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const TempDir dir;
        const Paths paths = paths_in(dir);
        const std::string folder = paths.container("shop", "shop-web-1");
        REQUIRE(make_directories(folder, 0700).ok());
        REQUIRE(write_atomically(folder + "/record.json", c.text, 0600, Sync::No).ok());
        const auto records = read_containers(paths, "shop");
        REQUIRE(records.ok() == c.ok);
        if (!c.ok) {
            CHECK(records.error().kind() == ErrorKind::Unsupported);
            continue;
        }
        CHECK(records->at("shop-web-1").name == "shop-web-1");
        CHECK(records->at("shop-web-1").id.empty());
    }
}

TEST_CASE("network and volume records come back as they were written") {
    const TempDir dir;
    const Paths paths = paths_in(dir);
    NetworkRecord network;
    network.name = "shop_default";
    network.key = "default";
    network.project = "shop";
    network.bridge = "dv0123456789";
    network.subnets = {{"172.17.0.0/16", "172.17.0.1", "172.17.1.0/24", {{"nas", "172.17.0.9"}}},
                       {"fd00::/64", "fd00::1", {}, {}}};
    network.internal = true;
    network.icc = false;
    network.masquerade = false;
    network.mtu = 1400;
    network.options = {{"a", "b"}};
    network.config_hash = "beef";
    network.created = "2026-01-02T03:04:05Z";
    REQUIRE(write_record(paths, network).ok());
    // What a killed writer left behind is no record.
    REQUIRE(
        write_atomically(paths.networks("shop") + "/x.json.0011.tmp", "{", 0600, Sync::No).ok());
    const auto networks = read_networks(paths, "shop");
    REQUIRE(networks.ok());
    REQUIRE(networks->size() == 1);
    const NetworkRecord& back = networks->at("shop_default");
    CHECK(back.key == network.key);
    CHECK(back.project == network.project);
    CHECK(back.bridge == network.bridge);
    REQUIRE(back.subnets.size() == 2);
    CHECK(back.subnets[0].subnet == "172.17.0.0/16");
    CHECK(back.subnets[0].gateway == "172.17.0.1");
    CHECK(back.subnets[0].range == "172.17.1.0/24");
    CHECK(back.subnets[0].reserved.at("nas") == "172.17.0.9");
    CHECK(back.subnets[1].gateway == "fd00::1");
    CHECK(back.internal);
    CHECK_FALSE(back.icc);
    CHECK_FALSE(back.masquerade);
    CHECK(back.mtu == 1400);
    CHECK(back.options == network.options);
    CHECK(back.config_hash == network.config_hash);
    CHECK(back.created == network.created);

    VolumeRecord volume;
    volume.name = "shop_data";
    volume.project = "shop";
    volume.created = "2026-01-02T03:04:05Z";
    volume.labels = {{"a", "b"}};
    const std::string folder = paths.volumes() + "/shop_data";
    REQUIRE(make_directories(folder, 0700).ok());
    REQUIRE(write_record(folder, volume).ok());
    const auto volumes = read_volumes(paths);
    REQUIRE(volumes.ok());
    REQUIRE(volumes->size() == 1);
    CHECK(volumes->at("shop_data").project == "shop");
    CHECK(volumes->at("shop_data").labels == volume.labels);
}

TEST_CASE("a data root without anything is empty and no error") {
    const TempDir dir;
    const Paths paths = paths_in(dir);
    CHECK(read_containers(paths, "shop")->empty());
    CHECK(read_networks(paths, "shop")->empty());
    CHECK(read_volumes(paths)->empty());
    CHECK(list_projects(paths)->empty());
    CHECK(!exists(paths.data_root));
}

TEST_CASE("projects are those with a folder") {
    const TempDir dir;
    const Paths paths = paths_in(dir);
    REQUIRE(make_directories(paths.project("b"), 0700).ok());
    REQUIRE(make_directories(paths.project("a"), 0700).ok());
    CHECK(*list_projects(paths) == std::vector<std::string>{"a", "b"});
}
