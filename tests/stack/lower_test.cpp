#include "stack/lower.h"

#include "base/digest.h"
#include "runtime/capabilities.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "stack/lower_config.h"

#include <csignal>
#include <doctest/doctest.h>
#include <linux/capability.h>

using namespace davit;
using namespace davit::stack;

namespace {

using Words = std::vector<std::string>;

/// A project "shop" with a service "web", every choice made.
struct Fixture {
    compose::Project project = {};
    compose::DesiredContainer wanted = {};
    image::Image image = {};
    ContainerInputs inputs = {};

    Fixture() {
        project.name = "shop";
        project.working_dir = "/srv/shop";
        project.files = {"/srv/shop/a.yaml", "/srv/shop/b.yaml"};
        wanted.service = "web";
        wanted.number = 2;
        wanted.config_hash = "cafe";
        wanted.config.name = "web";
        wanted.config.image = "nginx:1";
        image.id = std::string(64, 'e');
        image.layers = {"/l/top", "/l/bottom"};
        image.config.cmd = {"nginx"};
        inputs.project = &project;
        inputs.wanted = &wanted;
        inputs.image = &image;
        inputs.name = "shop-web-2";
        inputs.id = "0123456789abcdef" + std::string(48, '0');
        inputs.created = "2026-01-02T03:04:05Z";
        inputs.uid_base = 589824;
        inputs.endpoints = {{.network = "shop_default",
                             .ip = "172.17.0.2",
                             .host_link = "dvv-1",
                             .default4 = true}};
        inputs.user.groups = {0};
        inputs.state_dir = "/data/projects/shop/containers/shop-web-2";
        inputs.mount_points = "/d/mount-points";
        inputs.anonymous_dir = "/data/projects/shop/anonymous/shop-web-2";
        inputs.volumes_dir = "/data/volumes";
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    compose::Service& service() { return wanted.config; }
    Result<Json> config() const { return make_config(inputs, make_record(inputs), "/run/d/c"); }
    Json good_config() const {
        const auto made = config();
        REQUIRE_MESSAGE(made.ok(), (made ? "" : made.error().to_string()));
        return *made;
    }
};

}  // namespace

TEST_CASE("the command line is the service's over the image's") {
    struct Case {
        const char* name;
        std::optional<Words> entrypoint;
        std::optional<Words> command;
        Words image_entrypoint;
        Words image_cmd;
        Words args;
    };
    const Case cases[] = {
        {"nothing said", {}, {}, {"/e"}, {"c"}, {"/e", "c"}},
        {"image without entrypoint", {}, {}, {}, {"c", "d"}, {"c", "d"}},
        {"command", {}, Words{"x"}, {"/e"}, {"c"}, {"/e", "x"}},
        {"empty command is the image's", {}, Words{}, {"/e"}, {"c"}, {"/e", "c"}},
        {"entrypoint puts the image's command aside", Words{"/mine"}, {}, {"/e"}, {"c"}, {"/mine"}},
        {"both", Words{"/mine"}, Words{"x"}, {"/e"}, {"c"}, {"/mine", "x"}},
        {"empty entrypoint and a command", Words{}, Words{"x"}, {"/e"}, {"c"}, {"x"}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Fixture f;
        f.service().entrypoint = c.entrypoint;
        f.service().command = c.command;
        f.image.config.entrypoint = c.image_entrypoint;
        f.image.config.cmd = c.image_cmd;
        CHECK(f.good_config()["process"]["args"].get<Words>() == c.args);
    }
}

TEST_CASE("a container that has nothing to run is refused") {
    Fixture f;
    f.image.config.cmd.clear();
    const auto config = f.config();
    REQUIRE_FALSE(config.ok());
    CHECK(config.error().to_string() == "neither service 'web' nor its image says what to run");
    f.service().entrypoint = Words{};
    CHECK_FALSE(f.config().ok());
}

TEST_CASE("variables are the image's then the service's over what every program may count on") {
    Fixture f;
    f.image.config.env = {"PATH=/image/bin", "A=image", "EMPTY=", "broken", "=x", "EQ=a=b"};
    f.inputs.user.home = "/home/web";
    f.service().environment = {{"A", "service"}, {"B", "2"}};
    CHECK(f.good_config()["process"]["env"].get<Words>() ==
          Words{"A=service", "B=2", "EMPTY=", "EQ=a=b", "HOME=/home/web", "HOSTNAME=0123456789ab",
                "PATH=/image/bin"});
    f.image.config.env.clear();
    f.service().environment = {{"HOME", "/else"}};
    f.service().hostname = "box";
    CHECK(f.good_config()["process"]["env"].get<Words>() ==
          Words{"HOME=/else", "HOSTNAME=box",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"});
    CHECK(f.good_config()["hostname"] == "box");
}

TEST_CASE("labels are the image's then the service's then Compose's own") {
    Fixture f;
    f.image.config.labels = {{"a", "image"}, {"b", "image"}};
    f.service().labels = {{"a", "service"}, {"com.docker.compose.project", "forged"}};
    CHECK(make_record(f.inputs).labels ==
          std::map<std::string, std::string>{
              {"a", "service"},
              {"b", "image"},
              {"com.docker.compose.config-hash", "cafe"},
              {"com.docker.compose.container-number", "2"},
              {"com.docker.compose.image", "sha256:" + std::string(64, 'e')},
              {"com.docker.compose.oneoff", "False"},
              {"com.docker.compose.project", "shop"},
              {"com.docker.compose.project.config_files", "/srv/shop/a.yaml,/srv/shop/b.yaml"},
              {"com.docker.compose.project.working_dir", "/srv/shop"},
              {"com.docker.compose.service", "web"}});
}

TEST_CASE("working directory and user and stop signal are the service's or else the image's") {
    Fixture f;
    CHECK(make_record(f.inputs).cwd == "/");
    f.image.config.working_dir = "/image";
    f.image.config.user = "imageuser";
    f.image.config.stop_signal = "SIGQUIT";
    ContainerRecord record = make_record(f.inputs);
    CHECK(record.cwd == "/image");
    CHECK(record.user == "imageuser");
    CHECK(f.good_config()["annotations"][runtime::kStopSignal] == std::to_string(SIGQUIT));
    CHECK(record.stop_timeout == std::chrono::seconds(10));
    f.service().working_dir = "/service";
    f.service().user = "7";
    f.service().stop_signal = "USR1";
    f.service().stop_grace_period = std::chrono::seconds(90);
    record = make_record(f.inputs);
    CHECK(record.cwd == "/service");
    CHECK(record.user == "7");
    CHECK(record.stop_timeout == std::chrono::seconds(90));
    CHECK(f.good_config()["annotations"][runtime::kStopSignal] == std::to_string(SIGUSR1));
    f.service().stop_signal = "SIGNOPE";
    CHECK(f.config().error().to_string() == "unknown stop signal 'SIGNOPE' of service 'web'");
}

TEST_CASE("the user namespace is on with an id range and off without") {
    Fixture f;
    Json part = f.good_config()["linux"];
    const Json map = Json::array({Json{{"containerID", 0}, {"hostID", 589824}, {"size", 65536}}});
    CHECK(part["uidMappings"] == map);
    CHECK(part["gidMappings"] == map);
    Words types;
    for (const Json& entry : part["namespaces"]) types.push_back(entry["type"].get<std::string>());
    CHECK(types == Words{"pid", "network", "ipc", "uts", "mount", "cgroup", "user"});
    CHECK(part["sysctl"]["net.ipv4.ping_group_range"] == "0 65535");

    f.inputs.uid_base = 0;
    const Json config = f.good_config();
    part = config["linux"];
    CHECK_FALSE(part.contains("uidMappings"));
    CHECK_FALSE(part.contains("gidMappings"));
    CHECK(part["namespaces"].size() == 6);
    CHECK(part["sysctl"]["net.ipv4.ping_group_range"] == "0 2147483647");
    // A device node that is made there can't be opened: the device rules see to it.
    const auto mask =
        runtime::capability_mask(config["process"]["capabilities"]["bounding"].get<Words>());
    CHECK(*mask == runtime::default_capabilities());
}

TEST_CASE("mounts stand in their order and are idmapped with an id range") {
    Fixture f;
    f.project.volumes["data"].name = "shop_data";
    f.service().volumes = {
        {.type = compose::MountType::Bind,
         .source = "/srv/html",
         .target = "/html",
         .read_only = true},
        {.type = compose::MountType::Volume, .source = "data", .target = "/data"},
        {.type = compose::MountType::Volume, .source = "", .target = "/cache"}};
    Json mounts = f.good_config()["mounts"];
    Words targets;
    for (const Json& mount : mounts) targets.push_back(mount["destination"].get<std::string>());
    CHECK(targets == Words{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys",
                           "/sys/fs/cgroup", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
                           "/html", "/data", "/cache"});
    const std::string anonymous = sha256_hex("shop-web-2\n/cache");
    CHECK(mounts[7] == Json{{"destination", "/etc/hosts"},
                            {"type", runtime::kCopyMount},
                            {"source", "/run/d/c/hosts"}});
    CHECK(mounts[10] == Json{{"destination", "/html"},
                             {"type", "bind"},
                             {"source", "/srv/html"},
                             {"options", {"rbind", "rprivate", "nodev", "ro", "idmap"}}});
    CHECK(mounts[11]["source"] == "/data/volumes/shop_data/_data");
    CHECK(mounts[11]["options"] == Json{"rbind", "rprivate", "nodev", "rw", "idmap"});
    CHECK(mounts[12]["source"] ==
          "/data/projects/shop/anonymous/shop-web-2/" + anonymous + "/_data");
    const ContainerRecord record = make_record(f.inputs);
    CHECK(record.mounts[1].name == "shop_data");
    CHECK_FALSE(record.mounts[1].anonymous);
    CHECK(record.mounts[2].name == anonymous);
    CHECK(record.mounts[2].anonymous);

    f.inputs.uid_base = 0;
    CHECK(f.good_config()["mounts"][11]["options"] == Json{"rbind", "rprivate", "nodev", "rw"});
}

TEST_CASE("published ports become the annotation that the guard listens by") {
    Fixture f;
    CHECK_FALSE(f.good_config()["annotations"].contains(runtime::kListen));
    f.inputs.ports = {{"", 8080, 80, "tcp"}, {"127.0.0.1", 53, 5353, "udp"}};
    CHECK(
        f.good_config()["annotations"][runtime::kListen] ==
        R"([{"protocol":"tcp","host_ip":"","host_port":8080,"target_ip":"172.17.0.2","target_port":80},)"
        R"({"protocol":"udp","host_ip":"127.0.0.1","host_port":53,"target_ip":"172.17.0.2","target_port":5353}])");
    CHECK(make_record(f.inputs).ports == f.inputs.ports);
}

TEST_CASE("logs are rotated unless the file says otherwise") {
    Fixture f;
    const auto annotations = [&] { return f.good_config()["annotations"]; };
    CHECK(annotations()[runtime::kLogPath] == f.inputs.state_dir + "/" + f.inputs.id + "-json.log");
    CHECK(annotations()[runtime::kLogMaxSize] == "10485760");
    CHECK(annotations()[runtime::kLogMaxFile] == "3");
    f.service().logging.options = {{"max-size", "1k"}, {"max-file", "5"}};
    CHECK(annotations()[runtime::kLogMaxSize] == "1024");
    CHECK(annotations()[runtime::kLogMaxFile] == "5");
    f.service().logging.options = {{"max-size", "-1"}};
    CHECK(annotations()[runtime::kLogMaxSize] == "-1");
    f.service().logging.driver = "none";
    CHECK_FALSE(annotations().contains(runtime::kLogPath));
    CHECK(make_record(f.inputs).log_path == "");

    f.service().logging.driver = "json-file";
    f.service().logging.options = {{"max-size", "lots"}};
    CHECK(f.config().error().to_string().starts_with("read logging option 'max-size' of 'web'"));
    for (const char* files : {"0", "-1", "1001", "x", ""}) {
        f.service().logging.options = {{"max-file", files}};
        CHECK_FALSE(f.config().ok());
    }
}

TEST_CASE("the restart policy is handed on as Compose writes it") {
    using Condition = compose::RestartPolicy::Condition;
    struct Case {
        compose::RestartPolicy policy;
        const char* word;
    };
    for (const Case& c : {Case{{Condition::No, 0}, "no"}, Case{{Condition::Always, 0}, "always"},
                          Case{{Condition::UnlessStopped, 0}, "unless-stopped"},
                          Case{{Condition::OnFailure, 0}, "on-failure"},
                          Case{{Condition::OnFailure, 4}, "on-failure:4"}}) {
        Fixture f;
        f.service().restart = c.policy;
        CHECK(f.good_config()["annotations"][runtime::kRestart] == c.word);
    }
}

TEST_CASE("limits become resources and no limits none") {
    Fixture f;
    Json resources = f.good_config()["linux"]["resources"];
    CHECK_FALSE(resources.contains("memory"));
    CHECK_FALSE(resources.contains("cpu"));
    CHECK_FALSE(resources.contains("pids"));
    REQUIRE(resources["devices"].size() == 12);
    CHECK(resources["devices"][0] == Json{{"allow", false}, {"access", "rwm"}});
    f.service().resources = {.memory_bytes = 64 << 20, .cpus = 1.5, .pids = 77};
    resources = f.good_config()["linux"]["resources"];
    CHECK(resources["memory"] == Json{{"limit", 64 << 20}, {"swap", 128 << 20}});
    CHECK(resources["cpu"] == Json{{"quota", 150000}, {"period", 100000}});
    CHECK(resources["pids"] == Json{{"limit", 77}});
}

TEST_CASE("the limits that few files have") {
    Fixture f;
    f.service().resources.cpuset = "0-1";
    f.service().resources.cpu_realtime_period_us = 1000;
    f.service().resources.cpu_realtime_runtime_us = 500;
    f.service().resources.block_io.weight = 300;
    f.service().resources.block_io.read_bps = {{"/dev/sda", 1 << 20}};
    f.inputs.block_devices = {{"/dev/sda", {8, 0}}};
    f.service().device_cgroup_rules = {"c 10:* r"};
    const Json resources = f.good_config()["linux"]["resources"];
    CHECK(resources["cpu"] ==
          Json{{"cpus", "0-1"}, {"realtimePeriod", 1000}, {"realtimeRuntime", 500}});
    CHECK(resources["blockIO"] ==
          Json{{"weight", 300},
               {"throttleReadBpsDevice",
                Json::array({{{"major", 8}, {"minor", 0}, {"rate", 1 << 20}}})}});
    CHECK(resources["devices"].back() ==
          Json{{"allow", true}, {"type", "c"}, {"access", "r"}, {"major", 10}});
}

TEST_CASE("a device is bound where there is a user namespace, and made by the runtime elsewhere") {
    Fixture f;
    f.inputs.devices = {{"/dev/kvm", "rw", 'c', {10, 232}, 0660, 0, 108}};
    Json config = f.good_config();
    CHECK_FALSE(config["linux"].contains("devices"));
    const Json bound = {{"destination", "/dev/kvm"},
                        {"type", "bind"},
                        {"source", f.inputs.state_dir + "/devices/0"},
                        {"options", {"bind", "rprivate", "nosuid", "noexec", "dev"}}};
    CHECK(config["mounts"].back() == bound);
    const Json rule = {
        {"allow", true}, {"type", "c"}, {"access", "rw"}, {"major", 10}, {"minor", 232}};
    CHECK(config["linux"]["resources"]["devices"].back() == rule);
    f.inputs.uid_base = 0;
    config = f.good_config();
    CHECK(config["linux"]["devices"] == Json::array({{{"path", "/dev/kvm"},
                                                      {"type", "c"},
                                                      {"major", 10},
                                                      {"minor", 232},
                                                      {"fileMode", 0660},
                                                      {"uid", 0},
                                                      {"gid", 108}}}));
}

TEST_CASE("a privileged container has everything that the host's root has") {
    Fixture f;
    f.inputs.uid_base = 0;
    f.service().privileges.privileged = true;
    const Json config = f.good_config();
    const Json& part = config["linux"];
    CHECK_FALSE(part.contains("seccomp"));
    CHECK_FALSE(part.contains("maskedPaths"));
    CHECK_FALSE(part.contains("readonlyPaths"));
    CHECK(part["resources"]["devices"] == Json::array({{{"allow", true}, {"access", "rwm"}}}));
    CHECK(config["process"]["capabilities"]["effective"].get<Words>() ==
          runtime::capability_names(runtime::all_capabilities()));
}

TEST_CASE("namespaces of others") {
    Fixture f;
    f.service().sharing = {"host", "host", "host", "host"};
    f.inputs.uid_base = 0;
    Json config = f.good_config();
    CHECK(config["linux"]["namespaces"] ==
          Json::array({{{"type", "network"}}, {{"type", "mount"}}}));
    CHECK_FALSE(config.contains("hostname"));
    const auto shm_of = [](const Json& from) {
        for (const Json& mount : from["mounts"])
            if (mount["destination"] == "/dev/shm") return mount["source"].get<std::string>();
        return std::string();
    };
    CHECK(shm_of(config) == "/dev/shm");
    f.service().sharing = {};
    f.service().sharing.ipc = "none";
    CHECK(shm_of(f.good_config()) == "");
    f.inputs.joins = {{{"ipc", "/run/d/other"}}, 589824, "/run/d/other/shm"};
    f.service().sharing.ipc = "service:other";
    config = f.good_config();
    CHECK(shm_of(config) == "/run/d/other/shm");
    CHECK(config["annotations"]["io.davit.join.ipc"] == "/run/d/other");
}

TEST_CASE("a health check is the service's over the image's") {
    using std::chrono::seconds;
    compose::Service service;
    image::ImageConfig image;
    CHECK_FALSE(health_check_of(service, image));
    image.health_check = image::ImageHealthCheck{
        .test = {"CMD-SHELL", "curl -f localhost"}, .interval_ns = 5'000'000'000, .retries = 7};
    auto check = health_check_of(service, image);
    REQUIRE(check);
    CHECK(check->args == Words{"/bin/sh", "-c", "curl -f localhost"});
    CHECK(check->interval == seconds(5));
    CHECK(check->timeout == seconds(30));
    CHECK(check->retries == 7);
    service.healthcheck =
        compose::HealthCheck{.test = Words{"CMD", "ready", "-q"}, .timeout = seconds(1)};
    check = health_check_of(service, image);
    REQUIRE(check);
    CHECK(check->args == Words{"ready", "-q"});
    CHECK(check->interval == seconds(5));
    CHECK(check->timeout == seconds(1));
    image.shell = {"/bin/bash", "-ec"};
    service.healthcheck->test.reset();
    CHECK(health_check_of(service, image)->args == Words{"/bin/bash", "-ec", "curl -f localhost"});
    service.healthcheck->disabled = true;
    CHECK_FALSE(health_check_of(service, image));
}

TEST_CASE("the kernel's doors are masked and the default filter is there") {
    Fixture f;
    const Json part = f.good_config()["linux"];
    CHECK(part["maskedPaths"].get<Words>() ==
          Words{"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"});
    CHECK(part["readonlyPaths"].get<Words>() ==
          Words{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
    CHECK(part["seccomp"] == runtime::named_default_seccomp(runtime::default_capabilities()));
    CHECK(part["cgroupsPath"] == "/davit/shop/shop-web-2");
}

TEST_CASE("whatever is lowered is a configuration that the runtime takes") {
    Fixture f;
    f.service().resources = {.memory_bytes = 64 << 20, .cpus = 0.5, .pids = 10};
    f.service().volumes = {{.type = compose::MountType::Bind, .source = "/s", .target = "/t"}};
    f.inputs.user = {.uid = 33, .gid = 34, .groups = {34, 50}, .home = "/w"};
    for (const std::uint32_t base : {589824U, 0U}) {
        f.inputs.uid_base = base;
        const auto spec = runtime::parse_spec(f.good_config());
        REQUIRE_MESSAGE(spec.ok(), (spec ? "" : spec.error().to_string()));
        CHECK(spec->args == Words{"nginx"});
        CHECK(spec->user.uid == 33);
        CHECK(spec->user.gid == 34);
        CHECK(spec->user.additional_gids == std::vector<std::uint32_t>{34, 50});
        CHECK(spec->capabilities.inheritable == 0);
        CHECK(spec->capabilities.ambient == 0);
        CHECK(spec->capabilities.bounding == spec->capabilities.permitted);
        CHECK(spec->namespaces.user == (base != 0));
        CHECK(spec->namespaces.network);
        CHECK(spec->namespaces.cgroup);
        CHECK(spec->resources.memory_limit == 64 << 20);
        CHECK(spec->resources.cpu_quota_us == 50000);
        CHECK(spec->annotations.at(runtime::kOverlayLower) == "/l/top\n/l/bottom\n/d/mount-points");
        CHECK(spec->annotations.at(runtime::kOverlayUpper) == f.inputs.state_dir + "/rw/upper");
    }
}
