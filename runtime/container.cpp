#include "runtime/container.h"

#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/clone.h"
#include "runtime/program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// "net.ipv4.ip_forward" as the path that the child opens.
std::string sysctl_path(std::string name) {
    std::replace(name.begin(), name.end(), '.', '/');
    return "proc/sys/" + name;
}

/// Only what belongs to a namespace of the container may be set, or the host would change.
/// @source sysctl allow-list of Docker: net.*, ipc objects, fs.mqueue.*
Result<void> check_sysctl(const std::string& name, const SpecNamespaces& own) {
    constexpr const char* kIpc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                    "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                    "kernel.shmmni", "kernel.shm_rmid_forced"};
    const bool ipc = name.starts_with("fs.mqueue.") ||
                     std::any_of(std::begin(kIpc), std::end(kIpc),
                                 [&](const char* known) { return name == known; });
    const bool allowed = (name.starts_with("net.") && own.network) || (ipc && own.ipc);
    if (allowed &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos)
        return {};
    return Error(ErrorKind::InvalidInput,
                 fmt::format("sysctl '{}' does not belong to a namespace of the container", name));
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    Pipe pipe;
    pipe.read.reset(ends[0]);
    pipe.write.reset(ends[1]);
    return pipe;
}

}  // namespace

Result<Container> Container::open(Spec spec, const std::string& cache_dir) {
    Container container(std::move(spec));
    const Spec& wanted = container.spec_;
    for (const auto& [name, value] : wanted.sysctl) {
        TRY(check_sysctl(name, wanted.namespaces));
        container.sysctls_.emplace_back(sysctl_path(name), value);
    }
    container.programs_ = program_candidates(wanted);
    if (wanted.seccomp) container.seccomp_ = TRY(cached_seccomp(*wanted.seccomp, cache_dir));
    container.held_ = TRY(create_held_namespaces(wanted));
    return container;
}

Result<void> Container::create(const Streams& streams) {
    cgroup_ = TRY(Cgroup::create(spec_.cgroups_path, spec_.resources));
    ScopeGuard undo([&] {
        discard_init();
        // One whose number was never told, since the joiner was killed, is found by its cgroup.
        (void)cgroup_.kill_all();
        if (const Result<void> gone = cgroup_.remove(); !gone)
            log::warn("runtime", "{}, ignoring", gone.error().to_string());
    });
    TRY(clone_init(streams));
    TRY(await_created());
    undo.commit();
    return {};
}

Result<void> Container::clone_init(const Streams& streams) {
    const PreparedRoot root = TRY(prepare_root(spec_, held_.user));
    Pipe pid_pipe = TRY(make_pipe());
    Pipe report_pipe = TRY(make_pipe());
    Pipe start_pipe = TRY(make_pipe());

    ChildPlan plan;
    plan.spec = &spec_;
    plan.held = &held_;
    plan.root = &root;
    plan.cgroup_tasks = &cgroup_.tasks();
    plan.seccomp = &seccomp_;
    plan.sysctls = sysctls_;
    plan.programs = programs_;
    plan.argv = exec_pointers(spec_.args);
    plan.environment = exec_pointers(spec_.env);
    plan.init_pid_fd = pid_pipe.write.get();
    plan.report_fd = report_pipe.write.get();
    plan.start_fd = start_pipe.read.get();
    plan.stdin_fd = streams.in;
    plan.stdout_fd = streams.out;
    plan.stderr_fd = streams.err;
    plan.last_capability = last_capability();

    CloneCall call{.exit_signal = SIGCHLD};
    if (cgroup_.unified()) {
        call.flags = CLONE_INTO_CGROUP;
        call.cgroup_fd = cgroup_.unified().get();
    }
    const pid_t joiner = clone_process(call);
    if (joiner == -1) return Error::from_errno(errno, "clone3(2)").doing("start the container");
    if (joiner == 0) {
        // The ends that the child must not hold: the guard's death has to close them.
        ::close(start_pipe.write.get());
        ::close(report_pipe.read.get());
        run_joiner(plan);
    }
    pid_pipe.write.reset();
    report_pipe.write.reset();
    start_pipe.read.reset();
    report_ = std::move(report_pipe.read);
    start_ = std::move(start_pipe.write);

    pid_t init = 0;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(pid_pipe.read.get(), &init, sizeof init); });
    sys::retry_on_eintr([&] { return ::waitpid(joiner, nullptr, 0); });
    if (got != sizeof init) {
        ChildReport report;
        if (::read(report_.get(), &report, sizeof report) == sizeof report) return explain(report);
        return Error(ErrorKind::Internal, "the container's first process ended without a word");
    }
    pid_ = init;  // our child, not reaped yet: the number is its own
    pidfd_ = TRY(sys::pidfd_open(init));
    for (const SpecRlimit& limit : spec_.rlimits) {
        const rlimit64 value{limit.soft, limit.hard};
        const auto resource = static_cast<__rlimit_resource>(limit.resource);
        if (::prlimit64(pid_, resource, &value, nullptr) == -1)
            return Error::from_errno(errno, "prlimit(2)").doing("set rlimit {}", limit.resource);
    }
    if (spec_.oom_score_adj)
        TRY(write_control_file(fmt::format("/proc/{}/oom_score_adj", pid_),
                               fmt::format("{}", *spec_.oom_score_adj)));
    return {};
}

Result<void> Container::await_created() {
    ChildReport report;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(report_.get(), &report, sizeof report); });
    if (got != sizeof report)
        return Error(ErrorKind::Internal, "the container's init process ended without a word");
    if (report.stage != ChildStage::Created) return explain(report);
    return {};
}

Result<void> Container::start() {
    if (::write(start_.get(), "s", 1) != 1) return Error::from_errno(errno, "write(2)");
    start_.reset();
    ChildReport report;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(report_.get(), &report, sizeof report); });
    report_.reset();
    if (got == sizeof report) return explain(report);
    return {};
}

Result<void> Container::signal(int number) const {
    if (!pidfd_) return Error(ErrorKind::NotFound, "the container does not run");
    return sys::pidfd_send_signal(pidfd_, number);
}

Result<void> Container::kill_all() const {
    if (pidfd_) TRY(sys::pidfd_send_signal(pidfd_, SIGKILL));
    return cgroup_.kill_all();
}

Result<ExitStatus> Container::reap() {
    siginfo_t info{};
    if (sys::retry_on_eintr([&] {
            return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
        }) == -1)
        return Error::from_errno(errno, "waitid(2)").doing("collect process {}", pid_);
    ExitStatus status;
    status.code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    status.oom_killed = cgroup_.oom_kills() > 0;
    pid_ = 0;
    pidfd_.reset();
    report_.reset();
    start_.reset();
    // A pid namespace takes its processes with it; others (joined from outside) may be left.
    if (const Result<void> killed = cgroup_.kill_all(); !killed)
        log::warn("runtime", "{}, ignoring", killed.error().to_string());
    if (const Result<void> gone = cgroup_.remove(); !gone)
        log::warn("runtime", "{}, ignoring", gone.error().to_string());
    return status;
}

void Container::discard() {
    if (!pidfd_) return;
    discard_init();
    (void)cgroup_.kill_all();
    if (const Result<void> gone = cgroup_.remove(); !gone)
        log::warn("runtime", "{}, ignoring", gone.error().to_string());
}

void Container::discard_init() {
    report_.reset();
    start_.reset();
    if (!pidfd_) return;
    (void)sys::pidfd_send_signal(pidfd_, SIGKILL);
    siginfo_t info{};
    sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED); });
    pid_ = 0;
    pidfd_.reset();
}

Error Container::explain(const ChildReport& report) const {
    const int number = report.error_number;
    const auto at = [&](const auto& list) -> std::string {
        return report.index < list.size() ? list[report.index] : std::string("?");
    };
    switch (report.stage) {
        case ChildStage::JoinCgroup:
            return Error::from_errno(number, "write(2)").doing("join the cgroups");
        case ChildStage::JoinNamespaces:
            return Error::from_errno(number, "setns(2)").doing("join the namespaces");
        case ChildStage::CloneInit:
            return Error::from_errno(number, "clone3(2)").doing("make the init process");
        case ChildStage::PrivateMounts:
            return Error::from_errno(number, "mount(2)").doing("make all mounts private");
        case ChildStage::AttachRoot:
            return Error::from_errno(number, "move_mount(2)").doing("attach the root file system");
        case ChildStage::Mount: {
            const bool known = report.index < spec_.mounts.size();
            const SpecMount mount = known ? spec_.mounts[report.index] : SpecMount();
            return Error::from_errno(number, "move_mount(2)")
                .doing("mount '{}' ({})", mount.destination, mount.type);
        }
        case ChildStage::Device:
            return Error::from_errno(number, "move_mount(2)").doing("make the devices in /dev");
        case ChildStage::DeviceLink:
            return Error::from_errno(number, "symlink(2)").doing("make the links in /dev");
        case ChildStage::Sysctl:
            return Error::from_errno(number, "write(2)")
                .doing("set sysctl '{}'",
                       report.index < sysctls_.size() ? sysctls_[report.index].first : "?");
        case ChildStage::ReadonlyPath:
            return Error::from_errno(number, "mount_setattr(2)")
                .doing("make '{}' read-only", at(spec_.readonly_paths));
        case ChildStage::MaskedPath:
            return Error::from_errno(number, "move_mount(2)")
                .doing("mask '{}'", at(spec_.masked_paths));
        case ChildStage::ReadonlyRoot:
            return Error::from_errno(number, "mount_setattr(2)").doing("make the root read-only");
        case ChildStage::PivotRoot:
            return Error::from_errno(number, "pivot_root(2)").doing("change the root");
        case ChildStage::Hostname:
            return Error::from_errno(number, "sethostname(2)")
                .doing("set the host name '{}'", spec_.hostname);
        case ChildStage::WorkingDirectory:
            return Error::from_errno(number, "chdir(2)")
                .doing("enter the working directory '{}'", spec_.cwd);
        case ChildStage::Output:
            return Error::from_errno(number, "dup2(2)").doing("connect the output");
        case ChildStage::Terminal:
            return Error::from_errno(number, "open(2)").doing("open a terminal");
        case ChildStage::Capabilities:
            return Error::from_errno(number, "capset(2)").doing("set the capabilities");
        case ChildStage::User:
            return Error::from_errno(number, "setresuid(2)")
                .doing("become user {}:{}", spec_.user.uid, spec_.user.gid);
        case ChildStage::Seccomp:
            return Error::from_errno(number, "seccomp(2)").doing("load the seccomp filter");
        case ChildStage::Exec:
            return Error::from_errno(number, "execve(2)")
                .doing("execute '{}'", spec_.args.front())
                .help(number == ENOENT ? "check that the image has this program, and its "
                                         "interpreter and libraries"
                                       : "check the program's mode and its architecture");
        case ChildStage::Created: break;
    }
    return Error(ErrorKind::Internal, "the child reports an unknown stage");
}

}  // namespace davit::runtime
