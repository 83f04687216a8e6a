#include "runtime/container.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/clone.h"
#include "runtime/exit_status.h"
#include "runtime/hooks.h"
#include "runtime/labels.h"
#include "runtime/program.h"
#include "runtime/seccomp_listener.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

Result<UniqueFd> state_file(const Spec& spec) {
    if (spec.hooks.create_container.empty() && spec.hooks.start_container.empty())
        return UniqueFd();
    UniqueFd file(::memfd_create("state", MFD_CLOEXEC));
    if (!file) return Error::from_errno(errno, "memfd_create(2)");
    return file;
}

/// Without CAP_SYS_RESOURCE no limit grows beyond what this process has itself: then that much,
/// and a word about it. False with errno where even that fails.
bool lower_limit(pid_t pid, const SpecRlimit& wanted) {
    const auto resource = static_cast<__rlimit_resource>(wanted.resource);
    rlimit64 most{};
    if (::prlimit64(pid, resource, nullptr, &most) == -1) return false;
    const rlimit64 value{std::min<rlim64_t>(wanted.soft, most.rlim_max),
                         std::min<rlim64_t>(wanted.hard, most.rlim_max)};
    if (::prlimit64(pid, resource, &value, nullptr) == -1) return false;
    log::warn("runtime", "rlimit {} is {} and not {}, since davit has no CAP_SYS_RESOURCE",
              wanted.resource, value.rlim_max, wanted.hard);
    return true;
}

bool has_creation_hooks(const SpecHooks& hooks) {
    return !hooks.prestart.empty() || !hooks.create_runtime.empty() ||
           !hooks.create_container.empty();
}

}  // namespace

Result<Channels> Channels::pipes() {
    int report_ends[2];
    int start_ends[2];
    Channels channels;
    if (::pipe2(report_ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    channels.report.reset(report_ends[0]);
    channels.child_report.reset(report_ends[1]);
    if (::pipe2(start_ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    channels.child_start.reset(start_ends[0]);
    channels.start.reset(start_ends[1]);
    return channels;
}

Result<Container> Container::prepared(Spec spec, const std::string& cache_dir) {
    Container container(std::move(spec));
    const Spec& wanted = container.spec_;
    if (wanted.cgroups_path.empty())
        return Error(ErrorKind::InvalidInput, "cgroupsPath is missing");
    TRY(check_labels(wanted));
    container.sysctls_ = TRY(container_sysctls(wanted));
    container.programs_ = program_candidates(wanted);
    if (wanted.seccomp) container.seccomp_ = TRY(cached_seccomp(*wanted.seccomp, cache_dir));
    return container;
}

Result<Container> Container::open(Spec spec, const std::string& cache_dir) {
    Container container = TRY(prepared(std::move(spec), cache_dir));
    container.held_ = TRY(create_held_namespaces(container.spec_));
    return container;
}

Result<Container> Container::adopt(Spec spec, const std::string& cache_dir, pid_t pid,
                                   unsigned long long started) {
    Container container = TRY(prepared(std::move(spec), cache_dir));
    container.pidfd_ = TRY(sys::open_process(pid, started));
    container.pid_ = pid;
    container.held_ = TRY(held_namespaces_of(pid, container.spec_));
    container.cgroup_ = TRY(Cgroup::running(container.spec_.cgroups_path));
    // Only now: had it ended meanwhile, these might be another process's.
    if (TRY(sys::wait_for_exit(container.pidfd_, 0)))
        return Error(ErrorKind::NotFound, "the container's init process has ended");
    return container;
}

Result<void> Container::create(const Streams& streams, Channels channels) {
    if (spec_.terminal != (streams.terminal_socket != -1))
        return Error(ErrorKind::InvalidInput, spec_.terminal
                                                  ? "process.terminal needs a console socket"
                                                  : "a console socket needs process.terminal");
    if (!channels.report) channels = TRY(Channels::pipes());
    cgroup_ = TRY(Cgroup::create(spec_.cgroups_path, spec_.resources, streams.cgroup_holder));
    ScopeGuard undo([&] {
        discard_init();
        // One whose number was never told, since the joiner was killed, is found by its cgroup.
        (void)cgroup_.kill_all();
        if (const Result<void> gone = cgroup_.remove(); !gone)
            log::warn("runtime", "{}, ignoring", gone.error().to_string());
    });
    FAILPOINT("container.clone");
    TRY(clone_init(streams, channels));
    if (has_creation_hooks(spec_.hooks)) {
        TRY(await(ChildStage::Prepared));
        TRY(run_creation_hooks());
    }
    TRY(await(ChildStage::Created));
    FAILPOINT("container.limits");
    TRY(set_limits());
    TRY(tell_state("created"));
    undo.commit();
    return {};
}

ChildPlan Container::plan_of(const Streams& streams, const Channels& channels) const {
    ChildPlan plan;
    plan.spec = &spec_;
    plan.held = &held_;
    plan.cgroup_tasks = &cgroup_.tasks();
    plan.seccomp = &seccomp_;
    plan.seccomp_flags = spec_.seccomp ? seccomp_flags(*spec_.seccomp) : 0;
    plan.sysctls = sysctls_;
    plan.programs = programs_;
    plan.argv = exec_pointers(spec_.args);
    plan.environment = exec_pointers(spec_.env);
    for (const auto& [clock, offset] : spec_.time_offsets)
        plan.time_offsets += fmt::format("{} {}\n", clock, offset);
    set_label(spec_, plan);
    plan.container_hooks = child_hooks(spec_.hooks.create_container);
    plan.start_hooks = child_hooks(spec_.hooks.start_container);
    plan.wait_before_pivot = has_creation_hooks(spec_.hooks);
    plan.state_fd = state_.get();
    plan.report_fd = channels.child_report.get();
    plan.start_fd = channels.child_start.get();
    plan.stdin_fd = streams.in;
    plan.stdout_fd = streams.out;
    plan.stderr_fd = streams.err;
    plan.last_capability = last_capability();
    plan.available_capabilities = available_capabilities(spec_);
    plan.preserved_fds = streams.preserved;
    plan.terminal_socket = streams.terminal_socket;
    return plan;
}

Result<void> Container::clone_init(const Streams& streams, Channels& channels) {
    const PreparedRoot root = TRY(prepare_root(spec_, held_.user, cgroup_));
    state_ = TRY(state_file(spec_));
    ChildPlan plan = plan_of(streams, channels);
    plan.root = &root;
    plan.early_mounts.assign(root.mounts.size(), -1);
    int pid_ends[2];
    if (::pipe2(pid_ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    const UniqueFd pid_read(pid_ends[0]);
    UniqueFd pid_write(pid_ends[1]);
    plan.init_pid_fd = pid_write.get();

    CloneCall call{.exit_signal = SIGCHLD};
    if (cgroup_.unified()) {
        call.flags = CLONE_INTO_CGROUP;
        call.cgroup_fd = cgroup_.unified().get();
    }
    const pid_t joiner = clone_process(call);
    if (joiner == -1) return Error::from_errno(errno, "clone3(2)").doing("start the container");
    if (joiner == 0) {
        // The ends that the child must not hold: the guard's death has to close them.
        ::close(channels.start.get());
        ::close(channels.report.get());
        run_joiner(plan);
    }
    pid_write.reset();
    channels.child_report.reset();
    channels.child_start.reset();
    report_ = std::move(channels.report);
    start_ = std::move(channels.start);

    pid_t init = 0;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(pid_read.get(), &init, sizeof init); });
    sys::retry_on_eintr([&] { return ::waitpid(joiner, nullptr, 0); });
    if (got != sizeof init) {
        ChildReport report;
        if (::read(report_.get(), &report, sizeof report) == sizeof report)
            return explain(report, spec_);
        return Error(ErrorKind::Internal, "the container's first process ended without a word");
    }
    (void)failpoint::hit("container.cloned");
    pid_ = init;  // our child, not reaped yet: the number is its own
    pidfd_ = TRY(sys::pidfd_open(init));
    return tell_state("creating");
}

Result<void> Container::tell_state(const char* status) const {
    if (!state_) return {};
    const std::string text = state_json(spec_, status, pid_).dump();
    if (::ftruncate(state_.get(), 0) == -1 ||
        ::pwrite(state_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return Error::from_errno(errno, "pwrite(2)");
    return {};
}

Result<void> Container::set_limits() const {
    for (const SpecRlimit& limit : spec_.rlimits) {
        const rlimit64 value{limit.soft, limit.hard};
        const auto resource = static_cast<__rlimit_resource>(limit.resource);
        if (::prlimit64(pid_, resource, &value, nullptr) == 0) continue;
        if (errno != EPERM || !lower_limit(pid_, limit))
            return Error::from_errno(errno, "prlimit(2)").doing("set rlimit {}", limit.resource);
    }
    if (spec_.oom_score_adj)
        TRY(write_control_file(fmt::format("/proc/{}/oom_score_adj", pid_),
                               fmt::format("{}", *spec_.oom_score_adj)));
    return {};
}

Result<void> Container::run_creation_hooks() {
    const Json state = state_json(spec_, "creating", pid_);
    TRY(run_hooks(spec_.hooks.prestart, state, "prestart"));
    TRY(run_hooks(spec_.hooks.create_runtime, state, "createRuntime"));
    if (::write(start_.get(), "p", 1) != 1) return Error::from_errno(errno, "write(2)");
    return {};
}

Result<void> Container::await(ChildStage stage) {
    ChildReport report;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(report_.get(), &report, sizeof report); });
    if (got != sizeof report)
        return Error(ErrorKind::Internal, "the container's init process ended without a word");
    if (report.stage != stage) return explain(report, spec_);
    return {};
}

Result<void> Container::start() {
    FAILPOINT("container.start");
    if (::write(start_.get(), "s", 1) != 1) return Error::from_errno(errno, "write(2)");
    const std::optional<ChildReport> failed = TRY(
        hear_until_executed(report_, start_, {&spec_, pid_, state_json(spec_, "creating", pid_)}));
    start_.reset();
    report_.reset();
    if (failed) return explain(*failed, spec_);
    return run_hooks(spec_.hooks.poststart, state_json(spec_, "running", pid_), "poststart");
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
    ExitStatus status;
    // An adopted one is another process's child, which may have collected it without a word.
    if (const Result<int> ended = wait_status(pidfd_, pid_))
        status.code = WIFEXITED(*ended) ? WEXITSTATUS(*ended) : 128 + WTERMSIG(*ended);
    else if (ended.error().kind() == ErrorKind::NotFound)
        status.code = -1;
    else
        return ended.error();
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

}  // namespace davit::runtime
