#include "base/file.h"
#include "base/strings.h"
#include "tests/support/command.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// Keys of a service that give it more than its own: the host's things, or another container's.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

std::string namespace_of(const std::string& pid, const char* name) {
    return std::string(trim(
        davit::testing::run({.argv = {"readlink", fmt::format("/proc/{}/ns/{}", pid, name)}}).out));
}

std::string service(const std::string& name, const std::string& lines) {
    return fmt::format("  {}:\n    image: local/busybox:1\n    stop_signal: SIGKILL\n{}", name,
                       lines);
}

constexpr const char* kSleep = "    command: sleep 1000\n";

/// One service `a`, started, and taken down with nothing left.
class One {
public:
    One(const std::string& project, const std::string& lines) : box_(project) {
        box_.load_busybox();
        box_.compose("services:\n" + service("a", lines));
        before_ = box_.world();
        box_.davit_ok({"up", "-d"});
        pid_ = box_.inspect(project + "-a-1", "{{.State.Pid}}");
    }
    ~One() {
        box_.davit_ok({"down"});
        CHECK(box_.world() == before_);
    }
    One(const One&) = delete;
    One& operator=(const One&) = delete;

    const Sandbox& box() const { return box_; }
    const std::string& pid() const { return pid_; }
    std::string exec(std::vector<std::string> words) const {
        words.insert(words.begin(), {"exec", "-T", "a"});
        const Outcome outcome = box_.davit(words);
        return outcome.out + outcome.err;
    }
    std::string status(const std::string& key) const {
        const Result<std::string> text = read_file("/proc/" + pid_ + "/status");
        for (const std::string& line : split(text ? *text : std::string(), '\n'))
            if (line.starts_with(key + ":")) return std::string(trim(line.substr(key.size() + 1)));
        return {};
    }

private:
    Sandbox box_;
    std::string before_;
    std::string pid_;
};

}  // namespace

TEST_CASE("a privileged container has what the host's root has") {
    const One a("dt-priv", std::string(kSleep) + "    privileged: true\n");
    CHECK(namespace_of(a.pid(), "user") == namespace_of("self", "user"));
    CHECK(a.status("Seccomp") == "0");
    CHECK(a.status("CapEff") == a.status("CapBnd"));
    CHECK(contains(a.exec({"sh", "-c", "mkdir -p /m && mount -t tmpfs none /m && echo mounted"}),
                   "mounted"));
    CHECK(contains(a.exec({"cat", "/proc/self/mountinfo"}), "/sys rw"));
    // Every device of the host, with the host's numbers.
    struct stat mem {};
    if (::stat("/dev/mem", &mem) == 0)
        CHECK(contains(a.exec({"stat", "-c", "%t:%T", "/dev/mem"}), "1:1"));
    CHECK(a.box().inspect("dt-priv-a-1", "{{.HostConfig.Privileged}}") == "true");
}

TEST_CASE("a device of the host can be used as the file says, and no other") {
    // One that anybody may open, and that no container has by itself.
    std::string device;
    struct stat info {};
    for (const char* name : {"/dev/fuse", "/dev/net/tun", "/dev/kvm"})
        if (device.empty() && ::stat(name, &info) == 0 && S_ISCHR(info.st_mode)) device = name;
    if (device.empty())
        SKIP_TEST("this machine has neither /dev/fuse nor /dev/net/tun nor /dev/kvm");
    const One a(
        "dt-device",
        fmt::format("{}    devices: [\"{}:/dev/x/it:r\", /dev/zero:/dev/nil]\n", kSleep, device));
    CHECK(contains(a.exec({"stat", "-c", "%F %t:%T %u", "/dev/x/it"}),
                   fmt::format("character special file {:x}:{:x} 0", ::major(info.st_rdev),
                               ::minor(info.st_rdev))));
    CHECK(contains(a.exec({"sh", "-c", "head -c 3 /dev/nil | wc -c"}), "3"));
    CHECK(contains(a.exec({"sh", "-c", "exec 3< /dev/x/it && echo readable"}), "readable"));
    CHECK(contains(a.exec({"sh", "-c", "exec 3> /dev/x/it"}), "can't create /dev/x/it"));
    CHECK(contains(a.box().inspect("dt-device-a-1", "{{json .HostConfig.Devices}}"), device));
}

TEST_CASE("a device that isn't there is refused before anything is made") {
    const Sandbox box("dt-nodev");
    box.load_busybox();
    box.compose("services:\n" + service("a", "    devices: [/dev/no-such]\n"));
    const std::string before = box.world();
    const Outcome outcome = box.davit({"up", "-d"});
    CHECK(outcome.status != 0);
    CHECK(contains(outcome.err, "compose.yaml:6:"));
    CHECK(contains(outcome.err, "there is no device '/dev/no-such' on this host"));
    CHECK(box.world() == before);
}

TEST_CASE("namespaces of the host") {
    const One a("dt-host", std::string(kSleep) +
                               "    pid: host\n    ipc: host\n    uts: host\n    cgroup: host\n");
    for (const char* name : {"pid", "ipc", "uts", "cgroup", "user"}) {
        CAPTURE(name);
        CHECK(namespace_of(a.pid(), name) == namespace_of("self", name));
    }
    for (const char* name : {"net", "mnt"}) {
        CAPTURE(name);
        CHECK(namespace_of(a.pid(), name) != namespace_of("self", name));
    }
    CHECK(
        contains(a.exec({"hostname"}), std::string(trim(*read_file("/proc/sys/kernel/hostname")))));
}

TEST_CASE("two services share processes, IPC and memory") {
    const Sandbox box("dt-share");
    box.load_busybox();
    box.compose(
        "services:\n" +
        service("main",
                "    command: sh -c 'echo shared > /dev/shm/note; sleep 1000'\n"
                "    ipc: shareable\n    shm_size: 1m\n") +
        service("side", std::string(kSleep) + "    ipc: service:main\n    pid: service:main\n"));
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    const std::string main = box.inspect("dt-share-main-1", "{{.State.Pid}}");
    const std::string side = box.inspect("dt-share-side-1", "{{.State.Pid}}");
    for (const char* name : {"pid", "ipc", "user"}) {
        CAPTURE(name);
        CHECK(namespace_of(main, name) == namespace_of(side, name));
    }
    CHECK(namespace_of(main, "net") != namespace_of(side, "net"));
    CHECK(eventually([&] {
        return box.davit({"exec", "-T", "side", "cat", "/dev/shm/note"}).out == "shared\n";
    }));
    // It has a size, and a run begins with none of what the last one had.
    CHECK(box.davit({"exec", "-T", "side", "sh", "-c", "head -c 2000000 /dev/zero > /dev/shm/much"})
              .status != 0);
    box.davit_ok({"exec", "-T", "side", "sh", "-c", "rm -f /dev/shm/much"});
    box.davit_ok({"exec", "-T", "main", "touch", "/dev/shm/old"});
    box.davit_ok({"restart", "-t", "0"});
    CHECK(eventually([&] {
        return box.davit({"exec", "-T", "side", "ls", "/dev/shm"}).out == "note\n";
    }));
    const std::string processes = box.davit_ok({"exec", "-T", "side", "ps"});
    const std::size_t first = processes.find("sleep 1000");
    CHECK(first != std::string::npos);
    CHECK(processes.find("sleep 1000", first + 1) != std::string::npos);
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("an IPC namespace that isn't shareable is not joined") {
    const Sandbox box("dt-noshare");
    box.load_busybox();
    box.compose("services:\n" + service("main", kSleep) +
                service("side", std::string(kSleep) + "    ipc: service:main\n"));
    const Outcome outcome = box.davit({"up", "-d"});
    CHECK(outcome.status != 0);
    CHECK(contains(outcome.err, "doesn't share its IPC namespace"));
    CHECK(contains(outcome.err, "ipc: shareable"));
}

TEST_CASE("a terminal of its own") {
    const One a("dt-tty",
                "    command: sh -c 'tty; stty size; echo $$TERM; sleep 1000'\n"
                "    tty: true\n");
    CHECK(eventually([&] { return contains(a.box().davit_ok({"logs", "a"}), "xterm"); }));
    const std::string log = a.box().davit_ok({"logs", "--no-log-prefix", "a"});
    CAPTURE(log);
    CHECK(contains(log, "/dev/pts/0"));
    CHECK(a.box().inspect("dt-tty-a-1", "{{.Config.Tty}}") == "true");
    CHECK(contains(a.exec({"sh", "-c", "ls -l /proc/1/fd/0"}), "/dev/pts/0"));
}

TEST_CASE("a filter of one's own") {
    const Sandbox box("dt-filter");
    box.load_busybox();
    box.write("profile.json", R"({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]})");
    box.compose("services:\n" +
                service("a",
                        "    command: sh -c 'mkdir /x; echo status $$?; sleep 1000'\n"
                        "    security_opt: [seccomp=./profile.json]\n"));
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] { return contains(box.davit_ok({"logs", "a"}), "status 1"); }));
    CHECK(contains(box.davit_ok({"logs", "a"}), "Operation not supported"));
    const std::string pid = box.inspect("dt-filter-a-1", "{{.State.Pid}}");
    CHECK(contains(*read_file("/proc/" + pid + "/status"), "Seccomp:\t2"));
}

TEST_CASE("a cgroup below another, and processors") {
    const Sandbox box("dt-parent");
    box.load_busybox();
    box.compose("services:\n" +
                service("a", std::string(kSleep) + "    cgroup_parent: /davit-test-parent\n"
                                                   "    cpuset: '0'\n"));
    box.davit_ok({"up", "-d"});
    const std::string pid = box.inspect("dt-parent-a-1", "{{.State.Pid}}");
    CHECK(contains(*read_file("/proc/" + pid + "/cgroup"),
                   ":/davit-test-parent/davit/dt-parent/dt-parent-a-1\n"));
    CHECK(contains(box.davit_ok({"top"}), "sleep 1000"));
    CHECK(contains(box.davit_ok({"stats", "--no-stream", "--format", "{{.PIDs}}"}), "1"));
    CHECK(contains(*read_file("/proc/" + pid + "/status"), "Cpus_allowed_list:\t0\n"));
    box.davit_ok({"down"});
    // Who names a parent keeps it: only davit's own part is taken away.
    for (const std::string& line : split(*read_file("/proc/self/mountinfo"), '\n')) {
        if (!contains(line, " - cgroup")) continue;
        const std::string parent = split(line, ' ').at(4) + "/davit-test-parent";
        CHECK(!exists(parent + "/davit"));
        ::rmdir(parent.c_str());
    }
}

TEST_CASE("the container sees its own part of the cgroups") {
    const One a("dt-cgview", std::string(kSleep) + "    mem_limit: 64m\n");
    const std::string seen = a.exec(
        {"sh", "-c",
         "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"});
    CHECK(contains(seen, "67108864"));
    CHECK(contains(a.exec({"sh", "-c", "cat /proc/self/cgroup"}), ":/\n"));
    CHECK(contains(a.exec({"sh", "-c", "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/pids/x"}),
                   "Read-only"));
}
