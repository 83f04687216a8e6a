#include "tests/compose/support.h"

#include <fmt/format.h>

// What a service may do, what it has in memory, and how it finds names.
namespace davit::compose {
namespace {

using testing::load_files;
using testing::load_web;

}  // namespace

TEST_CASE("privileges of a service") {
    const testing::Loaded loaded = load_web(
        "    cap_add: [NET_ADMIN]\n    cap_drop: [ALL]\n"
        "    security_opt: [no-new-privileges, \"seccomp:unconfined\", systempaths=unconfined, "
        "label=disable]\n"
        "    userns_mode: host\n    read_only: true\n    init: true\n    group_add: [audio, 44]\n"
        "    oom_score_adj: -5\n    shm_size: 1g\n    domainname: example.org\n");
    const Service& web = loaded.service("web");
    CHECK(web.privileges.cap_add == std::vector<std::string>{"NET_ADMIN"});
    CHECK(web.privileges.cap_drop == std::vector<std::string>{"ALL"});
    CHECK(web.privileges.no_new_privileges);
    CHECK(web.privileges.unfiltered);
    CHECK(web.privileges.unmasked_paths);
    CHECK(web.privileges.host_users);
    CHECK(web.read_only);
    CHECK(web.init);
    CHECK(web.group_add == std::vector<std::string>{"audio", "44"});
    CHECK(web.oom_score_adj == -5);
    CHECK(web.shm_size_bytes == 1 << 30);
    CHECK(web.domainname == "example.org");
}

TEST_CASE("profiles and labels of security modules") {
    const testing::Loaded loaded = load_web(
        "    security_opt: [apparmor=my-profile, \"label=type:svirt_t\", \"label:level:s0:c1,c2\"]\n");
    const Privileges& privileges = loaded.service("web").privileges;
    CHECK(privileges.apparmor_profile == "my-profile");
    CHECK(privileges.selinux_parts ==
          std::map<std::string, std::string>{{"type", "svirt_t"}, {"level", "s0:c1,c2"}});
    for (const char* wrong : {"apparmor=", "label=colour:red", "label=type:", "label=enable"}) {
        CAPTURE(wrong);
        const testing::Loaded refused =
            load_web(fmt::format("    security_opt: [\"{}\"]\n", wrong));
        CHECK(refused.remarks.find("is not a security option") != std::string::npos);
    }
}

TEST_CASE("limits of a service") {
    const testing::Loaded loaded = load_web(
        "    mem_limit: 64m\n    memswap_limit: -1\n    mem_reservation: 32m\n    cpu_shares: 512\n"
        "    cpu_quota: 50000\n    cpu_period: 100000\n"
        "    ulimits: {nofile: {soft: 10, hard: 20}, core: -1}\n");
    const Service& web = loaded.service("web");
    CHECK(web.resources.memory_bytes == 64 << 20);
    CHECK(web.resources.memory_swap_bytes == -1);
    CHECK(web.resources.memory_reservation_bytes == 32 << 20);
    CHECK(web.resources.cpu_shares == 512);
    CHECK(web.resources.cpu_quota_us == 50000);
    CHECK(web.resources.cpu_period_us == 100000);
    CHECK(web.ulimits.at("nofile") == Ulimit{10, 20});
    CHECK(web.ulimits.at("core") == Ulimit{-1, -1});
}

TEST_CASE("file systems in memory have one form") {
    const testing::Loaded loaded = load_web(
        "    tmpfs: [/run, \"/tmp/x/:size=64m,mode=1777\"]\n"
        "    volumes: [{type: tmpfs, target: /mem, tmpfs: {size: 1m, mode: 0700}, read_only: true}]\n");
    const std::vector<Tmpfs> expected = {{"/run", {}},
                                         {"/tmp/x", {"size=64m", "mode=1777"}},
                                         {"/mem", {"size=1048576", "mode=700", "ro"}}};
    CHECK(loaded.service("web").tmpfs == expected);
}

TEST_CASE("names that a service finds") {
    const testing::Loaded loaded = load_web(
        "    dns: 10.0.0.2\n    dns_search: [a, b]\n    dns_opt: [\"ndots:2\"]\n"
        "    extra_hosts: {one: 10.1.1.1, six: [\"::1\", \"::2\"], gate: host-gateway}\n");
    const Resolver& resolver = loaded.service("web").resolver;
    CHECK(resolver.servers == std::vector<std::string>{"10.0.0.2"});
    CHECK(resolver.search == std::vector<std::string>{"a", "b"});
    CHECK(resolver.options == std::vector<std::string>{"ndots:2"});
    CHECK(resolver.extra_hosts ==
          std::vector<std::string>{"one=10.1.1.1", "six=::1", "six=::2", "gate=host-gateway"});
}

TEST_CASE("configs and secrets are copies of files or text of their own") {
    const testing::Loaded loaded = load_files(
        {{".env", "TOKEN=t\n"},
         {"f", "own"},
         {"d/inside", "x"},
         {"compose.yaml",
          "services:\n"
          "  web:\n"
          "    image: x\n"
          "    secrets: [file, {source: env, target: other, uid: '5', mode: 0400}, folder,\n"
          "              {source: gone, mode: 0440}]\n"
          "    configs: [text]\n"
          "secrets:\n"
          "  file: {file: ./f}\n"
          "  folder: {file: ./d}\n"
          "  gone: {file: ./gone}\n"
          "  env: {environment: TOKEN}\n"
          "configs:\n"
          "  text: {content: 'a $TOKEN'}\n"}});
    const Service& web = loaded.service("web");
    REQUIRE(web.volumes.size() == 1);
    CHECK(web.volumes[0] ==
          Mount{MountType::Bind, loaded.folder + "/d", "/run/secrets/folder", true, false});
    const std::vector<InlineFile> expected = {
        {.target = "/text", .content = "a t"},
        {.target = "/run/secrets/file", .content = "own", .source = loaded.folder + "/f"},
        {.target = "/run/secrets/other", .content = "t", .uid = 5, .mode = 0400},
        {.target = "/run/secrets/gone",
         .mode = 0440,
         .source = loaded.folder + "/gone",
         .unreadable = "it does not exist"}};
    CHECK(web.inline_files == expected);
}

TEST_CASE("what a service can't have is refused with its place") {
    struct Case {
        const char* lines;
        const char* remark;
    };
    const Case cases[] = {
        {"    security_opt: [seccomp=./profile.json]\n",
         "4:5: the seccomp profile './profile.json' can't be read: No such file or directory"},
        {"    security_opt: [whatever]\n", "4:20: 'whatever' is not a security option"},
        {"    dns: resolver\n", "4:10: 'resolver' is not an IP address"},
        {"    extra_hosts: [a=b]\n", "4:19: 'b' is not an IP address"},
        {"    tmpfs: [run]\n", "4:13: a tmpfs can't be mounted on 'run' in the container"},
        {"    ulimits: {nofile: {soft: 3, hard: 2}}\n",
         "4:15: ulimit 'nofile' has a soft limit above its hard one"},
        {"    mem_limit: 2g\n    memswap_limit: 1g\n",
         "5:20: 'memswap_limit' is less than 'mem_limit', and it counts both"},
        {"    userns_mode: keep-id\n", "4:18: 'userns_mode: keep-id' is not supported yet"},
        {"    network_mode: hots\n", "4:19: 'network_mode: hots' is unknown"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.lines);
        const testing::Loaded loaded = load_web(c.lines);
        CHECK(!loaded.result);
        CHECK(loaded.remarks == fmt::format("compose.yaml:{}\n", c.remark));
    }
}

}  // namespace davit::compose
