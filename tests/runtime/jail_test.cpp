#include "runtime/features.h"
#include "tests/runtime/guarded_container.h"
#include "tests/support/skip.h"
#include "tests/support/text.h"

#include <functional>
#include <sys/resource.h>

// What a program finds inside a container, asked of the program itself and of the kernel.

using namespace davit;
using davit::testing::GuardedContainer;
using davit::testing::sh;

namespace {

std::string status_line(pid_t pid, std::string_view key) {
    const auto text = read_file(fmt::format("/proc/{}/status", pid));
    if (!text) return {};
    for (const std::string& line : split(*text, '\n')) {
        if (line.starts_with(key)) return std::string(trim(line.substr(key.size() + 1)));
    }
    return {};
}

std::string ns_of(const std::string& pid, const std::string& name) {
    char target[64] = {};
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    return ::readlink(path.c_str(), target, sizeof target - 1) > 0 ? target : "";
}

}  // namespace

TEST_CASE("a sysctl that belongs to the host's users alone is told from others [root]") {
    NEEDS_ROOT();
    CHECK(runtime::sysctl_out_of_reach({}).empty());
    // Of the machine, in whatever namespace.
    CHECK(runtime::sysctl_out_of_reach({"net.ipv4.ip_forward", "kernel.panic"}) == "kernel.panic");
    CHECK(runtime::sysctl_out_of_reach({"net.ipv4.ip_forward"}).empty());
    CHECK(runtime::sysctl_out_of_reach({"net.core.there_is_no_such_thing"}).empty());
}

TEST_CASE("the init process has its own namespaces and ids and only the default powers [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo pid $$; hostname; id -u; sleep 100"));
    box.run();
    REQUIRE(box.await_output("0\n"));
    CHECK(box.output() == "pid 1\nbox\n0\n");
    const pid_t pid = box.state().pid;
    for (const char* name : {"pid", "net", "mnt", "ipc", "uts", "user", "cgroup"}) {
        CAPTURE(name);
        CHECK(ns_of(std::to_string(pid), name) != "");
        CHECK(ns_of(std::to_string(pid), name) != ns_of("self", name));
    }
    CHECK(status_line(pid, "NSpid:").ends_with("\t1"));
    const std::string id = std::to_string(GuardedContainer::kIdBase);
    CHECK(status_line(pid, "Uid:") == id + "\t" + id + "\t" + id + "\t" + id);
    for (const char* file : {"uid_map", "gid_map"}) {
        const auto map = read_file(fmt::format("/proc/{}/{}", pid, file));
        REQUIRE(map.ok());
        std::vector<std::string> fields;
        for (const std::string& field : split(trim(*map), ' ')) {
            if (!field.empty()) fields.push_back(field);
        }
        CHECK(fields == std::vector<std::string>{"0", id, "65536"});
    }
    const std::string defaults = fmt::format("{:016x}", runtime::default_capabilities());
    CHECK(status_line(pid, "CapInh:") == "0000000000000000");
    CHECK(status_line(pid, "CapPrm:") == defaults);
    CHECK(status_line(pid, "CapEff:") == defaults);
    CHECK(status_line(pid, "CapBnd:") == defaults);
    CHECK(status_line(pid, "CapAmb:") == "0000000000000000");
    CHECK(status_line(pid, "Seccomp:") == "2");
    CHECK(status_line(pid, "NoNewPrivs:") == "0");
    // A session of its own, seen from inside: no terminal of ours can reach it.
    CHECK(status_line(pid, "NSsid:").ends_with("\t1"));
}

TEST_CASE("signals are as a program expects them [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "100"});  // a shell changes some
    box.run();
    const pid_t pid = box.state().pid;
    CHECK(status_line(pid, "SigIgn:") == "0000000000000000");
    CHECK(status_line(pid, "SigBlk:") == "0000000000000000");
}

TEST_CASE("another user gets its groups and umask and limits and no powers [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("id -u; id -g; id -G; umask; echo again > /dev/stdout; sleep 100"));
    Json& process = box.config["process"];
    process["user"] = {{"uid", 1000}, {"gid", 1001}, {"umask", 63}, {"additionalGids", {1001, 7}}};
    process["noNewPrivileges"] = true;
    process["oomScoreAdj"] = 333;
    process["rlimits"] = Json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}}});
    box.run();
    REQUIRE(box.await_output("again"));
    CHECK(box.output() == "1000\n1001\n1001 7\n0077\nagain\n");
    const pid_t pid = box.state().pid;
    CHECK(status_line(pid, "CapEff:") == "0000000000000000");
    CHECK(status_line(pid, "CapPrm:") == "0000000000000000");
    CHECK(status_line(pid, "NoNewPrivs:") == "1");
    CHECK(trim(*read_file(fmt::format("/proc/{}/oom_score_adj", pid))) == "333");
    rlimit limit{};
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
    CHECK(limit.rlim_cur == 100);
    CHECK(limit.rlim_max == 200);
}

TEST_CASE("nothing of the host's descriptors and environment is inside [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("echo /proc/self/fd/*; echo /proc/1/fd/*; export -p"));
    CHECK(box.run_to_end().exit_code == 0);
    const auto lines = split(trim(box.output()), '\n');
    REQUIRE(lines.size() >= 2);
    // The shell's own folder handle while it lists makes the fourth.
    CHECK(lines[0] == "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3");
    CHECK(lines[1] == "/proc/1/fd/0 /proc/1/fd/1 /proc/1/fd/2 /proc/1/fd/3");
    for (std::size_t i = 2; i < lines.size(); ++i)
        CHECK_MESSAGE((lines[i].find("PATH=") != std::string::npos ||
                       lines[i].find("PWD=") != std::string::npos ||
                       lines[i].find("SHLVL=") != std::string::npos),
                      lines[i]);
}

TEST_CASE("an unknown working directory is made [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("pwd; stat -c '%a %u:%g' ."));
    box.config["process"]["cwd"] = "/srv/deep/er";
    CHECK(box.run_to_end().exit_code == 0);
    CHECK(box.output() == "/srv/deep/er\n755 0:0\n");
    CHECK(exists(box.upper() + "/srv/deep/er"));
}

TEST_CASE("kernel doors are shut [root]") {
    NEED_ROOT_AND_BUSYBOX();
    struct Case {
        const char* name;
        const char* script;
        const char* said;
        bool exactly = false;
    };
    const Case cases[] = {
        {"masked file",
         "for f in kcore keys timer_list; do head -c 1 /proc/$f 2>/dev/null; done; echo end",
         "end\n", true},
        {"masked folder", "ls -A /sys/firmware; echo end", "end\n", true},
        {"a masked folder stays", "touch /sys/firmware/x 2>&1", "Read-only file system"},
        {"sysctls", "echo 1 > /proc/sys/net/ipv4/ip_forward", "Read-only file system"},
        {"sysfs", "mkdir /sys/kernel/x 2>&1", "/sys/kernel/x"},
        {"mount", "mount -t tmpfs none /mnt", "permission denied"},
        {"remount", "mount -o remount,rw /sys", "permission denied"},
        {"unshare", "unshare -U true 2>&1", "Operation not permitted"},
        {"device nodes of disks", "busybox mknod /disk b 8 0 2>&1 && cat /disk", "not permitted"},
        {"other processes", "echo /proc/[0-9]*", "/proc/1\n", true},
        {"links of other hosts", "ls /sys/class/net", "lo\n", true},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        GuardedContainer box(sh(std::string("exec 2>&1; mkdir -p /mnt; ") + c.script));
        box.run_to_end();
        const std::string output = box.output();
        CHECK_MESSAGE((c.exactly ? output == c.said : output.find(c.said) != std::string::npos),
                      output);
    }
}

TEST_CASE("the devices of every container work [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("echo x > /dev/null; head -c 3 /dev/zero | busybox wc -c; head -c 3 /dev/urandom | "
           "busybox wc -c; echo full > /dev/full; readlink /dev/fd; readlink /dev/ptmx; "
           "ls /dev | busybox tr '\\n' ' '"));
    box.run_to_end();
    const std::string out = box.log_text("stdout");
    CHECK(out ==
          "3\n3\n/proc/self/fd\npts/ptmx\n"
          "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ");
    CHECK(box.log_text("stderr").find("No space left") != std::string::npos);
}

TEST_CASE("a read-only root takes no writes but its mounts do [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("touch /x; touch /dev/shm/x && echo shm works"));
    box.config["root"]["readonly"] = true;
    box.run_to_end();
    CHECK(box.log_text("stderr").find("/x: Read-only file system") != std::string::npos);
    CHECK(box.log_text("stdout") == "shm works\n");
    CHECK_FALSE(exists(box.upper() + "/x"));
}

TEST_CASE("bind mounts show the ids on disk and keep to read-only [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("cat /in/file; stat -c %u /in/file; touch /in/new; touch /out/new && echo made; "
           "cat /one"));
    for (const char* folder : {"in", "out"}) REQUIRE(make_directories(box.path(folder), 0755).ok());
    REQUIRE(write_in_place(box.path("in/file"), "text\n", 0644).ok());
    REQUIRE(write_in_place(box.path("single"), "single file\n", 0644).ok());
    box.bind("/in", box.path("in"), {"rbind", "ro", "idmap"});
    box.bind("/out", box.path("out"), {"rbind", "idmap"});
    box.bind("/one", box.path("single"), {"bind", "ro", "idmap"});
    box.run_to_end();
    CHECK(box.log_text("stdout") == "text\n0\nmade\nsingle file\n");
    CHECK(box.log_text("stderr").find("/in/new: Read-only file system") != std::string::npos);
    struct stat info {};
    REQUIRE(::stat(box.path("out/new").c_str(), &info) == 0);
    CHECK(info.st_uid == 0);  // the container's root is the owner on disk: root
    CHECK_FALSE(exists(box.path("in/new")));
}

TEST_CASE("links of an image never lead out to the host [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("cat /etc/hosts; ls /dev/null /proc/self/exe; mount"));
    const std::string host = box.path("host");
    for (const char* name : {"dev", "proc", "sys", "etc", "data"}) {
        REQUIRE(make_directories(host + "/" + name, 0755).ok());
        REQUIRE(::symlink((host + "/" + name).c_str(), (box.layer() + "/" + name).c_str()) == 0);
    }
    REQUIRE(::symlink("../../../../../../..", (box.layer() + "/up").c_str()) == 0);
    REQUIRE(write_in_place(box.path("hosts"), "127.0.0.1 here\n", 0644).ok());
    box.bind("/etc/hosts", box.path("hosts"), {"bind"});
    box.bind("/data/inner", box.path("layer"), {"bind"});
    box.bind(("/up" + box.path("host") + "/escape").c_str(), box.path("layer"), {"bind"});
    const auto state = box.run_to_end();
    CHECK_MESSAGE(state.exit_code == 0, box.output());
    CHECK(box.output().starts_with("127.0.0.1 here\n/dev/null\n/proc/self/exe\n"));
    for (const char* name : {"dev", "proc", "sys", "etc", "data"}) {
        CAPTURE(name);
        CHECK(list_directory(host + "/" + name)->empty());
    }
    CHECK_FALSE(exists(host + "/escape"));
}

TEST_CASE("a file is mounted where a dangling link points [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("cat /etc/resolv.conf; readlink /etc/resolv.conf; cat /etc/abs"));
    REQUIRE(make_directories(box.layer() + "/etc", 0755).ok());
    // As images made on a host with systemd-resolved have it.
    REQUIRE(::symlink("../run/systemd/resolve/stub-resolv.conf",
                      (box.layer() + "/etc/resolv.conf").c_str()) == 0);
    REQUIRE(::symlink("/run/other", (box.layer() + "/etc/abs").c_str()) == 0);
    REQUIRE(write_in_place(box.path("file"), "nameserver 1.1.1.1\n", 0644).ok());
    box.bind("/etc/resolv.conf", box.path("file"), {"bind"});
    box.bind("/etc/abs", box.path("file"), {"bind"});
    CHECK(box.run_to_end().exit_code == 0);
    CHECK(box.output() ==
          "nameserver 1.1.1.1\n../run/systemd/resolve/stub-resolv.conf\nnameserver 1.1.1.1\n");
}

TEST_CASE("a ring of links is an error and not an endless search [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"true"});
    REQUIRE(::symlink("b", (box.layer() + "/a").c_str()) == 0);
    REQUIRE(::symlink("a", (box.layer() + "/b").c_str()) == 0);
    box.bind("/a/x", box.path("layer"), {"bind"});
    const auto created = box.launch();
    REQUIRE_FALSE(created.ok());
    CHECK(created.error().to_string().find("mount '/a/x'") != std::string::npos);
    CHECK(box.leftovers() == "");
}

TEST_CASE("memory is limited and the kernel's kill is told [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"tail", "/dev/zero"});
    box.config["linux"]["resources"]["memory"] = {{"limit", 32 << 20}, {"swap", 32 << 20}};
    const auto state = box.run_to_end();
    CHECK(state.exit_code == 128 + SIGKILL);
    CHECK(state.oom_killed);
    CHECK(box.leftovers() == "");
}

TEST_CASE("processes are limited [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all"));
    box.config["linux"]["resources"]["pids"] = {{"limit", 8}};
    box.run_to_end();
    CHECK(box.log_text("stderr").find("can't fork") != std::string::npos);
    CHECK(box.log_text("stdout").find("all") == std::string::npos);
}

TEST_CASE("sysctls of the container's own namespaces are set [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        {"cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shmmni"});
    box.config["linux"]["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"},
                                     {"kernel.shmmni", "123"}};
    box.run_to_end();
    CHECK(box.output() == "0\n123\n");
}

TEST_CASE("a copied file is the container's own and has room for what it begins with [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box(
        sh("stat -c %s /etc/hosts; echo more >> /etc/hosts && tail -c 5 /etc/hosts"));
    const std::string source = box.path("hosts");
    REQUIRE(write_in_place(source, std::string(3'000'000, 'x'), 0644).ok());
    box.config["mounts"].push_back(
        {{"destination", "/etc/hosts"}, {"type", runtime::kCopyMount}, {"source", source}});
    box.run();
    CHECK(box.await_end().exit_code == 0);
    CHECK(box.output() == "3000000\nmore\n");
    CHECK(read_file(source)->size() == 3'000'000);
}
