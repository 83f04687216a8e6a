#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <chrono>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

using namespace davit;
using davit::testing::Background;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::file_text;
using davit::testing::http_get;
using davit::testing::Outcome;
using davit::testing::Sandbox;

// The commands about containers that are there already.
namespace {

constexpr const char* kShop = R"(
services:
  web:
    image: local/busybox:1
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    ports: ["18090:80"]
    volumes: ["./html:/www:ro", "data:/data", "/scratch"]
    depends_on: [db]
    stop_signal: SIGKILL
  db:
    image: local/busybox:1
    command: sh -c 'trap "exit 3" USR1; echo ready; while :; do sleep 0.1; done'
    stop_signal: SIGKILL
volumes:
  data:
)";

void prepare(const Sandbox& box) {
    box.load_busybox();
    REQUIRE(make_directories(box.folder() + "/html", 0755).ok());
    box.write("html/index.html", "a page");
    box.compose(kShop);
}

bool answers(int port) {
    return eventually([&] { return contains(http_get("127.0.0.1", port), "a page"); });
}

}  // namespace

TEST_CASE("projects may be called as davit calls things of its own") {
    for (const char* name : {"lock", "guards", "images"}) {
        CAPTURE(name);
        const Sandbox box(name);
        box.load_busybox();
        box.compose(
            "services: {a: {image: 'local/busybox:1', command: sleep 1000, "
            "stop_signal: SIGKILL}}\n");
        const std::string before = box.world();
        box.davit_ok({"up", "-d"});
        CHECK(box.davit_ok({"exec", "-T", "a", "echo", "there"}) == "there\n");
        box.davit_ok({"down"});
        CHECK(eventually([&] { return box.world() == before; }));
    }
}

TEST_CASE("a stopped project starts again with its addresses and ports") {
    const Sandbox box("dt-start");
    prepare(box);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string ip = box.inspect("dt-start-web-1", "{{.NetworkSettings.IPAddress}}");
    box.davit_ok({"stop"});
    CHECK_FALSE(contains(http_get("127.0.0.1", 18090), "a page"));
    CHECK(contains(box.davit_ok({"ps", "-a"}), "Exited (137)"));

    box.davit_ok({"start", "web"});
    CHECK(answers(18090));
    CHECK(box.inspect("dt-start-web-1", "{{.NetworkSettings.IPAddress}}") == ip);
    CHECK(box.inspect("dt-start-db-1", "{{.State.Running}}") == "false");
    box.davit_ok({"start"});
    CHECK(box.inspect("dt-start-db-1", "{{.State.Running}}") == "true");
    const std::string pid = box.inspect("dt-start-db-1", "{{.State.Pid}}");
    box.davit_ok({"start"});
    CHECK(box.inspect("dt-start-db-1", "{{.State.Pid}}") == pid);
    const Outcome unknown = box.davit({"start", "wbe"});
    CHECK(unknown.status == 1);
    CHECK(contains(unknown.err, "no such service: wbe"));
    CHECK(contains(unknown.err, "'web'"));
    // The beginning of an id is none that a project's user can have meant; the id itself is.
    const std::string id = box.inspect("dt-start-db-1", "{{.Id}}");
    const Outcome prefix = box.davit({"kill", id.substr(0, 3)});
    CHECK(prefix.status == 1);
    CHECK(contains(prefix.err, "no such service: " + id.substr(0, 3)));
    CHECK(box.inspect("dt-start-db-1", "{{.State.Pid}}") == pid);
    CHECK(box.davit({"exec", "-T", id.substr(0, 3), "true"}).status != 0);
    box.davit_ok({"exec", "-T", id.substr(0, 12), "true"});

    box.davit_ok({"down"});
    CHECK(box.world() == before);
    box.davit_ok({"down", "-v"});
}

TEST_CASE("start works after a reboot has taken bridges and the run root") {
    const Sandbox box("dt-afterboot");
    prepare(box);
    box.davit_ok({"up", "-d"});
    box.davit_ok({"stop"});
    const std::string links = davit::testing::run({.argv = {"ip", "-o", "link"}}).out;
    const std::size_t at = links.find("dvb-");
    REQUIRE(at != std::string::npos);
    const std::string bridge = links.substr(at, links.find(':', at) - at);
    REQUIRE(davit::testing::run({.argv = {"ip", "link", "del", bridge}}).status == 0);
    REQUIRE(remove_tree(box.run_root()).ok());
    box.davit_ok({"start"});
    CHECK(answers(18090));
}

TEST_CASE("restart gives every container a new process and keeps its address") {
    const Sandbox box("dt-restarted");
    prepare(box);
    box.davit_ok({"up", "-d"});
    const std::string web = box.inspect("dt-restarted-web-1", "{{.State.Pid}}");
    const std::string db = box.inspect("dt-restarted-db-1", "{{.State.Pid}}");
    box.davit_ok({"restart", "-t", "1", "web"});
    CHECK(box.inspect("dt-restarted-web-1", "{{.State.Pid}}") != web);
    CHECK(box.inspect("dt-restarted-db-1", "{{.State.Pid}}") == db);
    CHECK(answers(18090));
    CHECK(contains(box.davit_ok({"--dry-run", "restart"}), "asked for by restart"));
    CHECK(box.inspect("dt-restarted-db-1", "{{.State.Pid}}") == db);
}

TEST_CASE("kill sends the signal and wait gives the exit status") {
    const Sandbox box("dt-signals");
    prepare(box);
    box.davit_ok({"up", "-d"});
    REQUIRE(eventually([&] { return contains(box.davit_ok({"logs", "db"}), "ready"); }));
    const std::string out = box.folder() + "/wait.out";
    Background waiting(box.davit_command({"wait", "db"}), out);
    // `wait` says nothing before the end, so: killed until it has.
    const Outcome bad = box.davit({"kill", "-s", "NOSUCH", "db"});
    CHECK(bad.status == 1);
    CHECK(contains(bad.err, "'NOSUCH' is not a signal"));
    CHECK(contains(box.davit({"kill", "-s", "SIGRTMIN+3", "web"}).err, "dt-signals-web-1  Killed"));
    REQUIRE(eventually([&] {
        return exists(fmt::format("/proc/{}/fd/3", waiting.pid()));  // it waits
    }));
    ::usleep(200'000);
    box.davit_ok({"kill", "-s", "USR1", "db"});
    CHECK(waiting.wait() == 3);
    CHECK(contains(file_text(out), "exited with status code 3"));
    box.davit_ok({"kill"});
    CHECK(box.inspect("dt-signals-web-1", "{{.State.ExitCode}}") == "137");
    const Outcome none = box.davit({"wait", "db"});
    CHECK(none.status == 1);
    CHECK(contains(none.err, "no containers for project \"dt-signals\""));
}

TEST_CASE("rm removes what rests and asks first") {
    const Sandbox box("dt-rm");
    prepare(box);
    box.davit_ok({"up", "-d"});
    const Outcome nothing = box.davit({"rm", "-f"});
    CHECK(nothing.status == 0);
    CHECK(contains(nothing.err, "No stopped containers"));
    box.davit_ok({"stop", "web"});
    const Outcome asked = box.davit({"rm"});  // standard input is empty: no
    CHECK(contains(asked.out, "Going to remove dt-rm-web-1\n"));
    CHECK(contains(asked.err, "Are you sure? [yN]"));
    CHECK(contains(box.davit_ok({"ps", "-a"}), "dt-rm-web-1"));
    box.davit_ok({"rm", "-f"});
    CHECK_FALSE(contains(box.davit_ok({"ps", "-a"}), "dt-rm-web-1"));
    CHECK(
        contains(box.davit_ok({"volume", "ls", "-q", "--filter", "dangling=true"}), "dt-rm_data"));
    // One that is named is killed, as `docker rm -f` does it: its ten seconds don't matter.
    box.davit_ok(
        {"run", "-d", "--name", "dt-rm-deaf", "web", "sh", "-c", "trap '' TERM; sleep 1000"});
    const auto begun = std::chrono::steady_clock::now();
    box.davit_ok({"rm", "-f", "dt-rm-deaf"});
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(8));
    box.davit_ok({"rm", "-fsv"});
    CHECK(box.davit_ok({"ps", "-aq"}).empty());
}

TEST_CASE("port top stats and ls show what runs") {
    const Sandbox box("dt-show");
    prepare(box);
    box.davit_ok({"up", "-d"});
    CHECK(box.davit_ok({"port", "web", "80"}) == "0.0.0.0:18090\n");
    const Outcome none = box.davit({"port", "web", "81"});
    CHECK(none.status == 1);
    CHECK(contains(none.err, "no port 81/tcp for container dt-show-web-1: 80/tcp"));

    const std::string top = box.davit_ok({"top"});
    CHECK(contains(top, "SERVICE  #"));
    CHECK(contains(top, "httpd -f -p 80 -h /www"));
    CHECK(contains(top, "root"));

    const std::string stats = box.davit_ok({"stats", "--no-stream", "--format", "json", "web"});
    const Result<Json> row = parse_json(stats, "stats");
    REQUIRE(row.ok());
    CHECK(string_or(*row, "Name") == "dt-show-web-1");
    CHECK(string_or(*row, "PIDs") == "1");
    CHECK_FALSE(string_or(*row, "MemUsage").starts_with("0B"));

    const Result<Json> projects = parse_json(box.davit_ok({"ls", "--format", "json"}), "ls");
    REQUIRE(projects.ok());
    REQUIRE(projects->size() == 1);
    CHECK(string_or(projects->front(), "Name") == "dt-show");
    CHECK(string_or(projects->front(), "Status") == "running(2)");
    box.davit_ok({"stop", "web"});
    CHECK(contains(box.davit_ok({"ls"}), "exited(1), running(1)"));
    CHECK(box.davit_ok({"ls", "-q", "--filter", "name=^nothing"}).empty());
}

TEST_CASE("cp moves files both ways and keeps to the container's root") {
    const Sandbox box("dt-cp");
    prepare(box);
    box.davit_ok({"up", "-d"});
    REQUIRE(make_directories(box.folder() + "/tree/deep", 0755).ok());
    box.write("tree/deep/file", "inside\n");
    box.davit_ok({"cp", "tree", "db:/tmp"});
    CHECK(box.davit_ok({"exec", "db", "cat", "/tmp/tree/deep/file"}) == "inside\n");
    CHECK(box.davit_ok({"exec", "db", "stat", "-c", "%u:%g", "/tmp/tree/deep/file"}) == "0:0\n");
    // Into a volume, which is idmapped.
    box.davit_ok({"cp", "tree/deep/file", "web:/data/copy"});
    CHECK(file_text(box.data_root() + "/volumes/dt-cp_data/_data/copy") == "inside\n");

    box.davit_ok(
        {"exec", "db", "sh", "-c", "ln -s /etc/passwd /tmp/link; ln -s ../../../.. /tmp/up"});
    box.davit_ok({"cp", "-L", "db:/tmp/link", "passwd"});
    CHECK(contains(file_text(box.folder() + "/passwd"), "app:x:1000"));
    box.davit_ok({"cp", "db:/tmp/up/etc/group", "group"});
    CHECK(contains(file_text(box.folder() + "/group"), "extra:x:50"));
    box.davit_ok({"cp", "db:/tmp/tree/.", "html"});
    CHECK(file_text(box.folder() + "/html/deep/file") == "inside\n");
    struct stat info {};
    REQUIRE(::stat((box.folder() + "/html/deep/file").c_str(), &info) == 0);
    CHECK(info.st_uid == 0);
    CHECK(box.davit({"cp", "a", "b"}).status == 1);
    CHECK(box.davit({"cp", "db:/nosuch", "b"}).status == 1);
}

TEST_CASE("volume makes lists inspects removes and prunes") {
    const Sandbox box("dt-volumes");
    prepare(box);
    CHECK(box.davit_ok({"volume", "create", "--label", "a=b", "dt-own"}) == "dt-own\n");
    CHECK(box.davit_ok({"volume", "create", "--label", "a=b", "dt-own"}) == "dt-own\n");
    CHECK(box.davit_ok({"volume", "inspect", "-f", "{{.Mountpoint}}", "dt-own"}) ==
          box.data_root() + "/volumes/dt-own/_data\n");
    box.davit_ok({"up", "-d"});
    CHECK(contains(box.davit_ok({"volumes", "-q"}), "dt-volumes_data\n"));
    CHECK(box.davit_ok({"volume", "ls", "-q", "--filter",
                        "label=com.docker.compose.project=dt-volumes", "--filter",
                        "label=com.docker.compose.volume=data"}) == "dt-volumes_data\n");
    CHECK(contains(box.davit_ok({"volume", "ls"}), "local"));
    const Outcome busy = box.davit({"volume", "rm", "dt-volumes_data"});
    CHECK(busy.status == 1);
    CHECK(contains(busy.err, "volume is in use - [dt-volumes-web-1]"));
    box.davit_ok({"rm", "-fs"});
    CHECK(contains(box.davit_ok({"volume", "prune", "-f"}), "Deleted Volumes:\n"));
    CHECK(contains(box.davit_ok({"volume", "ls", "-q"}), "dt-own\ndt-volumes_data\n"));
    CHECK(contains(box.davit_ok({"volume", "prune", "-af"}), "dt-own"));
    CHECK(box.davit_ok({"volume", "ls", "-q"}).empty());
    CHECK(box.davit({"volume", "rm", "dt-own"}).status == 1);
    CHECK(box.davit({"volume", "create", "../x"}).status == 1);
}

TEST_CASE("events tell the life of containers as it happens and afterwards") {
    const Sandbox box("dt-events");
    prepare(box);
    box.davit_ok({"create"});
    const std::string out = box.folder() + "/events.out";
    Background events(box.davit_command({"events", "--json", "--since", "1h"}), out);
    REQUIRE(eventually([&] { return contains(file_text(out), "\"create\""); }));
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return contains(file_text(out), "\"start\""); }));
    box.davit_ok({"kill", "web"});
    CHECK(eventually([&] { return contains(file_text(out), "\"exitCode\":\"137\""); }));
    box.davit_ok({"rm", "-f"});
    CHECK(eventually([&] { return contains(file_text(out), "\"destroy\""); }));
}

TEST_CASE("images that can be built are left alone where pull is told so") {
    const Sandbox box("dt-buildable");
    box.write("Dockerfile", "FROM scratch\n");
    // Nobody listens on that port.
    box.compose("services:\n  a: {build: ., image: \"localhost:1/a:1\"}\n");
    CHECK(box.davit({"pull", "--ignore-buildable"}).status == 0);
    CHECK(box.davit({"pull"}).status == 1);
}
