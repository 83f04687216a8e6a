#include "stack/inspect.h"

#include <doctest/doctest.h>

using namespace davit;
using namespace davit::stack;

namespace {

ContainerView running_web() {
    ContainerView view;
    ContainerRecord& record = view.record;
    record.id = std::string(64, 'a');
    record.name = "shop-web-1";
    record.project = "shop";
    record.service = "web";
    record.image = "nginx:1.27";
    record.image_id = std::string(64, 'b');
    record.config_hash = "cafe";
    record.created = "2026-01-02T03:04:05.000000006Z";
    record.working_dir = "/srv/shop";
    record.files = {"/srv/shop/compose.yaml", "/srv/shop/more.yaml"};
    record.hostname = "aaaaaaaaaaaa";
    record.entrypoint = {"/entry.sh"};
    record.cmd = {"nginx", "-g", "daemon off;"};
    record.env = {"A=1"};
    record.labels = {{"tier", "front"}};
    record.exposed_ports = {"80/tcp", "443/tcp"};
    compose::Port port;
    port.published = 8080;
    port.target = 80;
    record.ports = {port};
    MountRecord bind;
    bind.type = "bind";
    bind.source = "/srv/shop/html";
    bind.destination = "/usr/share/nginx/html";
    bind.read_only = true;
    record.mounts = {bind};
    Endpoint endpoint;
    endpoint.network = "shop_default";
    endpoint.ip = "172.17.0.2";
    endpoint.gateway = "172.17.0.1";
    endpoint.mac = "02:42:ac:11:00:02";
    endpoint.aliases = {"web"};
    record.endpoints = {endpoint};
    record.resources = {64 << 20, 1.5, 0};
    record.log_path = "/d/logs/container.log";
    view.state.status = runtime::Status::Running;
    view.state.pid = 4711;
    view.state.started_at = "2026-01-02T03:04:06Z";
    return view;
}

const Json kConfig = {
    {"process",
     {{"args", {"/dev/init", "init", "--", "/entry.sh"}},
      {"oomScoreAdj", -5},
      {"rlimits",
       {{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}},
        {{"type", "RLIMIT_CORE"}, {"soft", ~std::uint64_t{0}}, {"hard", ~std::uint64_t{0}}}}}}},
    {"mounts",
     {{{"destination", "/dev"}, {"type", "tmpfs"}},
      {{"destination", "/dev/shm"}, {"type", "tmpfs"}, {"options", {"nosuid", "size=8m"}}},
      {{"destination", "/run"}, {"type", "tmpfs"}, {"options", {"nosuid", "size=1m"}}}}},
    {"linux",
     {{"maskedPaths", {"/proc/kcore"}},
      {"readonlyPaths", {"/proc/sys"}},
      {"sysctl", {{"net.core.somaxconn", "10"}}}}}};

constexpr const char* kExpected = R"({
  "Id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "Created": "2026-01-02T03:04:05.000000006Z",
  "Path": "/entry.sh",
  "Args": ["nginx", "-g", "daemon off;"],
  "State": {
    "Status": "running", "Running": true, "Paused": false, "Restarting": false,
    "OOMKilled": false, "Dead": false, "Pid": 4711, "ExitCode": 0, "Error": "",
    "StartedAt": "2026-01-02T03:04:06Z", "FinishedAt": "0001-01-01T00:00:00Z"
  },
  "Image": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
  "ResolvConfPath": "/run/davit/shop/shop-web-1/resolv.conf",
  "HostnamePath": "/run/davit/shop/shop-web-1/hostname",
  "HostsPath": "/run/davit/shop/shop-web-1/hosts",
  "LogPath": "/d/logs/container.log",
  "Name": "/shop-web-1",
  "RestartCount": 0,
  "Driver": "overlay",
  "Platform": "linux",
  "HostConfig": {
    "Binds": ["/srv/shop/html:/usr/share/nginx/html:ro"],
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "shop_default",
    "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "Memory": 67108864, "NanoCpus": 1500000000, "PidsLimit": null,
    "MemoryReservation": 0, "MemorySwap": 134217728, "CpuShares": 0, "CpuQuota": 0, "CpuPeriod": 0,
    "CapAdd": null, "CapDrop": null, "CpusetCpus": "", "BlkioWeight": 0, "Privileged": false,
    "SecurityOpt": null,
    "PidMode": "", "IpcMode": "private", "UTSMode": "", "CgroupnsMode": "private",
    "CgroupParent": "", "Devices": [], "UsernsMode": "host", "ReadonlyRootfs": false,
    "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null,
    "Runtime": "davit-runtime", "AutoRemove": false, "PublishAllPorts": false,
    "Ulimits": [{"Name": "nofile", "Hard": 200, "Soft": 100}, {"Name": "core", "Hard": -1, "Soft": -1}],
    "OomScoreAdj": -5, "ShmSize": 8388608,
    "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"],
    "Tmpfs": {"/run": "nosuid,size=1m"}, "Sysctls": {"net.core.somaxconn": "10"}, "Init": true
  },
  "Mounts": [{
    "Type": "bind", "Source": "/srv/shop/html", "Destination": "/usr/share/nginx/html",
    "Mode": "ro", "RW": false, "Propagation": "rprivate"
  }],
  "Config": {
    "Hostname": "aaaaaaaaaaaa", "User": "",
    "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
    "Tty": false, "OpenStdin": false, "Env": ["A=1"],
    "Cmd": ["nginx", "-g", "daemon off;"], "Image": "nginx:1.27", "WorkingDir": "",
    "Entrypoint": ["/entry.sh"],
    "Labels": {
      "com.docker.compose.config-hash": "cafe",
      "com.docker.compose.container-number": "1",
      "com.docker.compose.image":
        "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      "com.docker.compose.oneoff": "False",
      "com.docker.compose.project": "shop",
      "com.docker.compose.project.config_files": "/srv/shop/compose.yaml,/srv/shop/more.yaml",
      "com.docker.compose.project.working_dir": "/srv/shop",
      "com.docker.compose.service": "web",
      "tier": "front"
    },
    "StopSignal": "", "StopTimeout": 10
  },
  "NetworkSettings": {
    "SandboxKey": "/proc/4711/ns/net",
    "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null},
    "Gateway": "172.17.0.1", "IPAddress": "172.17.0.2", "IPPrefixLen": 16,
    "MacAddress": "02:42:ac:11:00:02",
    "Networks": {"shop_default": {
      "Aliases": ["web"], "NetworkID": "shop_default", "Gateway": "172.17.0.1",
      "IPAddress": "172.17.0.2", "IPPrefixLen": 16, "IPv6Gateway": "", "GlobalIPv6Address": "",
      "GlobalIPv6PrefixLen": 0, "MacAddress": "02:42:ac:11:00:02"
    }}
  }
})";

}  // namespace

TEST_CASE("a running container is shown as docker inspect shows it") {
    CHECK(inspect(Paths(), running_web(), kConfig).dump(2) == Json::parse(kExpected).dump(2));
}

TEST_CASE("a container that has ended has no process and no address") {
    ContainerView view = running_web();
    view.state.status = runtime::Status::Exited;
    view.state.pid = 0;
    view.state.exit_code = 137;
    view.state.oom_killed = true;
    const Json json = inspect(Paths(), view, Json());
    CHECK(json["State"]["Running"] == false);
    CHECK(json["State"]["Status"] == "exited");
    CHECK(json["State"]["ExitCode"] == 137);
    CHECK(json["State"]["OOMKilled"] == true);
    CHECK(json["NetworkSettings"]["IPAddress"] == "");
    CHECK(json["NetworkSettings"]["Ports"] == Json::object());
    CHECK(json["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == "8080");
}

TEST_CASE("a half made container can be shown") {
    ContainerView view;
    view.record.name = "shop-web-1";
    view.record.project = "shop";
    const Json json = inspect(Paths(), view, Json());
    CHECK(json["Name"] == "/shop-web-1");
    CHECK(json["Path"] == "");
    CHECK(json["Args"] == Json::array());
    CHECK(json["State"]["Status"] == "created");
    CHECK(json["HostConfig"]["ShmSize"] == 0);
    CHECK(json["NetworkSettings"]["SandboxKey"] == "");
    CHECK(json["HostConfig"]["NetworkMode"] == "none");
    CHECK(json["NetworkSettings"]["IPPrefixLen"] == 0);
}
