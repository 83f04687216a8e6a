#pragma once

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup.h"
#include "runtime/guard_client.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "runtime/state.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

/// Skips a test that needs root and the static busybox.
#define NEED_ROOT_AND_BUSYBOX()                                                       \
    do {                                                                              \
        if (::geteuid() != 0) SKIP_TEST("needs root");                                \
        if (!exists("/bin/busybox")) SKIP_TEST("needs the package 'busybox-static'"); \
    } while (false)

namespace davit::testing {

/// Waits for `check` to hold, at most ten seconds. For what only the kernel's tables show.
template <typename Check>
bool eventually(Check check) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!check()) {
        if (std::chrono::steady_clock::now() > until) return false;
        ::usleep(5000);
    }
    return true;
}

/// A container of busybox under a guard of its own, with everything in a temporary folder and a
/// cgroup subtree of its own. Whatever a test does, nothing of it is left.
class GuardedContainer {
public:
    static constexpr std::uint32_t kIdBase = 700055552;  // a multiple of 64 Ki in systemd's range

    Json config = {};  ///< To be changed before `launch`.

    explicit GuardedContainer(std::vector<std::string> args) {
        namespace rt = davit::runtime;
        name_ = "test-" + random_hex(4);
        REQUIRE(make_directories(layer() + "/bin", 0755).ok());
        REQUIRE(write_in_place(layer() + "/bin/busybox", *read_file("/bin/busybox"), 0755).ok());
        for (const char* applet :
             {"sh",    "cat",  "dd",   "echo",  "false", "grep",     "head", "hostname",
              "id",    "kill", "ls",   "mkdir", "mount", "readlink", "rm",   "seq",
              "sleep", "stat", "tail", "touch", "true",  "unshare"})
            REQUIRE(::symlink("busybox", (layer() + "/bin/" + applet).c_str()) == 0);
        for (const std::string& folder : {upper(), bundle() + "/rw/work", run_dir()})
            REQUIRE(make_directories(folder, 0755).ok());
        REQUIRE(::chown(upper().c_str(), kIdBase, kIdBase) == 0);

        const std::vector<std::string> caps = rt::capability_names(rt::default_capabilities());
        const Json map = Json::array({{{"containerID", 0}, {"hostID", kIdBase}, {"size", 65536}}});
        config = {
            {"ociVersion", "1.2.0"},
            {"process",
             {{"args", std::move(args)},
              {"env", {"PATH=/bin"}},
              {"cwd", "/"},
              {"user", {{"uid", 0}, {"gid", 0}}},
              {"capabilities", {{"bounding", caps}, {"effective", caps}, {"permitted", caps}}}}},
            {"root", {{"path", "rootfs"}}},
            {"hostname", "box"},
            {"mounts",
             {mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
              mount("/dev", "tmpfs", {"nosuid", "mode=755", "size=64k"}),
              mount("/dev/pts", "devpts", {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
              mount("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=1m"}),
              mount("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
              mount("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"})}},
            {"linux",
             {{"namespaces",
               {{{"type", "pid"}},
                {{"type", "network"}},
                {{"type", "mount"}},
                {{"type", "ipc"}},
                {{"type", "uts"}},
                {{"type", "user"}},
                {{"type", "cgroup"}}}},
              {"uidMappings", map},
              {"gidMappings", map},
              {"cgroupsPath", cgroup()},
              {"resources", Json::object()},
              {"seccomp", rt::default_seccomp(rt::default_capabilities())},
              {"maskedPaths", {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}},
              {"readonlyPaths", {"/proc/sys", "/proc/bus", "/proc/sysrq-trigger"}}}},
            {"annotations",
             {{rt::kOverlayLower, layer()},
              {rt::kOverlayUpper, upper()},
              {rt::kOverlayWork, bundle() + "/rw/work"},
              {rt::kLogPath, log_path()}}}};
    }
    GuardedContainer(const GuardedContainer&) = delete;
    GuardedContainer& operator=(const GuardedContainer&) = delete;
    ~GuardedContainer() {
        (void)runtime::stop(run_dir(), 0, std::chrono::milliseconds(0));
        (void)runtime::remove_leftovers(bundle());
    }

    static Json mount(const char* target, const char* type, std::vector<std::string> options,
                      const std::string& source = "") {
        return {{"destination", target},
                {"type", type},
                {"source", source.empty() ? std::string(type) : source},
                {"options", std::move(options)}};
    }
    void bind(const char* target, const std::string& source, std::vector<std::string> options) {
        config["mounts"].push_back(mount(target, "bind", std::move(options), source));
    }
    void annotate(const char* key, const std::string& value) { config["annotations"][key] = value; }

    std::string path(const std::string& name) const { return dir_ / name; }
    std::string bundle() const { return dir_ / "bundle"; }
    std::string layer() const { return dir_ / "layer"; }
    std::string upper() const { return bundle() + "/rw/upper"; }
    std::string run_dir() const { return dir_ / "run/project/" + name_; }
    std::string log_path() const { return dir_ / "logs/log.json"; }
    std::string cgroup() const { return "/davit/" + name_ + "/one"; }

    Result<runtime::CreatedContainer> launch(const std::string& program = DAVIT_RUNTIME_PROGRAM) {
        REQUIRE(write_json(bundle() + "/config.json", config, Sync::No).ok());
        return runtime::launch_guard({program, bundle(), run_dir()});
    }
    /// Creates and starts; both must succeed.
    void run() {
        const auto created = launch();
        REQUIRE_MESSAGE(created.ok(), (created ? "" : created.error().to_string()));
        const auto started = runtime::start(run_dir());
        REQUIRE_MESSAGE(started.ok(), (started ? "" : started.error().to_string()));
    }
    /// As `run`, then waits for the end of the program and of its guard. Returns the last state.
    runtime::ContainerState run_to_end() {
        run();
        return await_end();
    }
    runtime::ContainerState await_end() {
        REQUIRE(await_guard());
        return state();
    }
    bool await_guard() const {
        const auto now = runtime::read_state(run_dir());
        if (!now) return false;
        const auto guard = sys::open_process(now->guard_pid, now->guard_start_ticks);
        return !guard || *sys::wait_for_exit(*guard, 20000);
    }
    runtime::ContainerState state() const {
        const auto read = runtime::read_state(run_dir());
        REQUIRE(read.ok());
        return *read;
    }

    /// What the program wrote to both streams, in the order of the log.
    std::string output() const { return log_text(""); }
    /// What it wrote to "stdout" or "stderr" alone.
    std::string log_text(const std::string& stream) const {
        const auto text = read_file(log_path());
        if (!text) return {};
        std::string all;
        for (const std::string& line : split(*text, '\n')) {
            const auto json = parse_json(line, "line");
            if (!json) continue;
            if (stream.empty() || json->at("stream") == stream)
                all += json->at("log").get<std::string>();
        }
        return all;
    }
    bool await_output(const std::string& wanted) const {
        return eventually([&] { return output().find(wanted) != std::string::npos; });
    }

    /// What a container that has ended must not leave behind; empty where nothing is left.
    std::string leftovers() const {
        std::string left;
        const auto now = runtime::read_state(run_dir());
        if (now && runtime::guard_alive(*now)) left += "guard ";
        if (now && now->pid != 0) left += "pid ";
        const auto mounts = runtime::find_cgroup_mounts();
        if (exists(mounts.unified + "/davit/" + name_)) left += "cgroup ";
        for (const auto& [controller, folder] : mounts.v1) {
            if (exists(folder + "/davit/" + name_)) left += "cgroup:" + controller + " ";
        }
        for (const char* file : {"control.sock", "stdout", "stderr"}) {
            if (exists(run_dir() + "/" + file)) left += std::string(file) + " ";
        }
        return left;
    }

private:
    TempDir dir_;
    std::string name_;
};

}  // namespace davit::testing
