#include "base/file.h"
#include "tests/system/fault.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

// Records that were damaged and parts that were taken away by hand; the names in parentheses are
// those of docs/reliability.md.
using namespace davit;
using namespace davit::testing;

namespace {

std::vector<std::string> files_below(const std::string& folder, const std::string& pattern) {
    std::vector<std::string> files =
        split(run({.argv = {"find", folder, "-type", "f", "-name", pattern}}).out, '\n');
    std::erase(files, "");
    return files;
}

}  // namespace

TEST_CASE("any record may be empty cut off or garbage (S5)") {
    const Sandbox box("dt-garbage");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    std::vector<std::string> files = files_below(box.run_root(), "*.json");
    for (const std::string& file : files_below(box.data_root() + "/projects", "*.json"))
        files.push_back(file);
    REQUIRE(files.size() > 6);
    const std::string half = "{\"version\": 1, \"na";
    const std::string bytes = "\x7f\xff garbage";
    const std::string texts[] = {"", half, bytes};
    std::size_t round = 0;
    for (const std::string& file : files) {
        if (!exists(file)) continue;  // a network that was made anew is called the same, others not
        CAPTURE(file);
        REQUIRE(write_in_place(file, texts[round++ % 3], 0600).ok());
        // Views don't break, whatever they show.
        bounded(box, {"ps", "-a"});
        bounded(box, {"ls", "-a"});
        const Outcome down = bounded(box, {"down"});
        CHECK_MESSAGE(down.status == 0, down.err);
        CHECK_MESSAGE(eventually([&] { return box.world() == before; }), box.world());
        const Outcome up = bounded(box, {"up", "-d"});
        CHECK_MESSAGE(up.status == 0, up.err);
    }
    check_goes_on(box);
    check_goes_down(box, before);
}

TEST_CASE("up heals what was taken away by hand and down doesn't mind (S9)") {
    const Sandbox box("dt-hands");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    const std::string run_dir = box.run_root() + "/dt-hands";
    const std::vector<std::vector<std::string>> deeds = {
        {"nft", "delete", "table", "inet", "davit"},
        {"sh", "-c", "ip -o link show type bridge | cut -d: -f2 | xargs -n1 ip link del"},
        {"sh", "-c",
         "ip -o link show type veth | cut -d: -f2 | cut -d@ -f1 | xargs -n1 ip link del"},
        {"sh", "-c", "rm -rf '" + run_dir + "/.networks'"},
        {"sh", "-c", "rm -rf '" + run_dir + "/dt-hands-web-1/control.sock'"},
        {"sh", "-c", "rm -rf '" + run_dir + "/dt-hands-web-1/claims.json'"},
        {"sh", "-c", "rm -rf '" + box.data_root() + "/projects/dt-hands/networks'"},
        {"sh", "-c",
         "rm -rf '" + box.data_root() + "/projects/dt-hands/containers/dt-hands-web-1'"},
    };
    for (const std::vector<std::string>& deed : deeds) {
        CAPTURE(deed.back());
        box.davit_ok({"up", "-d"});
        REQUIRE(run({.argv = deed}).status == 0);
        check_goes_down(box, before);
        box.davit_ok({"up", "-d"});
        REQUIRE(run({.argv = deed}).status == 0);
        const Outcome up = bounded(box, {"up", "-d"});
        CHECK_MESSAGE(up.status == 0, up.err);
        // Where the running container can't be healed in place, it is made anew.
        if (!eventually([] { return contains(http_get("127.0.0.1", 18090), "HTTP/1"); })) {
            CHECK(bounded(box, {"up", "-d", "--force-recreate"}).status == 0);
            CHECK(eventually([] { return contains(http_get("127.0.0.1", 18090), "HTTP/1"); }));
        }
        check_goes_down(box, before);
    }
}

TEST_CASE("a recreate that fails in the middle leaves what ran or says what is missing (L6)") {
    const Sandbox box("dt-recreate");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string running = pids(box);
    const std::string broken[] = {
        "image: local/nothing:1",
        "image: local/busybox:1\n    ports: [\"18091:80\", \"18092:80\", \"18091:81\"]",
        "image: local/busybox:1\n    volumes: [{type: bind, source: ./none, target: /x, "
        "bind: {create_host_path: false}}]",
    };
    for (const std::string& service : broken) {
        CAPTURE(service);
        box.compose(
            "services:\n  db: {image: local/busybox:1, command: sleep 1000, stop_signal: "
            "SIGKILL}\n  web:\n    depends_on: [db]\n    " +
            service + "\n");
        CHECK(bounded(box, {"up", "-d", "--pull", "never"}).status != 0);
        // Nothing was stopped for it.
        CHECK(pids(box) == running);
        check_whole(box);
    }
    box.compose(kTwo);
    check_goes_on(box);
    check_goes_down(box, before);
}

TEST_CASE("containers stop in reverse order each with its own time (L9)") {
    const Sandbox box("dt-order");
    box.load_busybox();
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    command: sh -c 'trap "sleep 0.3; exit 0" TERM; while true; do sleep 0.05; done'
  b:
    image: local/busybox:1
    command: sh -c 'trap "sleep 0.3; exit 0" TERM; while true; do sleep 0.05; done'
    depends_on: [a]
  deaf:
    image: local/busybox:1
    command: sh -c 'trap "" TERM; while true; do sleep 0.05; done'
    stop_grace_period: 500ms
)");
    box.davit_ok({"up", "-d"});
    CHECK(bounded(box, {"stop"}).status == 0);
    const std::string a = box.inspect("dt-order-a-1", "{{.State.FinishedAt}}");
    const std::string b = box.inspect("dt-order-b-1", "{{.State.FinishedAt}}");
    CHECK(b < a);
    CHECK(box.inspect("dt-order-a-1", "{{.State.ExitCode}}") == "0");
    CHECK(box.inspect("dt-order-deaf-1", "{{.State.ExitCode}}") == "137");
    check_whole(box);
    box.davit_ok({"down"});
}

TEST_CASE("down leaves what belongs to others (L10)") {
    const Sandbox box("dt-foreign");
    box.load_busybox();
    box.davit_ok({"volume", "create", "dt-foreign-ext"});
    box.compose(
        "services:\n  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, "
        "volumes: [\"ext:/e\", \"own:/o\"]}\n"
        "volumes:\n  own:\n  ext: {external: true, name: dt-foreign-ext}\n");
    box.davit_ok({"up", "-d"});
    box.davit_ok({"exec", "-T", "a", "sh", "-c", "echo kept > /e/file"});
    box.davit_ok({"down", "-v"});
    const std::string left = box.davit_ok({"volume", "ls", "-q"});
    CHECK(contains(left, "dt-foreign-ext"));
    CHECK(!contains(left, "dt-foreign_own"));
    CHECK(*read_file(box.data_root() + "/volumes/dt-foreign-ext/_data/file") == "kept\n");
    check_whole(box);
}

TEST_CASE("exit codes tell signals and missing programs (L13)") {
    const Sandbox box("dt-codes");
    box.load_busybox();
    box.compose("services:\n  a: {image: local/busybox:1, command: \"true\"}\n");
    const auto code_of = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"run", "--rm", "-T", "a"});
        return box.davit(words).status;  // 137 is a status here, and not that of a limit
    };
    CHECK(code_of({"true"}) == 0);
    CHECK(code_of({"sh", "-c", "exit 9"}) == 9);
    CHECK(code_of({"sh", "-c", "sh -c 'kill -KILL $$'; exit $?"}) == 137);
    CHECK(code_of({"sh", "-c", "sh -c 'kill -TERM $$'; exit $?"}) == 143);
    CHECK(code_of({"/no/such"}) == 127);
    CHECK(code_of({"/etc/passwd"}) == 126);
    check_whole(box);
    box.davit_ok({"down"});
}

TEST_CASE("a run root that outlived a reboot is not believed (S8)") {
    const Sandbox box("dt-oldrun");
    box.load_busybox();
    box.compose(kTwo);
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    // As after a reboot with a run root on a disk: everything in it speaks of processes and links
    // that are gone, and the numbers belong to others now.
    for (const char* name : {"dt-oldrun-web-1", "dt-oldrun-db-1"}) {
        const pid_t init = pid_of(box, name);
        kill_hard(guard_of(box, name));
        kill_hard(init);
    }
    run({.argv = {"sh", "-c",
                  "ip -o link show type bridge | cut -d: -f2 | xargs -n1 ip link del"}});
    run({.argv = {"nft", "flush", "ruleset"}});
    CHECK(!contains(box.davit_ok({"ps"}), "Up "));
    check_goes_on(box);
    CHECK(eventually([] { return contains(http_get("127.0.0.1", 18090), "HTTP/1"); }));
    check_goes_down(box, before);
}
