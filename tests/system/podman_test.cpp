#include "base/file.h"
#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>

// Podman, which knows nothing of davit, drives davit-runtime.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::TempDir;

namespace {

class Podman {
public:
    Podman() {
        const Outcome loaded = call({"load", "-q", "-i", archive()});
        REQUIRE_MESSAGE(loaded.status == 0, loaded.err);
        image_ = trim(loaded.out.substr(loaded.out.find(':') + 1));
    }
    ~Podman() {
        (void)call({"rm", "-af", "-t", "0"});
        // podman leaves its empty cgroups behind.
        davit::testing::run({{"sh", "-c",
                              "for top in $(find /sys/fs/cgroup/ -maxdepth 2 -name "
                              "libpod_parent); do find $top -depth -type d -exec rmdir {} +; "
                              "done"}});
    }
    Podman(const Podman&) = delete;
    Podman& operator=(const Podman&) = delete;

    static std::string archive() {
        const std::string program = DAVIT_PROGRAM;
        return program.substr(0, program.rfind("/bin/")) + "/../images/busybox.tar";
    }

    std::vector<std::string> words(std::vector<std::string> more) const {
        std::vector<std::string> argv = {
            "podman",   "--root",           dir_ / "root", "--runroot",        dir_ / "run",
            "--tmpdir", dir_ / "tmp",       "--runtime",   DAVIT_RUNTIME,      "--cgroup-manager",
            "cgroupfs", "--events-backend", "file",        "--storage-driver", "vfs"};
        argv.insert(argv.end(), more.begin(), more.end());
        return argv;
    }
    Outcome call(std::vector<std::string> more) const {
        return davit::testing::run({words(std::move(more)), "", environment()});
    }
    /// As `call`, with a terminal on all three streams.
    Outcome on_terminal(std::vector<std::string> more) const {
        std::string line;
        for (const std::string& word : words(std::move(more))) line += shell_quoted(word) + " ";
        return davit::testing::run({{"script", "-qec", line, "/dev/null"}, "", environment()});
    }
    std::string image() const { return image_; }

private:
    std::vector<std::string> environment() const {
        return {"CONTAINERS_CONF=/dev/null", "TMPDIR=" + dir_.path()};
    }

    TempDir dir_;
    std::string image_;
};

#define NEED_PODMAN()                                                                     \
    do {                                                                                  \
        if (davit::testing::run({{"sh", "-c", "command -v podman"}, "", {}}).status != 0) \
            SKIP_TEST("needs the package 'podman'");                                      \
        if (!exists(Podman::archive()))                                                   \
            SKIP_TEST("needs the image that scripts/make-test-image.sh makes");           \
    } while (false)

}  // namespace

TEST_CASE("podman runs containers with davit-runtime") {
    NEED_PODMAN();
    const Podman podman;
    const std::string image = podman.image();
    const Outcome hello =
        podman.call({"run", "--rm", "--network", "none", image, "sh", "-c", "echo hello; exit 9"});
    CHECK(hello.status == 9);
    CHECK_MESSAGE(hello.out == "hello\n", hello.err);
    const Outcome limited = podman.call(
        {"run", "--rm", "--network", "none", "--memory", "64m", "--user", "1000", "--read-only",
         "--tmpfs", "/x", image, "sh", "-c", "id -u; touch /y 2>/dev/null || touch /x/a && ls /x"});
    CHECK_MESSAGE(limited.out == "1000\na\n", limited.err);

    const Outcome started =
        podman.call({"run", "-d", "--name", "bg", "--network", "none", image, "sh", "-c",
                     "echo log line; trap 'exit 3' TERM; while :; do sleep 0.1; done"});
    REQUIRE_MESSAGE(started.status == 0, started.err);
    CHECK(eventually([&] { return podman.call({"logs", "bg"}).out == "log line\n"; }));
    const Outcome executed = podman.call({"exec", "bg", "sh", "-c", "echo inside; exit 4"});
    CHECK(executed.status == 4);
    CHECK_MESSAGE(executed.out == "inside\n", executed.err);
    CHECK(podman.call({"exec", "-d", "bg", "sleep", "100"}).status == 0);
    CHECK(podman.call({"pause", "bg"}).status == 0);
    CHECK(podman.call({"unpause", "bg"}).status == 0);
    CHECK(podman.call({"stop", "-t", "10", "bg"}).status == 0);
    CHECK(podman.call({"inspect", "-f", "{{.State.ExitCode}}", "bg"}).out == "3\n");
    CHECK(podman.call({"rm", "bg"}).status == 0);
    CHECK(podman.call({"ps", "-aq"}).out == "");
}

TEST_CASE("podman gives its containers terminals with davit-runtime") {
    NEED_PODMAN();
    const Podman podman;
    const std::string image = podman.image();
    const Outcome ran =
        podman.on_terminal({"run", "--rm", "-t", "--network", "none", image, "tty"});
    CHECK(ran.status == 0);
    CHECK_MESSAGE(contains(ran.out, "/dev/pts/0"), ran.out);
    REQUIRE(
        podman.call({"run", "-d", "-t", "--name", "tt", "--network", "none", image, "sleep", "100"})
            .status == 0);
    const Outcome executed = podman.on_terminal({"exec", "-it", "tt", "sh", "-c", "tty; exit 6"});
    CHECK(executed.status == 6);
    CHECK_MESSAGE(contains(executed.out, "/dev/pts/1"), executed.out);
    CHECK(podman.call({"stop", "-t", "0", "tt"}).status == 0);
    CHECK(podman.call({"rm", "tt"}).status == 0);
}
