#include "runtime/exec.h"
#include "tests/runtime/guarded_container.h"

#include <atomic>
#include <filesystem>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>

// More ways out of containers, tried by a program that is put into them. docs/security.md lists
// them.
using namespace davit;
using davit::testing::GuardedContainer;

namespace {

/// A container with the probe in it; what the probe prints for these words, and how it ends.
struct Answer {
    std::string text = {};
    int code = -1;
};

Answer ask(const std::vector<std::string>& words, bool filtered = true) {
    std::vector<std::string> args = {"/bin/probe"};
    args.insert(args.end(), words.begin(), words.end());
    GuardedContainer box(std::move(args));
    std::filesystem::copy_file(DAVIT_PROBE, box.path("layer/bin/probe"));
    if (!filtered) box.config["linux"].erase("seccomp");
    const auto state = box.run_to_end();
    return {std::string(trim(box.output())), state.exit_code};
}

std::string refusal(GuardedContainer& box) {
    const auto created = box.launch();
    return created ? "" : created.error().to_string();
}

}  // namespace

TEST_CASE("calls by the entry of 32-bit programs end the program [root]") {
    NEED_ROOT_AND_BUSYBOX();
    constexpr int kEndedBySigsys = 128 + 31;
    constexpr int kEndedBySigsegv = 128 + 11;
    const Answer open = ask({"entry-32"}, false);
    if (open.code == kEndedBySigsegv)
        SKIP_ON_THIS_MACHINE("this kernel has no entry for 32-bit programs (ia32_emulation)");
    CHECK(open.code == 0);  // so that it is the filter, and not a kernel without this entry
    CHECK(open.text == "1");
    CHECK(ask({"entry-32"}).code == kEndedBySigsys);
}

TEST_CASE("parts of the kernel with a bad record are out of reach [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (const long number : {SYS_io_uring_setup, SYS_userfaultfd, SYS_bpf, SYS_add_key,
                              SYS_request_key, SYS_keyctl, SYS_perf_event_open, SYS_kexec_load,
                              SYS_open_by_handle_at, SYS_init_module, SYS_pivot_root, SYS_mount}) {
        CAPTURE(number);
        CHECK(ask({"call", std::to_string(number)}).text == "EPERM");
    }
    constexpr int kAlg = 38;
    constexpr int kVsock = 40;
    for (const int family : {kAlg, kVsock}) {
        CAPTURE(family);
        CHECK(ask({"socket", std::to_string(family)}).text == "EPERM");
    }
    CHECK(ask({"call", "5000"}).text == "ENOSYS");  // newer than anything: a fallback is tried
}

TEST_CASE("a terminal of the caller's can't be typed into, or taken, by a container [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "1000"});
    std::filesystem::copy_file(DAVIT_PROBE, box.path("layer/bin/probe"));
    box.run();
    // The caller's terminal as standard input, as `davit exec -T` passes it.
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(master != -1);
    const UniqueFd terminal(master);
    REQUIRE(::grantpt(master) == 0);
    REQUIRE(::unlockpt(master) == 0);
    char name[64]{};
    REQUIRE(::ptsname_r(master, name, sizeof name) == 0);
    for (const char* what : {"type-into-terminal", "take-terminal"}) {
        CAPTURE(std::string(what));
        const std::string file = box.path("process.json");
        const Json process = {{"args", {"/bin/probe", what}},
                              {"cwd", "/"},
                              {"env", {"PATH=/bin"}},
                              {"capabilities", box.config["process"]["capabilities"]},
                              {"user", {{"uid", 0}, {"gid", 0}}}};
        REQUIRE(write_json(file, process, Sync::No).ok());
        const std::string out = box.path("out");
        const pid_t pid = ::fork();
        if (pid == 0) {
            // A session whose terminal this is, as a shell's.
            ::setsid();
            const int tty = ::open(name, O_RDWR);
            const int text = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            ::dup2(tty, 0);
            ::dup2(text, 1);
            const std::string target = std::to_string(box.state().pid);
            ::execl(DAVIT_RUNTIME_PROGRAM, "davit-runtime", "exec", "--bundle",
                    box.bundle().c_str(), "--pid", target.c_str(), "--process", file.c_str(),
                    static_cast<char*>(nullptr));
            ::_exit(127);
        }
        int status = -1;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
        CHECK(trim(*read_file(out)) == "EPERM");
    }
}

TEST_CASE("a terminal is not opened by a name that somebody else has made [root]") {
    NEED_ROOT_AND_BUSYBOX();
    for (const bool link : {false, true}) {
        CAPTURE(link);
        GuardedContainer box({"true"});
        box.config["process"]["terminal"] = true;
        const std::string pts = box.path("pts");
        REQUIRE(make_directories(pts, 0755).ok());
        if (link)
            REQUIRE(::symlink("/dev/null", (pts + "/ptmx").c_str()) == 0);
        else
            REQUIRE(write_in_place(pts + "/ptmx", "mine", 0666).ok());
        for (Json& entry : box.config["mounts"])
            if (entry.at("destination") == "/dev/pts")
                entry = GuardedContainer::mount("/dev/pts", "bind", {"bind", "idmap"}, pts);
        CHECK(refusal(box).find("open a terminal") != std::string::npos);
        if (!link) CHECK(*read_file(pts + "/ptmx") == "mine");
    }
}

TEST_CASE("a folder that is swapped for a link while it is mounted on leads nowhere [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer owner({"true"});
    const std::string shared = owner.path("shared");
    const std::string canary = owner.path("canary");
    REQUIRE(make_directories(shared + "/x", 0777).ok());
    REQUIRE(make_directories(canary, 0777).ok());
    REQUIRE(::symlink(canary.c_str(), (shared + "/link").c_str()) == 0);
    std::atomic<bool> done = false;
    std::atomic<int> swaps = 0;
    std::thread racer([&] {
        constexpr unsigned kExchange = 2;  // RENAME_EXCHANGE
        while (!done)
            swaps += ::syscall(SYS_renameat2, AT_FDCWD, (shared + "/x").c_str(), AT_FDCWD,
                               (shared + "/link").c_str(), kExchange) == 0
                         ? 1
                         : 0;
    });
    int ran = 0;
    for (int round = 0; round < 60; ++round) {
        GuardedContainer box({"true"});
        box.bind("/v", shared, {"bind", "idmap"});
        box.config["mounts"].push_back(GuardedContainer::mount("/v/x/deep", "tmpfs", {"size=4k"}));
        if (box.launch()) ++ran;
    }
    done = true;
    racer.join();
    CHECK(swaps > 60);
    CHECK(ran > 0);
    CHECK(list_directory(canary)->empty());  // the host's folder of that name was never reached
}

TEST_CASE("no further program starts behind a descriptor of the host [root]") {
    NEED_ROOT_AND_BUSYBOX();
    GuardedContainer box({"sleep", "1000"});
    box.run();
    for (int number = 3; number < 24; ++number) {
        CAPTURE(number);
        runtime::ExecOptions options;
        options.bundle = box.bundle();
        options.pid = box.state().pid;
        options.process_object = {{"args", {"ls"}},
                                  {"cwd", fmt::format("/proc/self/fd/{}", number)},
                                  {"env", {"PATH=/bin"}}};
        const auto status = runtime::exec_in_container(options);
        REQUIRE(status.ok());
        CHECK(*status >= 126);  // 127: there is none of that number
    }
}

TEST_CASE("who enters a container can't be looked into from inside [root]") {
    NEED_ROOT_AND_BUSYBOX();
    // There is one process inside, and the one that enters: what the first can open of another is
    // the runtime's. CVE-2016-9962
    GuardedContainer box({"sh", "-c",
                          "echo ready; while :; do for p in /proc/[0-9]*; do "
                          "[ $p = /proc/1 ] || [ ! -e $p/exe ] || echo opened $p; done; done"});
    // Without a user namespace both have the same user and, before the program is executed, the
    // same capabilities: nothing else keeps them apart.
    Json& linux_part = box.config["linux"];
    Json kept = Json::array();
    for (const Json& one : linux_part["namespaces"])
        if (one.at("type") != "user") kept.push_back(one);
    linux_part["namespaces"] = kept;
    linux_part.erase("uidMappings");
    linux_part.erase("gidMappings");
    box.run();
    REQUIRE(box.await_output("ready"));
    // A program that is nowhere in many folders: the runtime looks for it for as long.
    std::string path = "PATH=/0";
    for (int i = 1; i < 4000; ++i) path += fmt::format(":/{}", i);
    for (int round = 0; round < 20; ++round) {
        runtime::ExecOptions options;
        options.bundle = box.bundle();
        options.pid = box.state().pid;
        options.process_object = {
            {"args", {"nowhere"}},
            {"cwd", "/"},
            {"env", {path}},
            {"capabilities", box.config["process"]["capabilities"]},
        };
        const auto status = runtime::exec_in_container(options);
        REQUIRE(status.ok());
        CHECK(*status == 127);
    }
    CHECK(box.output() == "ready\n");
}
