#include "base/file.h"
#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/sandbox.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <sys/stat.h>

// What a container may not change of the host, also where it has the host's users.
using namespace davit;
using davit::testing::contains;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

/// The mode of a file of the host, which is given back at the end of the scope.
class Mode {
public:
    explicit Mode(std::string path) : path_(std::move(path)), before_(now()) {}
    ~Mode() {
        if (now() != before_) (void)::chmod(path_.c_str(), before_);
    }
    Mode(const Mode&) = delete;
    Mode& operator=(const Mode&) = delete;
    mode_t now() const {
        struct stat info {};
        return ::stat(path_.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
    }
    mode_t before() const { return before_; }

private:
    std::string path_;
    mode_t before_;
};

}  // namespace

TEST_CASE("nodes of a container with the host's users are its own") {
    const Sandbox box("dt-nodes");
    box.load_busybox();
    box.compose(
        "services:\n"
        "  host: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL, userns_mode: host}\n"
        "  own: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}\n");
    const Mode full("/dev/full");
    box.davit_ok({"up", "-d"});
    for (const char* service : {"host", "own"}) {
        CAPTURE(service);
        const auto inside = [&](const char* words) {
            return box.davit({"exec", "-T", service, "sh", "-c", words});
        };
        (void)inside("chmod 640 /dev/full");
        CHECK(full.now() == full.before());
        CHECK(inside("echo x > /dev/null && head -c 1 /dev/zero > /dev/null").status == 0);
        CHECK(contains(inside("echo x > /dev/full").err, "No space left on device"));
    }
    box.davit_ok({"down"});
}

TEST_CASE("a program that is the runtime itself can't change it (CVE-2019-5736)") {
    const Sandbox box("dt-itself");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    userns_mode: host\n    stop_signal: SIGKILL\n"
        "    entrypoint: [/proc/self/exe, init, --, /bin/sh, -c]\n"
        "    command: ['chmod 4777 /proc/1/exe; (: >> /proc/1/exe); echo tried; sleep 1000']\n");
    const Mode runtime(DAVIT_RUNTIME);
    box.davit_ok({"up", "-d"});
    CHECK(davit::testing::eventually([&] { return contains(box.davit_ok({"logs"}), "tried"); }));
    CHECK(contains(box.davit_ok({"logs"}), "/proc/1/exe: Read-only file system"));
    CHECK(runtime.now() == runtime.before());
    const Outcome outcome = box.davit({"exec", "-T", "a", "/proc/self/exe", "init", "--", "sh",
                                       "-c", "chmod 4777 /proc/$PPID/exe"});
    CHECK(contains(outcome.err, "Read-only file system"));
    CHECK(runtime.now() == runtime.before());
    box.davit_ok({"down"});
}

TEST_CASE("what a container writes into its hosts file fills nothing of the host") {
    const Sandbox box("dt-hosts");
    box.load_busybox();
    box.compose(
        "services:\n  a: {image: local/busybox:1, command: sleep 1000, stop_signal: SIGKILL}\n");
    box.davit_ok({"up", "-d"});
    const auto inside = [&](const char* words) {
        return box.davit({"exec", "-T", "a", "sh", "-c", words});
    };
    CHECK(inside("echo 10.0.0.1 far.away >> /etc/hosts && grep far.away /etc/hosts").status == 0);
    CHECK(inside("head -c 3000000 /dev/zero > /etc/resolv.conf").status != 0);
    for (const char* file : {"hosts", "resolv.conf"}) {
        const auto text = read_file(box.run_root() + "/dt-hosts/dt-hosts-a-1/" + file);
        REQUIRE(text.ok());
        CHECK(!contains(*text, "far.away"));
        CHECK(text->size() < 10000);
    }
    box.davit_ok({"restart"});
    CHECK(!contains(inside("cat /etc/hosts").out, "far.away"));
    CHECK(contains(inside("cat /etc/hosts").out, "localhost"));
    box.davit_ok({"down"});
}

TEST_CASE("users and groups may have any number") {
    const Sandbox box("dt-users");
    box.load_busybox();
    box.compose(
        "services:\n"
        "  high: {image: local/busybox:1, command: id, user: \"70000:70001\"}\n"
        "  group: {image: local/busybox:1, command: id, group_add: [\"1000650000\"]}\n");
    const Outcome outcome = box.davit({"up"});
    CHECK(outcome.status == 0);
    CHECK(contains(outcome.out, "uid=70000 gid=70001"));
    CHECK(contains(outcome.out, "1000650000"));
    CHECK(contains(outcome.err, "host's user namespace: one of its own has no id 70001"));
    box.davit_ok({"down"});
}
