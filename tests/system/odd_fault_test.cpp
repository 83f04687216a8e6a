#include "base/file.h"
#include "tests/system/fault.h"
#include "tests/system/needs_failpoints.h"

#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

// Faults of the world around: guards that hang, files in use and files that change, addresses that
// run out, folders that go. The names in parentheses are those of docs/reliability.md.
using namespace davit;
using namespace davit::testing;

namespace {

/// As a guard does it for `pause`, by whichever cgroups there are.
void freeze(const std::string& cgroup) {
    for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
        const std::string v2 = root + cgroup + "/cgroup.freeze";
        if (!exists(v2)) continue;
        REQUIRE(write_control_file(v2, "1").ok());
        return;
    }
    REQUIRE(
        write_control_file("/sys/fs/cgroup/freezer" + cgroup + "/freezer.state", "FROZEN").ok());
}

}  // namespace

TEST_CASE("a guard that is stopped is named after a while, and works when it goes on (K7)") {
    const Sandbox box("dt-hung");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const pid_t guard = guard_of(box, "dt-hung-db-1");
    REQUIRE(guard > 1);
    ::kill(guard, SIGSTOP);
    CHECK(bounded(box, {"ps", "-a"}).status == 0);  // views ask nobody
    const Outcome outcome = bounded(box, {"kill", "db"});
    CHECK(outcome.status == 1);
    CHECK_MESSAGE(contains(outcome.err, "guard doesn't answer"), outcome.err);
    CHECK_MESSAGE(contains(outcome.err, fmt::format("kill -9 {}", guard)), outcome.err);
    ::kill(guard, SIGCONT);
    check_goes_on(box);
    check_goes_down(box, before);
}

TEST_CASE("a wait for health ends where the guard is killed, and up brings it back (K3)") {
    const Sandbox box("dt-unwatched");
    box.load_busybox();
    box.compose(R"(
services:
  db:
    image: local/busybox:1
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "test", "-e", "/ready"], interval: 500ms, retries: 1000}
)");
    const std::string before = box.world();
    {
        const std::string said = box.folder() + "/said";
        Background up(box.davit_command({"up", "-d", "--wait"}), said);
        CHECK(eventually([&] {
            return box.davit({"inspect", "-f", "{{.State.Health.Status}}", "dt-unwatched-db-1"})
                       .out == "starting\n";
        }));
        kill_hard(guard_of(box, "dt-unwatched-db-1"));
        CHECK(up.wait() == 1);
        const std::string text = read_file(said).ok() ? *read_file(said) : "";
        CHECK_MESSAGE(contains(text, "guard of container dt-unwatched-db-1 was killed"), text);
    }
    const pid_t program = pid_of(box, "dt-unwatched-db-1");
    check_goes_on(box);
    CHECK(pid_of(box, "dt-unwatched-db-1") == program);
    check_goes_down(box, before);
}

TEST_CASE("a pause whose guard was killed before it could say so was never done (K3)") {
    const Sandbox box("dt-half-paused");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const auto config = read_json(box.data_root() +
                                  "/projects/dt-half-paused/containers/dt-half-paused-web-1/"
                                  "config.json");
    REQUIRE(config.ok());
    kill_hard(guard_of(box, "dt-half-paused-web-1"));
    freeze((*config)["linux"]["cgroupsPath"].get<std::string>());
    check_goes_on(box);
    CHECK(eventually([] { return contains(http_get("127.0.0.1", 18090, "/"), "HTTP/1"); }));
    check_goes_down(box, before);
}

TEST_CASE("a guard keeps nothing open that its caller has") {
    const Sandbox box("dt-inherited");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    // As flock(1) has it in its manual: the lock is to be free when the command has ended.
    Command up = box.davit_command({"up", "-d"});
    std::string words;
    for (const std::string& word : up.argv) words += "'" + word + "' ";
    up.argv = {"sh", "-c", "exec 9> mine; flock 9; " + words};
    CHECK(run(up).status == 0);
    CHECK(run({.argv = {"flock", "--nonblock", box.folder() + "/mine", "true"}}).status == 0);
    check_goes_down(box, before);
}

TEST_CASE("what somebody has open or mounted again holds up no removal (S10)") {
    const Sandbox box("dt-busy");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string upper =
        box.data_root() + "/projects/dt-busy/containers/dt-busy-db-1/rw/upper";
    const std::string init = fmt::format("{}", pid_of(box, "dt-busy-db-1"));
    // Copies of all mounts of the host and of the container, and a working folder in its layer.
    Background host({.argv = {"unshare", "--mount", "sleep", "1000"}}, "/dev/null");
    Background inside({.argv = {"nsenter", "--target", init, "--mount", "sleep", "1000"}},
                      "/dev/null");
    Background folder({.argv = {"sleep", "1000"}, .folder = upper}, "/dev/null");
    ::poll(nullptr, 0, 300);
    const Outcome down = bounded(box, {"down"});
    CHECK_MESSAGE(down.status == 0, down.err);
    CHECK_FALSE(exists(upper));
    CHECK(bounded(box, {"up", "-d"}).status == 0);  // its name is free at once
    inside.signal(SIGKILL);
    inside.wait();
    check_goes_down(box, before);
}

TEST_CASE("addresses of killed commands are given out again, and a full network is told (N7)") {
    NEEDS_FAILPOINTS();
    const Sandbox box("dt-lease");
    box.load_busybox();
    box.compose(R"(
services:
  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}
networks:
  default: {ipam: {config: [{subnet: 10.217.33.0/29}]}}
)");
    const std::string before = box.world();
    for (int round = 0; round < 12; ++round) {
        Command up = box.davit_command({"up", "-d", "--scale", "a=5"});
        up.environment.push_back("DAVIT_FAILPOINTS=link.make=kill@1");
        CHECK(run(up).status == 137);
        if (round % 4 == 3) CHECK(bounded(box, {"down"}).status == 0);
    }
    // Six addresses, one of them the gateway's.
    const Outcome all = bounded(box, {"up", "-d", "--scale", "a=5"});
    CHECK_MESSAGE(all.status == 0, all.err);
    check_whole(box);
    const Outcome more = bounded(box, {"up", "-d", "--scale", "a=6"});
    CHECK(more.status == 1);
    CHECK_MESSAGE(contains(more.err, "10.217.33.0/29"), more.err);
    CHECK_MESSAGE(contains(more.err, "help: "), more.err);
    check_whole(box);
    check_goes_down(box, before);
}

TEST_CASE("a project can be looked at and taken down without its file and folder (Y7, Y8)") {
    const Sandbox box("dt-lost");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    const auto check_life_without_file = [&](std::vector<std::string> with) {
        for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
                 {"ps"}, {"logs", "web"}, {"restart", "db"}, {"stop"}, {"down"}}) {
            CAPTURE(words.front());
            std::vector<std::string> line = with;
            line.insert(line.end(), words.begin(), words.end());
            const Outcome outcome = bounded(box, line);
            CHECK_MESSAGE(outcome.status == 0, outcome.err);
        }
        CHECK_MESSAGE(eventually([&] { return box.world() == before; }), box.world());
    };
    box.davit_ok({"up", "-d"});
    box.write("compose.yaml", "services: [this is {no");
    check_life_without_file({"-p", "dt-lost"});
    box.compose(kTwo);
    box.davit_ok({"up", "-d"});
    REQUIRE(::rename((box.folder() + "/compose.yaml").c_str(),
                     (box.folder() + "/elsewhere").c_str()) == 0);
    check_life_without_file({"-p", "dt-lost"});
}

TEST_CASE("a file that changes while it is read is one of its versions, or a mistake (C9)") {
    const Sandbox box("dt-torn");
    const std::string one = "services:\n  a: {image: one}\n";
    const std::string two = "services:\n  a: {image: two}\n" + std::string(100000, '#') + "\n";
    box.compose(one);
    box.write("one.yaml", "name: dt-torn\n" + one);
    box.write("two.yaml", "name: dt-torn\n" + two);
    Background writer({.argv = {"sh", "-c",
                                "while true; do cp one.yaml new; mv new compose.yaml; "
                                "cp two.yaml compose.yaml; done"},
                       .folder = box.folder()},
                      "/dev/null");
    int whole = 0;
    for (int i = 0; i < 40; ++i) {
        const Outcome outcome = bounded(box, {"config"});
        CAPTURE(outcome.err);
        const bool version = outcome.status == 0 && (contains(outcome.out, "image: one") !=
                                                     contains(outcome.out, "image: two"));
        if (version) ++whole;
        CHECK((version || (outcome.status != 0 && outcome.status < 126)));
    }
    CHECK(whole > 0);
}

TEST_CASE("closed streams, long words and strange terminals end in an answer (Y9)") {
    const Sandbox box("dt-words");
    box.compose("services:\n  a: {image: local/none:1}\n");
    const std::string davit = DAVIT_PROGRAM;
    for (const std::string& line :
         {davit + " config <&- >&- 2>&-", davit + " nonsense >&- 2>&-", davit + " ps <&- 2>&-",
          davit + " \"$(head -c 100000 /dev/zero | tr '\\0' x)\"",
          davit + " -p \"$(printf 'a\\nb')\" ps", davit + " ps $(seq -f --x%g 2000)",
          "TERM=dumb COLUMNS=0 " + davit + " config", "COLUMNS=-1 LANG=C " + davit + " --help",
          "COLUMNS=99999999999 " + davit + " ps", davit + " config > /dev/full"}) {
        CAPTURE(line);
        Command command = box.davit_command({});
        command.argv = {"timeout", "--signal=KILL", "30", "sh", "-c", line};
        const Outcome outcome = run(command);
        CAPTURE(outcome.err);
        CHECK(outcome.status < 126);
    }
}

TEST_CASE("a prune beside pulls, builds and starts takes nothing that they need (C7)") {
    const Sandbox box("dt-prune");
    box.load_busybox();
    box.compose(kTwo);
    box.write("Dockerfile",
              "FROM local/busybox:1\nRUN echo built > /www/page\nRUN cat /www/page\n");
    const std::string before = box.world();
    Background prune({.argv = {"sh", "-c",
                               fmt::format("while true; do {0} image prune -f; {0} builder prune "
                                           "-f; {0} volume prune -f; done",
                                           DAVIT_PROGRAM)},
                      .folder = box.folder(),
                      .environment = box.davit_command({}).environment},
                     "/dev/null");
    for (int round = 0; round < 5; ++round) {
        const Outcome build =
            bounded(box, {"build", "--no-cache", "-t", fmt::format("local/built:{}", round), "."});
        CHECK_MESSAGE(build.status == 0, build.err);
        const Outcome up = bounded(box, {"up", "-d", "--force-recreate"});
        CHECK_MESSAGE(up.status == 0, up.err);
    }
    prune.signal(SIGKILL);
    prune.wait();
    const Outcome check = box.davit({"image", "check"});
    CHECK_MESSAGE(check.status == 0, check.out, check.err);
    check_goes_on(box);
    check_goes_down(box, before);
}

TEST_CASE("a container that never came to be claims nothing (K1)") {
    NEEDS_FAILPOINTS();
    const Sandbox box("dt-unmade");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    for (const char* fault : {"bridge.configure=kill", "bridge.configure=EIO"}) {
        CAPTURE(fault);
        Command command = box.davit_command({"run", "--rm", "-T", "db", "true"});
        command.environment.push_back(std::string("DAVIT_FAILPOINTS=") + fault);
        const Outcome outcome = run(command);
        CHECK(outcome.status != 0);
        if (contains(fault, "EIO"))
            CHECK(contains(outcome.err, "bring network 'dt-unmade_default' up: failpoint"));
        check_goes_on(box);
    }
    // What rests on another data root is not taken for something that never came to be.
    box.davit_ok({"stop", "-t", "0"});
    const std::string other = box.folder() + "/elsewhere";
    box.davit_ok({"save", "-o", "image.tar", "local/busybox:1"});
    box.davit_ok({"--data-root", other, "load", "-i", "image.tar"});
    const Outcome elsewhere = bounded(box, {"--data-root", other, "up", "-d"});
    CHECK(elsewhere.status == 1);
    CHECK_MESSAGE(contains(elsewhere.err, "is up with data root"), elsewhere.err);
    CHECK(box.inspect("dt-unmade-db-1", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137");
    check_goes_down(box, before);
}
