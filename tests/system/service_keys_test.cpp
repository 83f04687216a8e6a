#include "base/file.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "tests/support/sandbox.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>

// One test for each key of a service that the kernel can be asked about.
using namespace davit;
using davit::testing::contains;
using davit::testing::eventually;
using davit::testing::file_text;
using davit::testing::Outcome;
using davit::testing::Sandbox;

namespace {

/// A service `a` with these lines, started; what the kernel says of its process 1.
class OneService {
public:
    OneService(const std::string& project, const std::string& lines,
               const std::string& stop_signal = "SIGKILL")
        : box_(project) {
        box_.load_busybox();
        box_.compose("services:\n  a:\n    image: local/busybox:1\n    stop_signal: " +
                     stop_signal + "\n" + lines);
        box_.davit_ok({"up", "-d"});
        pid_ = box_.inspect(project + "-a-1", "{{.State.Pid}}");
    }

    const Sandbox& box() const { return box_; }
    std::string proc(const std::string& name) const {
        return file_text("/proc/" + pid_ + "/" + name);
    }
    std::string file(const std::string& path) const {
        return file_text("/proc/" + pid_ + "/root" + path);
    }
    /// The line of a mount point in its mountinfo; empty where there is none.
    std::string mount(const std::string& target) const {
        for (const std::string& line : split(proc("mountinfo"), '\n'))
            if (contains(line, " " + target + " ")) return line;
        return {};
    }
    std::string status(const std::string& key) const {
        for (const std::string& line : split(proc("status"), '\n'))
            if (line.starts_with(key + ":")) return std::string(trim(line.substr(key.size() + 1)));
        return {};
    }
    std::string control(const std::string& file) const {
        std::string found;
        for (const std::string& line : split(file_text("/proc/self/mountinfo"), '\n'))
            if (contains(line, " - cgroup"))
                found += file_text(split(line, ' ').at(4) + "/davit/" + box_.project() + "/" +
                                   box_.project() + "-a-1/" + file);
        return found;
    }

private:
    Sandbox box_;
    std::string pid_;
};

constexpr const char* kSleep = "    command: sleep 1000\n";

}  // namespace

TEST_CASE("capabilities are added and dropped") {
    const OneService all_but(
        "dt-caps",
        std::string(kSleep) + "    cap_drop: [ALL]\n    cap_add: [NET_ADMIN, CAP_CHOWN]\n");
    CHECK(all_but.status("CapEff") == "0000000000001001");
    CHECK(all_but.status("CapBnd") == "0000000000001001");
    CHECK(all_but.status("CapInh") == "0000000000000000");
}

TEST_CASE("a capability that doesn't exist is refused before anything is made") {
    const Sandbox box("dt-badcap");
    box.load_busybox();
    box.compose("services:\n  a:\n    image: local/busybox:1\n    cap_add: [NET_ADMN]\n");
    const std::string before = box.world();
    const Outcome outcome = box.davit({"up", "-d"});
    CHECK(outcome.status != 0);
    CAPTURE(outcome.err);
    CHECK(contains(outcome.err, "compose.yaml:5:5: error: unknown capability"));
    CHECK(contains(outcome.err, "NET_ADMN"));
    CHECK(box.world() == before);
}

TEST_CASE("privileges can be given up and the filter left out") {
    {
        const OneService strict(
            "dt-nnp", std::string(kSleep) + "    security_opt: [no-new-privileges:true]\n");
        CHECK(strict.status("NoNewPrivs") == "1");
        CHECK(strict.status("Seccomp") == "2");
        CHECK(!strict.mount("/proc/sys").empty());
    }
    const OneService open("dt-open", std::string(kSleep) +
                                         "    security_opt: [seccomp=unconfined, "
                                         "systempaths=unconfined]\n");
    CHECK(open.status("NoNewPrivs") == "0");
    CHECK(open.status("Seccomp") == "0");
    CHECK(open.mount("/proc/sys").empty());
}

TEST_CASE("a read-only root has writable places where the file says so") {
    const OneService a(
        "dt-ro",
        "    command: sh -c 'touch /nope; touch /run/x/yes && echo written; sleep 1000'\n"
        "    read_only: true\n"
        "    tmpfs: [\"/run/x:size=1m,mode=700\", /scratch]\n"
        "    volumes: [{type: tmpfs, target: /mem, tmpfs: {size: 2m, mode: 0750}}]\n");
    CHECK(contains(a.mount("/"), " ro,"));
    CHECK(contains(a.mount("/run/x"), "size=1024k,mode=700"));
    CHECK(contains(a.mount("/run/x"), "nosuid,nodev,noexec"));
    CHECK(contains(a.mount("/scratch"), " - tmpfs "));
    CHECK(contains(a.mount("/mem"), "size=2048k,mode=750"));
    CHECK(eventually([&] {
        const std::string logs = a.box().davit_ok({"logs"});
        return contains(logs, "written") && contains(logs, "Read-only file system");
    }));
}

TEST_CASE("shared memory and limits of processes have the size that is asked for") {
    const OneService a("dt-sizes",
                       std::string(kSleep) +
                           "    shm_size: 8m\n"
                           "    ulimits: {nofile: {soft: 100, hard: 200}, nproc: 50}\n"
                           "    oom_score_adj: 300\n"
                           "    mem_limit: 64m\n    memswap_limit: 96m\n    mem_reservation: 32m\n"
                           "    cpu_shares: 512\n    cpu_quota: 20000\n    cpu_period: 50000\n");
    CHECK(contains(a.mount("/dev/shm"), "size=8192k"));
    const std::string limits = a.proc("limits");
    CHECK(contains(limits, "Max open files            100                  200"));
    CHECK(contains(limits, "Max processes             50                   50"));
    CHECK(a.proc("oom_score_adj") == "300\n");
    // What is run in it later has the same.
    const std::string exec = a.box().davit_ok(
        {"exec", "-T", "a", "sh", "-c", "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj"});
    CHECK(exec == "100\n200\n300\n");
    const std::string reservation =
        a.control("memory.soft_limit_in_bytes") + a.control("memory.low");
    CHECK(contains(reservation, "33554432"));
    CHECK(contains(a.control("cpu.shares") + a.control("cpu.weight"),
                   a.control("cpu.shares").empty() ? "59" : "512"));
    CHECK(contains(a.control("cpu.cfs_quota_us") + a.control("cpu.max"), "20000"));
    CHECK(contains(a.control("cpu.cfs_period_us") + a.control("cpu.max"), "50000"));
}

TEST_CASE("sysctls of its own namespaces are set and others refused") {
    {
        const OneService a("dt-sysctl",
                           "    command: sh -c 'cat /proc/sys/net/core/somaxconn; "
                           "cat /proc/sys/kernel/msgmax; sleep 1000'\n"
                           "    sysctls: {net.core.somaxconn: 777, kernel.msgmax: 4096}\n");
        CHECK(eventually([&] {
            const std::string logs = a.box().davit_ok({"logs"});
            return contains(logs, "777") && contains(logs, "4096");
        }));
    }
    const Sandbox box("dt-badctl");
    box.load_busybox();
    box.compose("services:\n  a:\n    image: local/busybox:1\n    sysctls: [kernel.panic=1]\n");
    const Outcome outcome = box.davit({"up", "-d"});
    CHECK(outcome.status != 0);
    CHECK(contains(outcome.err, "kernel.panic"));
}

TEST_CASE("names and addresses that the file adds are found") {
    const OneService a("dt-added-names",
                       "    command: sh -c 'id -G; sleep 1000'\n"
                       "    hostname: box\n    domainname: example.org\n"
                       "    dns: [10.9.8.7]\n    dns_search: [a.example, b.example]\n"
                       "    dns_opt: [\"ndots:2\"]\n"
                       "    extra_hosts: [\"db.local=10.1.2.3\", \"six:[fd00::1]\", "
                       "\"gate:host-gateway\"]\n    group_add: [\"4242\"]\n");
    const std::string resolv = a.file("/etc/resolv.conf");
    // Its guard asks the server that the file names; see "names are answered in each container".
    CHECK(contains(resolv, "nameserver 127.0.0.11\n"));
    CHECK_FALSE(contains(resolv, "10.9.8.7"));
    CHECK(contains(resolv, "search a.example b.example\n"));
    CHECK(contains(resolv, "options ndots:2\n"));
    const std::string hosts = a.file("/etc/hosts");
    CHECK(contains(hosts, "10.1.2.3\tdb.local\n"));
    CHECK(contains(hosts, "fd00::1\tsix\n"));
    const std::string gateway =
        a.box().inspect("dt-added-names-a-1", "{{.NetworkSettings.Gateway}}");
    CHECK(contains(hosts, gateway + "\tgate\n"));
    CHECK(eventually([&] { return contains(a.box().davit_ok({"logs"}), "0 4242"); }));
}

TEST_CASE("a small process 1 reaps and passes signals on") {
    const OneService a("dt-init",
                       "    init: true\n"
                       "    command: sh -c 'trap \"echo got it; exit 7\" TERM; "
                       "(sleep 0.1 & exec sleep 0.01); while true; do sleep 0.05; done'\n",
                       "SIGTERM");
    CHECK(contains(a.proc("cmdline"), "/dev/init"));
    a.box().davit_ok({"stop"});
    CHECK(contains(a.box().davit_ok({"logs"}), "got it"));
    CHECK(a.box().inspect("dt-init-a-1", "{{.State.ExitCode}}") == "7");
}

TEST_CASE("a container may have no network and the host's users") {
    {
        const OneService lonely("dt-none", std::string(kSleep) + "    network_mode: none\n");
        CHECK(lonely.proc("net/dev").find("eth0") == std::string::npos);
        CHECK(contains(lonely.proc("net/dev"), "lo:"));
    }
    const OneService plain("dt-hostusers", std::string(kSleep) + "    userns_mode: host\n");
    CHECK(contains(plain.proc("uid_map"), "4294967295"));
    CHECK(plain.status("CapEff") != "0000003fffffffff");
}

TEST_CASE("configs and secrets are files that the container may read") {
    const Sandbox box("dt-files");
    box.load_busybox();
    box.write("token.txt", "from a file");
    box.write(".env", "TOKEN=from the environment\n");
    box.compose(R"(
services:
  a:
    image: local/busybox:1
    stop_signal: SIGKILL
    user: "1000"
    command: sh -c 'cat /run/secrets/* /etc/app.conf; stat -c "%u %a" /run/secrets/env; sleep 1000'
    secrets: [file, {source: env, uid: "1000", gid: "1000", mode: 0400}]
    configs: [{source: app, target: /etc/app.conf}]
secrets:
  file: {file: token.txt}
  env: {environment: TOKEN}
configs:
  app: {content: "written out in ${TOKEN}"}
)");
    const std::string before = box.world();
    box.davit_ok({"up", "-d"});
    CHECK(eventually([&] {
        const std::string logs = box.davit_ok({"logs"});
        return contains(logs, "from a file") && contains(logs, "from the environment") &&
               contains(logs, "written out in from the environment") && contains(logs, "1000 400");
    }));
    box.davit_ok({"down"});
    CHECK(box.world() == before);
}

TEST_CASE("a vendor's description of a device is carried out") {
    // The test program has a mount namespace of its own: this /etc/cdi is nobody else's.
    const davit::testing::TempDir dir;
    const bool had = exists("/etc/cdi");
    REQUIRE(make_directories("/etc/cdi", 0755).ok());
    REQUIRE(::mount(dir.path().c_str(), "/etc/cdi", nullptr, MS_BIND, nullptr) == 0);
    const ScopeGuard undo([&] {
        ::umount2("/etc/cdi", MNT_DETACH);
        if (!had) ::rmdir("/etc/cdi");
    });
    REQUIRE(write_in_place(dir / "text", "from the vendor\n", 0644).ok());
    REQUIRE(
        write_in_place(dir / "v.yaml",
                       "cdiVersion: 0.6.0\nkind: nvidia.com/gpu\ndevices:\n  - name: all\n"
                       "    containerEdits:\n      env: [CARD=yes]\n"
                       "      deviceNodes: [{path: /dev/card0, hostPath: /dev/full}]\n"
                       "      mounts: [{hostPath: " +
                           (dir / "text") +
                           ", containerPath: /opt/text, options: [ro]}]\n"
                           "      hooks: [{hookName: createRuntime, path: /bin/sh, args: [sh, -c, "
                           "'cat > " +
                           (dir / "state") + "']}]\n",
                       0644)
            .ok());
    for (const char* asks : {"    gpus: all\n", "    devices: [nvidia.com/gpu=all]\n",
                             "    deploy: {resources: {reservations: {devices: [{capabilities: "
                             "[gpu]}]}}}\n"}) {
        CAPTURE(std::string(asks));
        const OneService a("dt-cdi",
                           std::string("    command: sh -c 'cat /opt/text; echo $$CARD; echo x > "
                                       "/dev/card0; sleep 1000'\n") +
                               asks);
        CHECK(eventually([&] {
            const std::string said = a.box().davit({"logs", "--no-log-prefix", "a"}).out;
            return contains(said, "from the vendor\nyes\n") && contains(said, "No space left");
        }));
        CHECK(contains(file_text(dir / "state"), "\"creating\""));
    }
    const Sandbox box("dt-cdi2");
    box.load_busybox();
    box.compose("services:\n  a:\n    image: local/busybox:1\n    devices: [v.com/c=x]\n");
    const std::string before = box.world();
    const Outcome refused = box.davit({"up", "-d"});
    CHECK(refused.status != 0);
    CHECK_MESSAGE(contains(refused.err, "there are: nvidia.com/gpu=all"), refused.err);
    CHECK(contains(refused.err, "compose.yaml:5:5"));
    CHECK(box.world() == before);
}

TEST_CASE("a writable layer can be limited where the file system can") {
    const Sandbox box("dt-quota");
    box.load_busybox();
    const std::string file =
        "services:\n  a:\n    image: local/busybox:1\n    storage_opt: {size: 8m}\n"
        "    command: dd if=/dev/zero of=/big bs=1M count=20\n";
    box.compose(file);
    const std::string before = box.world();
    const Outcome refused = box.davit({"up", "-d"});
    if (refused.status != 0) {
        CHECK_MESSAGE(contains(refused.err, "has no project quotas"), refused.err);
        CHECK(contains(refused.err, "compose.yaml:5:5"));
        CHECK(box.world() == before);
    }
    // A file system of its own that has them.
    const davit::testing::TempDir dir;
    const std::string image = dir / "disk";
    const std::string root = dir / "root";
    REQUIRE(make_directories(root, 0755).ok());
    const Outcome mounted = davit::testing::run(
        {{"sh", "-c",
          "truncate -s 400M \"$0\" && mkfs.xfs -q \"$0\" && mount -o loop,prjquota \"$0\" \"$1\"",
          image, root}});
    if (mounted.status != 0)
        SKIP_ON_THIS_MACHINE("needs mkfs.xfs, loop devices and a kernel with quotas of xfs");
    const ScopeGuard undo([&] { ::umount2(root.c_str(), MNT_DETACH); });
    box.compose(file + "    x-davit: {data_root: " + root + "/data}\n");
    const Outcome up = box.davit({"up", "--no-log-prefix"});
    CHECK_MESSAGE(contains(up.out + up.err, "No space left on device"), (up.out + up.err));
    box.davit_ok({"down"});
}

TEST_CASE("limits of block devices and of real-time processes reach the kernel") {
    const Outcome disk = davit::testing::run({{"sh", "-c", "ls /sys/block | head -1"}});
    const std::string name = std::string(trim(disk.out));
    if (name.empty() || !exists("/dev/" + name)) SKIP_ON_THIS_MACHINE("needs a block device");
    const std::string number = std::string(trim(file_text("/sys/block/" + name + "/dev")));
    const std::string device = "/dev/" + name;
    const OneService a("dt-blkio", std::string(kSleep) +
                                       "    blkio_config:\n"
                                       "      device_read_bps: [{path: " +
                                       device +
                                       ", rate: 1mb}]\n"
                                       "      device_write_iops: [{path: " +
                                       device + ", rate: 120}]\n");
    const std::string v1 =
        a.control("blkio.throttle.read_bps_device") + a.control("blkio.throttle.write_iops_device");
    const std::string v2 = a.control("io.max");
    CHECK_MESSAGE((contains(v1, number + " 1048576\n") || contains(v2, "rbps=1048576")), (v1 + v2));
    CHECK_MESSAGE((contains(v1, number + " 120\n") || contains(v2, "wiops=120")), (v1 + v2));
    if (a.control("cpu.shares").empty()) return;  // real time is shared out on v1 alone
    const OneService real_time(
        "dt-rt", std::string(kSleep) + "    cpu_rt_period: 1000000\n    cpu_rt_runtime: 2000\n");
    CHECK(contains(real_time.control("cpu.rt_runtime_us"), "2000\n"));
}

TEST_CASE("rules of devices let a folder's nodes be opened, and only those that they name") {
    const davit::testing::TempDir dir;
    struct stat info {};
    if (::stat("/dev/fuse", &info) != 0 || ::stat("/dev/net/tun", &info) != 0)
        SKIP_ON_THIS_MACHINE("needs /dev/fuse and /dev/net/tun");
    for (const auto& [name, minor] : {std::pair("fuse", 229U), std::pair("tun", 200U)}) {
        REQUIRE(::mknod((dir / name).c_str(), S_IFCHR | 0666, ::makedev(10, minor)) == 0);
        REQUIRE(::chmod((dir / name).c_str(), 0666) == 0);
    }
    const std::string script =
        "for n in fuse tun; do (exec 3< /nodes/$$n) 2>/dev/null && echo opened $$n; done; "
        "sleep 1000";
    const std::string service = fmt::format(
        "    volumes: [\"{}:/nodes\"]\n    command: [sh, -c, '{}']\n", dir.path(), script);
    const OneService with("dt-rules", "    device_cgroup_rules: [\"c 10:229 rw\"]\n" + service);
    CHECK(eventually([&] { return contains(with.box().davit_ok({"logs"}), "opened fuse"); }));
    CHECK_FALSE(contains(with.box().davit_ok({"logs"}), "opened tun"));
    // Without rules the folder has no devices at all.
    with.box().davit_ok({"down"});
    const OneService without("dt-norules", service);
    without.box().davit_ok({"exec", "a", "true"});
    CHECK_FALSE(contains(without.box().davit_ok({"logs"}), "opened"));
}

TEST_CASE("a profile of AppArmor is applied, or said not to be") {
    const Sandbox box("dt-apparmor");
    box.load_busybox();
    box.compose(
        "services:\n  a:\n    image: local/busybox:1\n    stop_signal: SIGKILL\n"
        "    security_opt: [apparmor=davit-test, label=type:container_t]\n    command: sleep 1000\n");
    const std::string enabled = file_text("/sys/module/apparmor/parameters/enabled");
    const Outcome up = box.davit({"up", "-d"});
    if (enabled != "Y\n") {
        CHECK(up.status == 0);
        CHECK_MESSAGE(contains(up.err, "this kernel has no AppArmor: profile 'davit-test'"),
                      up.err);
    } else {
        // There is no profile of this name.
        CHECK(up.status != 0);
        CHECK_MESSAGE(contains(up.err, "davit-test"), up.err);
    }
    if (!exists("/sys/fs/selinux/enforce"))
        CHECK_MESSAGE(contains(up.err, "this kernel has no SELinux"), up.err);
    box.davit({"down"});
}

TEST_CASE("a profile of AppArmor confines the program, and what exec puts beside it") {
    if (file_text("/sys/module/apparmor/parameters/enabled") != "Y\n")
        SKIP_ON_THIS_MACHINE("this kernel has no AppArmor");
    const davit::testing::TempDir dir;
    const auto parser = [&](const char* action) {
        return davit::testing::run({.argv = {"apparmor_parser", action, dir / "profile"}});
    };
    REQUIRE(write_in_place(dir / "profile",
                           "profile davit-test-confined flags=(attach_disconnected) {\n"
                           "  file,\n  network,\n  capability,\n  signal,\n  unix,\n"
                           "  deny /etc/passwd r,\n}\n",
                           0644)
                .ok());
    const Outcome loaded = parser("--replace");
    if (loaded.status == 127) SKIP_TEST("needs the package 'apparmor'");
    REQUIRE_MESSAGE(loaded.status == 0, loaded.err);
    const ScopeGuard unload([&] { parser("--remove"); });
    const OneService a("dt-confined",
                       "    security_opt: [apparmor=davit-test-confined]\n"
                       "    command: sh -c 'cat /etc/passwd; cat /etc/group; exec sleep 1000'\n");
    CHECK(a.proc("attr/current") == "davit-test-confined (enforce)\n");
    CHECK(eventually([&] { return contains(a.box().davit_ok({"logs"}), "extra:x:50"); }));
    CHECK(contains(a.box().davit_ok({"logs"}), "'/etc/passwd': Permission denied"));
    const Outcome exec = a.box().davit({"exec", "-T", "a", "cat", "/etc/passwd"});
    CHECK(exec.status == 1);
    CHECK_MESSAGE(contains(exec.err, "'/etc/passwd': Permission denied"), exec.err);
    // The privileged have none.
    const OneService free("dt-unconfined", std::string(kSleep) + "    privileged: true\n");
    CHECK(free.proc("attr/current") == "unconfined\n");
}
