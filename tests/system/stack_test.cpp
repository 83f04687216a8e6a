#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::file_text;
using davit::testing::http_get;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

constexpr const char* kWeb = R"(
services:
  web:
    image: local/busybox:1
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    ports: ["18080:80"]
    volumes: ["./html:/www:ro", "data:/data"]
    depends_on: [db]
    stop_signal: SIGKILL
  db:
    image: local/busybox:1
    command: sh -c 'echo ready; echo trouble >&2; exec sleep 1000'
    stop_signal: SIGKILL
volumes:
  data:
)";

/// Whether the server, which may still be starting, gives an answer with `words` in it.
bool answers(const std::string& ip, int port, const std::string& words) {
    return eventually([&] { return contains(http_get(ip, port), words); });
}

/// The sandbox with kWeb and its page, not up yet.
void prepare_web(const Sandbox& sandbox) {
    sandbox.load_busybox();
    REQUIRE(make_directories(sandbox.folder() + "/html", 0755).ok());
    sandbox.write("html/index.html", "first page");
    sandbox.compose(kWeb);
}

}  // namespace

TEST_CASE("a stack comes up is reachable everywhere and leaves nothing behind") {
    const Sandbox box("dt-story");
    prepare_web(box);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    for (const char* ip : {"127.0.0.1", "172.17.0.1", "::1"}) {
        CAPTURE(ip);
        CHECK(answers(ip, 18080, "first page"));
    }
    const std::string address = box.inspect("dt-story-web-1", "{{.NetworkSettings.IPAddress}}");
    CHECK(answers(address, 80, "first page"));
    box.write("html/index.html", "second page");
    CHECK(answers("127.0.0.1", 18080, "second page"));

    const std::string listed = box.davit_ok({"ps"});
    CHECK(contains(listed, "dt-story-web-1"));
    CHECK(contains(listed, "0.0.0.0:18080->80/tcp"));
    CHECK(contains(box.davit_ok({"logs", "db"}), "ready"));
    const std::string pid = box.inspect("dt-story-web-1", "{{.State.Pid}}");
    const Outcome inside = davit::testing::run(
        {.argv = {"nsenter", "-t", pid, "-n", "ip", "-brief", "address", "show", "eth0"}});
    CHECK(contains(inside.out, address));

    box.davit_ok({"down"});
    CHECK(box.world() == before);
    CHECK(exists(box.data_root() + "/volumes/dt-story_data/_data"));
    box.davit_ok({"down", "-v"});
    CHECK_FALSE(exists(box.data_root() + "/volumes/dt-story_data"));
}

TEST_CASE("up a second time touches nothing and a changed service alone is recreated") {
    const Sandbox box("dt-again");
    prepare_web(box);
    box.davit_ok({"up", "-d"});
    const std::string web = box.inspect("dt-again-web-1", "{{.State.Pid}}");
    const std::string db = box.inspect("dt-again-db-1", "{{.State.Pid}}");
    const std::string ip = box.inspect("dt-again-web-1", "{{.NetworkSettings.IPAddress}}");
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 0);
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-again-web-1", "{{.State.Pid}}") == web);

    std::string changed = kWeb;
    changed.replace(changed.find("    depends_on"), 0, "    environment: {COLOUR: red}\n");
    box.compose(changed);
    CHECK(box.davit({"plan", "--detailed-exitcode"}).status == 2);
    CHECK(contains(box.davit_ok({"plan"}), "configuration changed"));
    box.davit_ok({"up", "-d"});
    CHECK(box.inspect("dt-again-web-1", "{{.State.Pid}}") != web);
    CHECK(box.inspect("dt-again-db-1", "{{.State.Pid}}") == db);
    CHECK(box.inspect("dt-again-web-1", "{{.NetworkSettings.IPAddress}}") == ip);
    CHECK(contains(box.inspect("dt-again-web-1", "{{json .Config.Env}}"), "COLOUR=red"));
    CHECK(answers("127.0.0.1", 18080, "first page"));
}

TEST_CASE("three mistakes are three errors with their places and change nothing") {
    const Sandbox box("dt-mistakes");
    box.load_busybox();
    const std::string before = box.world();
    box.compose(R"(services:
  web:
    imgae: local/busybox:1
    image: local/busybox:1
    ports: ["80x:80"]
    depends_on: [dbb]
  db:
    image: local/busybox:1
)");
    const Outcome up = box.davit({"up", "-d"});
    CHECK(up.status == 15);
    CHECK(contains(up.err, "compose.yaml:4:5: error: unknown key 'imgae' in service 'web'"));
    CHECK(contains(up.err, "    imgae: local/busybox:1\n"));
    CHECK(contains(up.err, "^~~~~"));
    CHECK(contains(up.err, "'image'"));
    CHECK(contains(up.err, "compose.yaml:6:"));
    CHECK(contains(up.err, "compose.yaml:7:"));
    CHECK(contains(up.err, "'db'"));
    std::size_t errors = 0;
    for (const std::string& line : split(up.err, '\n'))
        errors += contains(line, ": error: ") ? 1U : 0U;
    CHECK(errors == 3);
    CHECK(box.world() == before);
}

TEST_CASE("a missing image and a taken port are found before anything changes") {
    const Sandbox box("dt-before");
    box.load_busybox();
    const std::string before = box.world();
    // Nobody listens there.
    box.compose("services:\n  a:\n    image: 127.0.0.1:1/no/such:1\n");
    const Outcome missing = box.davit({"up", "-d"});
    CHECK(missing.status != 0);
    CHECK(contains(missing.err, "compose.yaml:4:"));
    CHECK(contains(missing.err, "pull '127.0.0.1:1/no/such:1': manifest of 127.0.0.1:1: "));
    CHECK(box.world() == before);

    box.compose("services:\n  a:\n    image: local/busybox:1\n    ports: [\"18081:80\"]\n");
    Background other({.argv = {"/bin/busybox", "nc", "-l", "-p", "18081"}}, "/dev/null");
    REQUIRE(eventually([] {
        return contains(file_text("/proc/thread-self/net/tcp"), ":46A1 ") ||
               contains(file_text("/proc/thread-self/net/tcp6"), ":46A1 ");
    }));
    const Outcome taken = box.davit({"up", "-d"});
    CHECK(taken.status != 0);
    CHECK(contains(taken.err, "port 18081/tcp"));
    CHECK(contains(taken.err, fmt::format("pid {}", other.pid())));
    CHECK(contains(taken.err, "compose.yaml:5:"));
    other.signal(SIGKILL);
    other.wait();
    CHECK(box.world() == before);
}

TEST_CASE("a container is root over its own ids alone with the default capabilities and a filter") {
    const Sandbox box("dt-inside");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    user: app
    hostname: box
    working_dir: /made/here
    environment: {GREETING: hello}
    stop_signal: SIGKILL
    command:
      - sh
      - -c
      - 'echo "pid $$$$ host $$(hostname) dir $$(pwd) $$GREETING"; id; exec sleep 1000'
  root:
    image: local/busybox:1
    stop_signal: SIGKILL
    command: sh -c 'mount -t tmpfs x /tmp; echo x > /proc/sys/kernel/hostname; cat /proc/keys; echo x > /null-node; exec sleep 1000'
)");
    box.davit_ok({"up", "-d"});
    REQUIRE(eventually([&] { return contains(box.davit_ok({"logs", "a"}), "groups="); }));
    const std::string said = box.davit_ok({"logs", "a"});
    CHECK(contains(said, "pid 1 host box dir /made/here hello"));
    CHECK(contains(said, "uid=1000(app) gid=1000(app) groups=50(extra),1000(app)"));

    const std::string pid = box.inspect("dt-inside-root-1", "{{.State.Pid}}");
    for (const char* name : {"pid", "net", "mnt", "ipc", "uts", "user", "cgroup"}) {
        char ours[64] = {};
        char theirs[64] = {};
        REQUIRE(::readlink(fmt::format("/proc/self/ns/{}", name).c_str(), ours, 63) > 0);
        REQUIRE(::readlink(fmt::format("/proc/{}/ns/{}", pid, name).c_str(), theirs, 63) > 0);
        CHECK_MESSAGE(std::string(ours) != theirs, name);
    }
    const std::vector<std::string> map = split(file_text("/proc/" + pid + "/uid_map"), ' ');
    const std::string status = file_text("/proc/" + pid + "/status");
    CHECK(contains(status, "NSpid:\t" + pid + "\t1\n"));
    CHECK(contains(status, "CapEff:\t00000000a80425fb\n"));
    CHECK(contains(status, "CapBnd:\t00000000a80425fb\n"));
    CHECK(contains(status, "CapInh:\t0000000000000000\n"));
    CHECK(contains(status, "Seccomp:\t2\n"));
    const std::string mapped = file_text("/proc/" + pid + "/uid_map");
    CHECK(contains(mapped, "65536"));
    CHECK_FALSE(contains(mapped, " 0 4294967295"));
    const std::string refused = box.davit_ok({"logs", "root"});
    CHECK(contains(refused, "mount: permission denied"));
    CHECK(contains(refused, "/proc/sys/kernel/hostname: Read-only file system"));
    CHECK_FALSE(contains(refused, "keyring"));  // masked: /proc/keys is empty
    CHECK(contains(refused, "/null-node: Permission denied"));
}

TEST_CASE("services find each other by name") {
    const Sandbox box("dt-names");
    box.load_busybox();
    box.compose(R"(
services:
  web:
    image: local/busybox:1
    command: sh -c 'echo from-web > /www/index.html; exec httpd -f -p 8000 -h /www'
    stop_signal: SIGKILL
  asker:
    image: local/busybox:1
    depends_on: [web]
    stop_signal: SIGKILL
    command:
      - sh
      - -c
      - 'until wget -q -O - http://web:8000/; do sleep 0.1; done; wget -q -O - http://dt-names-web-1:8000/; exec sleep 1000'
)");
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] {
        const std::string said = box.davit_ok({"logs", "--no-log-prefix", "asker"});
        const std::size_t first = said.find("from-web");
        return first != std::string::npos && said.find("from-web", first + 1) != std::string::npos;
    }));
}

TEST_CASE("output is kept by stream and rotated by size and count") {
    const Sandbox box("dt-said");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sh -c 'i=0; while [ $$i -lt 1500 ]; do echo "line $$i"; i=$$((i+1)); done; echo last >&2; exec sleep 1000'
    stop_signal: SIGKILL
    logging: {driver: json-file, options: {max-size: 10k, max-file: "3"}}
)");
    box.davit_ok({"up", "-d"});
    REQUIRE(eventually([&] { return contains(box.davit_ok({"logs"}), "last"); }));
    const std::string path = box.inspect("dt-said-a-1", "{{.LogPath}}");
    auto files = list_directory(path.substr(0, path.rfind('/')));
    REQUIRE(files.ok());
    std::erase_if(*files, [&](const std::string& file) {
        return !file.starts_with(path.substr(path.rfind('/') + 1));
    });
    CHECK(files->size() == 3);
    for (const std::string& file : *files) {
        struct stat info {};
        REQUIRE(::stat((path.substr(0, path.rfind('/')) + "/" + file).c_str(), &info) == 0);
        CHECK(info.st_size <= 10240);
    }
    const std::string tail = box.davit_ok({"logs", "--no-log-prefix", "--tail", "3"});
    CHECK(tail == "line 1498\nline 1499\nlast\n");
    CHECK(contains(file_text(path), "\"stream\":\"stderr\""));
}

TEST_CASE("a restart policy brings the program back at the same address") {
    const Sandbox box("dt-restart");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sh -c 'echo started; exec sleep 1000'
    restart: always
    stop_signal: SIGKILL
  once:
    image: local/busybox:1
    command: sh -c 'exit 7'
)");
    box.davit_ok({"up", "-d"});
    const std::string pid = box.inspect("dt-restart-a-1", "{{.State.Pid}}");
    const std::string ip = box.inspect("dt-restart-a-1", "{{.NetworkSettings.IPAddress}}");
    REQUIRE(::kill(static_cast<pid_t>(*parse_integer(pid)), SIGKILL) == 0);
    REQUIRE(eventually([&] {
        return box.inspect("dt-restart-a-1", "{{.RestartCount}} {{.State.Status}}") == "1 running";
    }));
    const std::string again = box.inspect("dt-restart-a-1", "{{.State.Pid}}");
    CHECK(again != pid);
    const Outcome inside = davit::testing::run(
        {.argv = {"nsenter", "-t", again, "-n", "ip", "-brief", "address", "show", "eth0"}});
    CHECK(contains(inside.out, ip));
    CHECK(eventually([&] {
        return box.inspect("dt-restart-once-1", "{{.State.Status}} {{.State.ExitCode}}") ==
               "exited 7";
    }));
    box.davit_ok({"stop"});
    CHECK(box.inspect("dt-restart-a-1", "{{.State.Status}}") == "exited");
}

TEST_CASE("limits reach the kernel") {
    const Sandbox box("dt-limits");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sleep 1000
    mem_limit: 32m
    cpus: 0.5
    pids_limit: 20
    stop_signal: SIGKILL
)");
    box.davit_ok({"up", "-d"});
    const std::string pid = box.inspect("dt-limits-a-1", "{{.State.Pid}}");
    const std::string member = file_text("/proc/" + pid + "/cgroup");
    CHECK(contains(member, "/davit/dt-limits/dt-limits-a-1"));
    std::string limits;
    for (const std::string& line : split(file_text("/proc/self/mountinfo"), '\n')) {
        if (!contains(line, " - cgroup")) continue;
        const std::string folder = split(line, ' ').at(4) + "/davit/dt-limits/dt-limits-a-1/";
        for (const char* file :
             {"memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max", "pids.max"})
            limits += file_text(folder + file);
    }
    CHECK(contains(limits, "33554432\n"));
    CHECK(contains(limits, "50000"));
    CHECK(contains(limits, "20\n"));
}

TEST_CASE("data roots of the file are used for the stack and for one service") {
    const Sandbox box("dt-roots");
    box.load_busybox();
    const std::string big = box.folder() + "/big disk";
    box.compose(
        "x-davit: {data_root: \"" + box.data_root() +
        "\"}\nservices:\n  a:\n"
        "    image: local/busybox:1\n    command: sh -c 'echo kept > /written; exec sleep 1000'\n"
        "    stop_signal: SIGKILL\n    x-davit: {data_root: ./big disk}\n"
        "    volumes: [\"/anonymous\"]\n");
    box.davit_ok({"up", "-d"});
    const std::string state = big + "/projects/dt-roots/containers/dt-roots-a-1";
    CHECK(eventually([&] { return file_text(state + "/rw/upper/written") == "kept\n"; }));
    CHECK(box.inspect("dt-roots-a-1", "{{.LogPath}}").starts_with(state + "/"));
    // Where every container's mounts go is in a layer beneath those of the image.
    CHECK(exists(box.data_root() + "/mount-points/etc/hosts"));
    CHECK(*list_directory(state + "/rw/upper") == std::vector<std::string>{"anonymous", "written"});
    CHECK(exists(big + "/projects/dt-roots/anonymous"));
    box.davit_ok({"down"});
    CHECK_FALSE(exists(big + "/projects"));
}
