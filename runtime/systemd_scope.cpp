#include "runtime/systemd_scope.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/cgroup.h"
#include "runtime/clone.h"
#include "runtime/program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

Error invalid(std::string message) { return Error(ErrorKind::InvalidInput, std::move(message)); }

/// "a-b.slice" is in "a.slice": "/a.slice/a-b.slice". @source systemd.slice(5)
Result<std::string> path_of_slice(const std::string& slice) {
    constexpr std::string_view kSuffix = ".slice";
    if (!slice.ends_with(kSuffix) || slice.find('/') != std::string::npos)
        return invalid(fmt::format("'{}' is no name of a slice", slice));
    const std::string name = slice.substr(0, slice.size() - kSuffix.size());
    if (name == "-") return std::string();
    if (name.empty() || name.starts_with('-') || name.ends_with('-') ||
        name.find("--") != std::string::npos)
        return invalid(fmt::format("'{}' is no name of a slice", slice));
    std::string path;
    std::string above;
    for (const std::string& part : split(name, '-')) {
        above += above.empty() ? part : "-" + part;
        path += fmt::format("/{}{}", above, kSuffix);
    }
    return path;
}

/// Runs busctl with its output thrown away. Returns whether it has succeeded.
bool busctl(std::vector<std::string> words) {
    words.insert(words.begin(),
                 {"busctl", "--system", "--quiet", "call", "org.freedesktop.systemd1",
                  "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"});
    const std::vector<char*> argv = exec_pointers(words);
    const Result<UniqueFd> nothing = sys::open("/dev/null", O_RDWR);
    if (!nothing) return false;
    char* const environment[] = {nullptr};
    const pid_t pid = clone_process({.exit_signal = SIGCHLD});
    if (pid == -1) return false;
    if (pid == 0) {
        for (int fd = 0; fd < 3; ++fd) ::dup2(nothing->get(), fd);
        for (const char* program : {"/usr/bin/busctl", "/bin/busctl"})
            ::execve(program, argv.data(), environment);
        ::_exit(127);
    }
    int status = 0;
    sys::retry_on_eintr([&] { return ::waitpid(pid, &status, 0); });
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Where systemd has put the process: in the v2 hierarchy, or in its own of v1. Empty: not there.
std::string path_in_unit(pid_t pid, const std::string& unit) {
    const Result<std::string> groups = read_file(fmt::format("/proc/{}/cgroup", pid));
    if (!groups) return {};
    for (const std::string& line : split(*groups, '\n')) {
        // "0::/system.slice/x.scope", "1:name=systemd:/system.slice/x.scope"
        const std::size_t at = line.find(":/");
        if (at != std::string::npos && line.ends_with("/" + unit)) return line.substr(at + 1);
    }
    return {};
}

class Properties {
public:
    void number(const char* name, std::uint64_t value) {
        words_.insert(words_.end(), {name, "t", fmt::format("{}", value)});
    }
    void limit(const char* name, std::optional<std::int64_t> value) {
        if (value && *value != 0)
            number(name, *value < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(*value));
    }
    std::vector<std::string> take() && { return std::move(words_); }

private:
    std::vector<std::string> words_;
};

/// Runtime of the CPUs in a second, as systemd counts.
std::uint64_t quota_of_second(std::int64_t quota_us, std::uint64_t period_us) {
    constexpr std::uint64_t kSecond = 1000000;
    constexpr std::uint64_t kStep = 10000;  // systemd rounds up to whole percents, as runc does
    const std::uint64_t a_second = static_cast<std::uint64_t>(quota_us) * kSecond / period_us;
    return (a_second + kStep - 1) / kStep * kStep;
}

}  // namespace

Result<SystemdScope> parse_systemd_path(const std::string& cgroups_path, const std::string& id) {
    SystemdScope scope;
    std::string prefix = "davit";
    std::string name = id;
    scope.slice = "system.slice";
    if (!cgroups_path.empty()) {
        const std::vector<std::string> parts = split(cgroups_path, ':');
        if (parts.size() != 3)
            return invalid(fmt::format("cgroupsPath '{}' is not slice:prefix:name", cgroups_path))
                .help("an engine that asks for --systemd-cgroup writes it so");
        if (!parts[0].empty()) scope.slice = parts[0];
        prefix = parts[1];
        name = parts[2];
    }
    if (name.empty() || name.ends_with(".slice") ||
        (prefix + name).find_first_of("/ \n") != std::string::npos)
        return invalid(fmt::format("'{}' can't be the name of a scope", name));
    const std::string above = TRY(path_of_slice(scope.slice));
    scope.unit = (prefix.empty() ? name : prefix + "-" + name) + ".scope";
    scope.path = above + "/" + scope.unit;
    return scope;
}

std::vector<std::string> scope_properties(const SpecResources& resources, bool v2) {
    Properties properties;
    properties.limit(v2 ? "MemoryMax" : "MemoryLimit", resources.memory_limit);
    if (v2) {
        properties.limit("MemoryLow", resources.memory_reservation);
        const std::int64_t total = resources.memory_swap.value_or(0);
        const std::int64_t memory = std::max<std::int64_t>(resources.memory_limit.value_or(0), 0);
        if (total < 0)
            properties.number("MemorySwapMax", ~std::uint64_t{0});
        else if (total > 0)
            properties.number("MemorySwapMax", static_cast<std::uint64_t>(
                                                   std::max<std::int64_t>(total - memory, 0)));
    }
    for (const ControlWrite& write : control_writes(resources, v2)) {
        const bool weight = write.file == "cpu.weight" || write.file == "cpu.shares";
        if (!weight) continue;
        const auto value = parse_integer(write.value);
        if (value)
            properties.number(v2 ? "CPUWeight" : "CPUShares", static_cast<std::uint64_t>(*value));
    }
    constexpr std::uint64_t kDefaultPeriod = 100000;
    const std::uint64_t period = resources.cpu_period_us.value_or(0);
    if (period != 0) properties.number("CPUQuotaPeriodUSec", period);
    if (resources.cpu_quota_us.value_or(0) > 0)
        properties.number(
            "CPUQuotaPerSecUSec",
            quota_of_second(*resources.cpu_quota_us, period == 0 ? kDefaultPeriod : period));
    properties.limit("TasksMax", resources.pids_limit);
    return std::move(properties).take();
}

Result<ScopeHolder> ScopeHolder::start(SystemdScope& scope, const SpecResources& resources,
                                       bool v2) {
    if (!exists("/run/systemd/system"))
        return Error(ErrorKind::NotFound, "--systemd-cgroup: systemd does not run here")
            .help("let the engine manage cgroups by itself: cgroupfs");
    const pid_t maker = ::getpid();
    const pid_t pid = clone_process({.exit_signal = SIGCHLD});
    if (pid == -1) return Error::from_errno(errno, "clone3(2)");
    if (pid == 0) {
        // Nobody else would ever end it, should its maker be killed now.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != maker) ::_exit(1);
        for (;;) ::pause();
    }
    ScopeHolder holder(pid);
    const std::vector<std::string> limits = scope_properties(resources, v2);
    constexpr std::size_t kOwnProperties = 5;
    constexpr std::size_t kWordsEach = 3;
    std::vector<std::string> words = {
        "StartTransientUnit", "ssa(sv)a(sa(sv))", scope.unit, "replace",
        fmt::format("{}", kOwnProperties + limits.size() / kWordsEach)};
    words.insert(words.end(), {"Description", "s", "container " + scope.unit,  //
                               "Slice", "s", scope.slice,                      //
                               "Delegate", "b", "true",                        //
                               "DefaultDependencies", "b", "false",            //
                               "PIDs", "au", "1", fmt::format("{}", pid)});
    words.insert(words.end(), limits.begin(), limits.end());
    words.emplace_back("0");
    if (!busctl(std::move(words)))
        return Error(ErrorKind::System, fmt::format("systemd does not make '{}'", scope.unit))
            .help("see 'journalctl -b _PID=1'; busctl(1) must be there");
    constexpr int kAttempts = 5000;
    constexpr useconds_t kPause = 2000;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        if (std::string path = path_in_unit(pid, scope.unit); !path.empty()) {
            scope.path = std::move(path);
            return holder;
        }
        ::usleep(kPause);
    }
    stop_scope(scope.unit);
    return Error(ErrorKind::TimedOut, fmt::format("systemd does not make '{}'", scope.unit));
}

void ScopeHolder::end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    sys::retry_on_eintr([&] { return ::waitpid(pid_, nullptr, 0); });
    pid_ = 0;
}

void stop_scope(const std::string& unit) {
    // systemd removes an empty one by itself; one that failed it keeps until it is told.
    if (!busctl({"StopUnit", "ss", unit, "replace"})) log::debug("runtime", "no unit '{}'", unit);
    (void)busctl({"ResetFailedUnit", "s", unit});
}

}  // namespace davit::runtime
