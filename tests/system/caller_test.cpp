#include "base/file.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

// What the shell is like that `up` is called in has no say in what the containers are like.

using namespace davit;
using davit::testing::Command;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

/// `davit ARGUMENTS` in a shell that has run `setting` before.
Outcome davit_after(const Sandbox& box, const std::string& setting,
                    std::vector<std::string> arguments) {
    Command command = box.davit_command(std::move(arguments));
    command.argv.insert(command.argv.begin(), {"sh", "-c", setting + "; exec \"$@\"", "sh"});
    return davit::testing::run(command);
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE_MESSAGE(::stat(path.c_str(), &info) == 0, path);
    return info.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a strict umask closes nothing to the users of a container") {
    const Sandbox box("dt-umask");
    box.load_busybox();
    box.compose(R"(
services:
  web:
    image: local/busybox:1
    command: sleep 1000
    user: "1000:1000"
    stop_signal: SIGKILL
    volumes: ["data:/data", "./made/here:/bound"]
volumes:
  data:
)");
    const Outcome up = davit_after(box, "umask 077", {"up", "-d"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    const std::string seen = box.davit_ok(
        {"exec", "-T", "web", "sh", "-c",
         "ls -d /bin && cat /etc/hosts /etc/resolv.conf && stat -c %a / /data /bound"});
    CHECK(contains(seen, "/bin\n"));
    CHECK(contains(seen, "nameserver 127.0.0.11"));
    CHECK_MESSAGE(seen.ends_with("755\n755\n755\n"), seen);
    // The folder with all volumes is root's alone.
    CHECK(mode_of(box.data_root() + "/volumes") == 0700);

    // A file of the user's is as closed as the user has it.
    REQUIRE(davit_after(box, "umask 077", {"save", "-o", "a.tar", "local/busybox:1"}).status == 0);
    CHECK(mode_of(box.folder() + "/a.tar") == 0600);
    REQUIRE(davit_after(box, "umask 027", {"config", "-o", "c.yaml"}).status == 0);
    CHECK(mode_of(box.folder() + "/c.yaml") == 0640);
}

TEST_CASE("limits and niceness of the caller are not those of its containers") {
    rlimit64 files{};
    REQUIRE(::getrlimit64(RLIMIT_NOFILE, &files) == 0);
    constexpr const char* kAsk = "ulimit -Sn; ulimit -Sf; cut -d' ' -f19 /proc/self/stat";
    const Sandbox box("dt-caller");
    box.load_busybox();
    box.compose(std::string("services:\n  web:\n    image: local/busybox:1\n"
                            "    command: [sh, -c, \"") +
                kAsk + "; sleep 1000\"]\n    stop_signal: SIGKILL\n");
    const Outcome up = davit_after(
        box, "ulimit -Sn 300; ulimit -Sf 1000000; renice -n 5 $$ >/dev/null", {"up", "-d"});
    REQUIRE_MESSAGE(up.status == 0, up.err);
    CHECK(davit::testing::eventually([&] {
        return split(box.davit_ok({"logs", "--no-log-prefix"}), '\n').size() >= 4;
    }));
    const std::vector<std::string> own = split(box.davit_ok({"logs", "--no-log-prefix"}), '\n');
    REQUIRE(own.size() >= 3);
    const auto most = parse_integer(own[0]);
    REQUIRE(most);
    // As many as dockerd's containers have, or as this machine allows.
    CHECK(*most >= std::min<std::int64_t>(1048576, static_cast<std::int64_t>(files.rlim_max)));
    CHECK(own[1] == "unlimited");
    CHECK(own[2] == "0");
    // And those of who runs a program in one neither.
    const Outcome exec =
        davit_after(box, "ulimit -Sn 300", {"exec", "-T", "web", "sh", "-c", kAsk});
    CHECK(split(exec.out, '\n').front() == own[0]);
}

TEST_CASE("exec and logs find a container by its name, also outside of a project") {
    const Sandbox box("dt-by-name");
    box.load_busybox();
    box.davit_ok({"run", "-d", "--name", "dt-lone", "local/busybox:1", "sh", "-c",
                  "echo hello; sleep 1000"});
    CHECK(box.davit_ok({"exec", "-T", "dt-lone", "echo", "inside"}) == "inside\n");
    CHECK(davit::testing::eventually([&] {
        return contains(box.davit_ok({"logs", "dt-lone"}), "hello");
    }));
    CHECK(contains(box.davit({"exec", "-T", "dt-lane", "true"}).err, "'dt-lone'"));
    box.davit_ok({"rm", "-fs", "dt-lone"});
    box.davit_ok({"-p", "davit", "down"});
}

TEST_CASE("who waits for another command is told which and can give up") {
    const Sandbox box("dt-waits");
    box.load_busybox();
    box.compose(
        "services:\n  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}\n");
    box.davit_ok({"up", "-d"});
    const std::string lock = box.data_root() + "/projects/dt-waits/lock";
    davit::testing::Background holder(
        {{"sh", "-c", "exec 9< \"$0\"; flock 9; exec sleep 1000", lock}}, "/dev/null");
    REQUIRE(eventually([&] {
        return davit::testing::run({{"flock", "-n", lock, "true"}}).status != 0;
    }));
    const std::string out = box.folder() + "/waiting";
    davit::testing::Background waiting(box.davit_command({"stop"}), out);
    CHECK(eventually(
        [&] { return contains(*read_file(out), "Waiting for another command to be done"); }));
    REQUIRE(::kill(waiting.pid(), SIGINT) == 0);
    CHECK(waiting.wait() == 130);
    CHECK(box.inspect("dt-waits-a-1", "{{.State.Status}}") == "running");
}
