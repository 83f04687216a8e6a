#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"
#include "tests/system/bundle.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <thread>

// davit-runtime as an OCI runtime: what engines ask of it beside the container itself.
using namespace davit;
using davit::testing::Bundle;
using davit::testing::contains;
using davit::testing::Outcome;
using davit::testing::sh;

namespace {

/// Somebody who decides about system calls of a container.
class Agent {
public:
    explicit Agent(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof address.sun_path);
        path.copy(address.sun_path, path.size());
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(socket_.get(), 1) == 0);
    }

    /// Takes the descriptor, and answers one call with `error_number`. Returns what was told.
    std::string answer_one(int error_number) const {
        const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        char text[4096]{};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
        iovec part{text, sizeof text};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(client.get(), &message, MSG_CMSG_CLOEXEC);
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (got <= 0 || header == nullptr) return {};
        int listener = -1;
        std::memcpy(&listener, CMSG_DATA(header), sizeof listener);
        const UniqueFd owned(listener);
        seccomp_notif call{};
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == -1) return "no call";
        seccomp_notif_resp response{};
        response.id = call.id;
        response.error = -error_number;
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == -1) return "no answer";
        return {text, static_cast<std::size_t>(got)};
    }

private:
    UniqueFd socket_;
};

Json asking_filter(const std::string& socket) {
    return {{"defaultAction", "SCMP_ACT_ALLOW"},
            {"architectures", {"SCMP_ARCH_X86_64"}},
            {"listenerPath", socket},
            {"listenerMetadata", "for the test"},
            {"syscalls",
             Json::array({{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_NOTIFY"}}})}};
}

/// Runs `action` while an agent answers one call.
std::string with_agent(const Agent& agent, const std::function<void()>& action) {
    std::string told;
    std::thread thread([&] { told = agent.answer_one(ENOMEDIUM); });
    action();
    thread.join();
    return told;
}

}  // namespace

TEST_CASE("a filter that asks is answered by the agent that the configuration names") {
    Bundle bundle(sh("mkdir /a; exec sleep 100"));
    const Agent agent(bundle.path("agent"));
    bundle.config["linux"]["seccomp"] = asking_filter(bundle.path("agent"));
    std::string told = with_agent(agent, [&] {
        REQUIRE(bundle.create().status == 0);
        const Outcome started = bundle.oci({"start", bundle.id()});
        CHECK_MESSAGE(started.status == 0, started.err);
    });
    const auto state = parse_json(told, "what the agent was told");
    REQUIRE_MESSAGE(state.ok(), told);
    CHECK(state->at("fds") == Json({"seccompFd"}));
    CHECK(string_or(*state, "metadata") == "for the test");
    CHECK(string_or(state->at("state"), "id") == bundle.id());
    CHECK(state->at("pid") == state->at("state").at("pid"));
    CHECK(davit::testing::eventually(
        [&] { return contains(*read_file(bundle.path("err")), "No medium found"); }));

    Outcome executed;
    told = with_agent(agent, [&] {
        executed = bundle.oci({"exec", bundle.id(), "sh", "-c", "mkdir /b; echo $?"});
    });
    CHECK(executed.out == "1\n");
    CHECK(contains(executed.err, "No medium found"));
    CHECK(contains(told, "\"running\""));
}

TEST_CASE("a filter that asks nobody is refused, and one whose agent is gone ends the container") {
    Bundle bundle(sh("echo ran"));
    bundle.config["linux"]["seccomp"] = asking_filter("");
    const Outcome nobody = bundle.run();
    CHECK(nobody.status == 1);
    CHECK(contains(nobody.err, "SCMP_ACT_NOTIFY needs a listenerPath"));
    bundle.config["linux"]["seccomp"] = asking_filter(bundle.path("gone"));
    const Outcome gone = bundle.run();
    CHECK(gone.status == 1);
    CHECK(gone.out == "");
    CHECK(contains(gone.err, bundle.path("gone")));
    CHECK(bundle.oci({"list", "-q"}).out == "");
}

TEST_CASE("a container has no part in the caller's keyring, unless it is asked to") {
    constexpr int kJoinSession = 1;
    constexpr int kSessionKeyring = -3;
    // In a thread: a session keyring is its thread's, and the runtime is forked from it.
    std::thread([&] {
        if (::syscall(SYS_keyctl, kJoinSession, nullptr) == -1) {
            MESSAGE("skipped: this machine has no keyrings");
            return;
        }
        const long key =
            ::syscall(SYS_add_key, "user", "davit-secret", "x", std::size_t{1}, kSessionKeyring);
        REQUIRE(key != -1);
        // Seen by who possesses it alone, and not by who is root as well.
        constexpr int kSetPermissions = 5;
        constexpr unsigned kPossessorAll = 0x3f000000;
        REQUIRE(::syscall(SYS_keyctl, kSetPermissions, key, kPossessorAll) != -1);
        Bundle bundle({"cat", "/proc/keys"});
        bundle.config["linux"]["maskedPaths"] = Json::array();
        const Outcome own = bundle.run();
        CHECK(own.status == 0);
        CHECK_FALSE(contains(own.out, "davit-secret"));
        const Outcome kept = bundle.oci({"run", "--no-new-keyring", bundle.id()});
        CHECK(kept.status == 0);
        CHECK(contains(kept.out, "davit-secret"));
    }).join();
}

TEST_CASE("a poststop hook that fails is a warning, and the others run") {
    Bundle bundle({"true"});
    bundle.config["hooks"]["poststop"] = {
        {{"path", "/bin/false"}},
        {{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo x > " + bundle.path("second")}}}};
    REQUIRE(bundle.create().status == 0);
    REQUIRE(bundle.oci({"kill", bundle.id(), "KILL"}).status == 0);
    REQUIRE(davit::testing::eventually([&] { return bundle.status() == "stopped"; }));
    const Outcome deleted =
        bundle.oci({"--log", "log", "--log-format", "json", "delete", bundle.id()});
    CHECK(deleted.status == 0);
    CHECK(exists(bundle.path("second")));
    CHECK(contains(*read_file(bundle.path("log")), "run poststop hook '/bin/false'"));
}

TEST_CASE("ps takes options of ps(1), and shows the container's processes only") {
    Bundle bundle(sh("sleep 1000 & exec sleep 2000"));
    REQUIRE(bundle.create().status == 0);
    REQUIRE(bundle.oci({"start", bundle.id()}).status == 0);
    REQUIRE(davit::testing::eventually([&] {
        return contains(bundle.oci({"ps", bundle.id(), "-e", "-o", "pid,args"}).out, "sleep 1000");
    }));
    const Outcome shown = bundle.oci({"ps", bundle.id(), "-e", "-o", "pid,args"});
    CHECK(split(trim(shown.out), '\n').size() == 3);
    CHECK(contains(shown.out, "sleep 2000"));
    const Outcome none = bundle.oci({"ps", bundle.id(), "-e", "-o", "args"});
    CHECK(none.status == 1);
    CHECK(contains(none.err, "prints no PID"));
}

TEST_CASE("what a kernel can't do any more is refused or said") {
    Bundle bundle({"true"});
    bundle.config["linux"]["resources"]["blockIO"] = {{"leafWeight", 300}};
    const Outcome leaf = bundle.run();
    CHECK(leaf.status == 1);
    CHECK(contains(leaf.err, "leaf"));
    bundle.config["linux"]["resources"]["blockIO"] = Json::object();
    bundle.config["linux"]["resources"]["memory"] = {{"kernel", 50000000}};
    bundle.save();
    CHECK(bundle.oci({"--log", "log", "run", bundle.id()}).status == 0);
    CHECK(contains(*read_file(bundle.path("log")), "memory.kernel is not limited"));
    const Outcome rootless = bundle.oci({"--rootless", "true", "list"});
    CHECK(rootless.status == 1);
    CHECK(contains(rootless.err, "needs root"));
}

TEST_CASE("a further program has the CPUs that were asked for") {
    Bundle bundle({"sleep", "1000"});
    REQUIRE(bundle.create().status == 0);
    REQUIRE(bundle.oci({"start", bundle.id()}).status == 0);
    const std::string process =
        R"({"args":["busybox","grep","Cpus_allowed_list","/proc/self/status"],"cwd":"/",)"
        R"("env":["PATH=/bin"],"execCPUAffinity":{"initial":"0"}})";
    REQUIRE(write_in_place(bundle.path("process.json"), process, 0644).ok());
    const Outcome shown = bundle.oci({"exec", "--process", "process.json", bundle.id()});
    CHECK_MESSAGE(contains(shown.out, "\t0\n"), shown.out, shown.err);
}

TEST_CASE("systemd makes the cgroup where an engine asks it to") {
    if (!exists("/run/systemd/system")) SKIP_ON_THIS_MACHINE("systemd does not run here");
    Bundle bundle(sh("cat /proc/self/cgroup; exec sleep 1000"));
    bundle.config["linux"]["cgroupsPath"] = "davit-tests.slice:oci:" + bundle.id();
    bundle.config["linux"]["resources"]["memory"] = {{"limit", 67108864}};
    bundle.config["linux"]["namespaces"] =
        Json::array({{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}});
    const std::string unit = "oci-" + bundle.id() + ".scope";
    bundle.save();
    const Outcome created = davit::testing::run(
        {{"sh", "-c",
          "exec \"$0\" --systemd-cgroup --root state create \"$1\" < /dev/null > out 2> err",
          DAVIT_RUNTIME, bundle.id()},
         bundle.path("")});
    REQUIRE_MESSAGE(created.status == 0, *read_file(bundle.path("err")));
    CHECK(bundle.oci({"start", bundle.id()}).status == 0);
    CHECK(davit::testing::eventually(
        [&] { return contains(bundle.output(), "/davit.slice/davit-tests.slice/" + unit); }));
    const Outcome shown = davit::testing::run(
        {{"systemctl", "show", "-p", "MemoryMax,ActiveState,Delegate,Slice", unit}});
    CHECK_MESSAGE(contains(shown.out, "MemoryMax=67108864"), shown.out);
    CHECK(contains(shown.out, "ActiveState=active"));
    CHECK(contains(shown.out, "Slice=davit-tests.slice"));
    CHECK(bundle.oci({"delete", "--force", bundle.id()}).status == 0);
    CHECK(davit::testing::eventually([&] {
        return contains(davit::testing::run({{"systemctl", "show", "-p", "ActiveState", unit}}).out,
                        "inactive");
    }));
}

TEST_CASE("--systemd-cgroup without systemd, or with another path, is refused") {
    Bundle bundle({"true"});
    bundle.config["linux"]["cgroupsPath"] = "/plain/path";
    bundle.save();
    const Outcome path = bundle.oci({"--systemd-cgroup", "run", bundle.id()});
    CHECK(path.status == 1);
    CHECK(contains(path.err, "is not slice:prefix:name"));
    if (exists("/run/systemd/system")) return;
    bundle.config["linux"]["cgroupsPath"] = "a.slice:b:c";
    bundle.save();
    const Outcome none = bundle.oci({"--systemd-cgroup", "run", bundle.id()});
    CHECK(none.status == 1);
    CHECK(contains(none.err, "systemd does not run here"));
    CHECK(bundle.oci({"list", "-q"}).out == "");
}
