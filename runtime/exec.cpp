#include "runtime/exec.h"

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/sys.h"
#include "base/unique_fd.h"
#include "runtime/cgroup.h"
#include "runtime/child.h"
#include "runtime/clone.h"
#include "runtime/exec_terminal.h"
#include "runtime/foreground.h"
#include "runtime/hooks.h"
#include "runtime/labels.h"
#include "runtime/oci_commands.h"
#include "runtime/own_program.h"
#include "runtime/program.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_listener.h"
#include "runtime/spec.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <optional>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// The container's configuration with this program's process in it.
Result<Spec> spec_of(const ExecOptions& options) {
    Json config = TRY(read_json(options.bundle + "/config.json"));
    Json process =
        options.process_object ? *options.process_object : TRY(read_json(options.process));
    process["terminal"] = false;  // of the container's own program; ours is made here
    config["process"] = std::move(process);
    return parse_spec(config);
}

std::uint64_t own_namespaces(const SpecNamespaces& spaces) {
    std::uint64_t flags = 0;
    if (spaces.user) flags |= CLONE_NEWUSER;
    if (spaces.mount) flags |= CLONE_NEWNS;
    if (spaces.pid) flags |= CLONE_NEWPID;
    if (spaces.network) flags |= CLONE_NEWNET;
    if (spaces.ipc) flags |= CLONE_NEWIPC;
    if (spaces.uts) flags |= CLONE_NEWUTS;
    if (spaces.cgroup) flags |= CLONE_NEWCGROUP;
    if (spaces.time) flags |= CLONE_NEWTIME;
    return flags;
}

/// The init process, which must be the one that lives in the container's cgroup: a number may have
/// been given to another process meanwhile.
Result<UniqueFd> open_target(const ExecOptions& options, const Spec& spec) {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, options.pid, 0)));
    const Result<std::string> groups = read_file(fmt::format("/proc/{}/cgroup", options.pid));
    if (!pidfd || !groups ||
        (groups->find(spec.cgroups_path + "\n") == std::string::npos &&
         groups->find(spec.cgroups_path + "/") == std::string::npos))
        return Error(ErrorKind::NotFound, "the container does not run")
            .help("start it with 'davit up -d'");
    return pidfd;
}

/// Status of a program that could not be run, and why.
int tell(const ChildReport& report, const Spec& spec) {
    std::string what = "join the container";
    if (report.stage == ChildStage::Exec)
        what = fmt::format("execute '{}'", spec.args.front());
    else if (report.stage == ChildStage::WorkingDirectory)
        what = fmt::format("enter the working directory '{}'", spec.cwd);
    else if (report.stage == ChildStage::User)
        what = fmt::format("become user {}:{}, which the container's user namespace may not have",
                           spec.user.uid, spec.user.gid);
    else if (report.stage == ChildStage::Terminal)
        what = "open a terminal in the container";
    const Error error = Error::from_errno(report.error_number, "exec").doing("{}", what);
    const std::string text = "error: " + error.to_string() + "\n";
    (void)!::write(STDERR_FILENO, text.data(), text.size());
    constexpr int kNotFound = 127;
    constexpr int kNotExecutable = 126;
    const bool missing = report.error_number == ENOENT || report.error_number == ENOTDIR;
    const bool a_path =
        report.stage == ChildStage::Exec || report.stage == ChildStage::WorkingDirectory;
    return a_path && missing ? kNotFound : kNotExecutable;
}

/// The limits that the container's own program has, where the new one names none.
void add_limits(pid_t pid, std::vector<SpecRlimit>& limits) {
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        const bool named = std::any_of(limits.begin(), limits.end(), [&](const SpecRlimit& limit) {
            return limit.resource == resource;
        });
        rlimit64 now{};
        if (!named &&
            ::prlimit64(pid, static_cast<__rlimit_resource>(resource), nullptr, &now) == 0)
            limits.push_back({resource, now.rlim_cur, now.rlim_max});
    }
}

class Execution {
public:
    Execution(const ExecOptions& options, Spec spec) : options_(options), spec_(std::move(spec)) {}

    Result<int> run();

private:
    Result<void> launch();
    int reap() const;

    const ExecOptions& options_;
    Spec spec_;
    SeccompProgram seccomp_;
    pid_t pid_ = 0;
    UniqueFd report_;
    UniqueFd start_;
    UniqueFd terminal_;         ///< The master, where there is one.
    UniqueFd terminal_socket_;  ///< Where it comes from.
};

Result<void> Execution::launch() {
    const UniqueFd target = TRY(open_target(options_, spec_));
    const Cgroup cgroup =
        TRY(options_.part.empty() ? Cgroup::running(spec_.cgroups_path)
                                  : Cgroup::running_part(spec_.cgroups_path, options_.part));
    int pid_ends[2];
    int report_ends[2];
    int start_ends[2];
    if (::pipe2(pid_ends, O_CLOEXEC) == -1 || ::pipe2(report_ends, O_CLOEXEC) == -1 ||
        ::pipe2(start_ends, O_CLOEXEC) == -1)
        return Error::from_errno(errno, "pipe2(2)");
    const UniqueFd pid_read(pid_ends[0]);
    UniqueFd pid_write(pid_ends[1]);
    report_.reset(report_ends[0]);
    UniqueFd report_write(report_ends[1]);
    const UniqueFd start_read(start_ends[0]);
    start_.reset(start_ends[1]);
    add_limits(options_.pid, spec_.rlimits);
    UniqueFd child_socket;
    const bool own_terminal = options_.terminal && options_.console_socket == -1;
    if (own_terminal) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
            return Error::from_errno(errno, "socketpair(2)");
        terminal_socket_.reset(ends[0]);
        child_socket.reset(ends[1]);
    }
    const UniqueFd null = TRY(sys::open("/dev/null", O_RDWR));
    ChildPlan plan;
    plan.spec = &spec_;
    plan.cgroup_tasks = &cgroup.tasks();
    plan.seccomp = &seccomp_;
    plan.programs = program_candidates(spec_);
    plan.argv = exec_pointers(spec_.args);
    plan.environment = exec_pointers(spec_.env);
    plan.init_pid_fd = pid_write.get();
    plan.report_fd = report_write.get();
    plan.start_fd = start_read.get();
    plan.stdin_fd = options_.detach ? null.get() : STDIN_FILENO;
    plan.stdout_fd = options_.detach ? null.get() : STDOUT_FILENO;
    plan.stderr_fd = options_.detach ? null.get() : STDERR_FILENO;
    plan.last_capability = last_capability();
    plan.available_capabilities = available_capabilities(spec_);
    plan.seccomp_flags = spec_.seccomp ? seccomp_flags(*spec_.seccomp) : 0;
    plan.cpus = TRY(number_mask(spec_.exec_cpus));
    plan.cpus_before = TRY(number_mask(spec_.exec_cpus_before));
    set_label(spec_, plan);
    plan.target_pidfd = target.get();
    plan.join_flags = own_namespaces(spec_.namespaces);
    plan.detach = options_.detach;
    plan.terminal_socket = child_socket ? child_socket.get() : options_.console_socket;
    plan.preserved_fds = options_.preserved;
    if (const auto score = read_file(fmt::format("/proc/{}/oom_score_adj", options_.pid)); score)
        plan.oom_score = trim(*score);

    CloneCall call{.exit_signal = SIGCHLD};
    if (cgroup.unified()) {
        call.flags = CLONE_INTO_CGROUP;
        call.cgroup_fd = cgroup.unified().get();
    }
    const pid_t joiner = clone_process(call);
    if (joiner == -1) return Error::from_errno(errno, "clone3(2)").doing("join the container");
    if (joiner == 0) {
        // The ends that the child must not hold: our death has to close them.
        ::close(start_.get());
        ::close(report_.get());
        run_exec_joiner(plan);
    }
    pid_write.reset();
    report_write.reset();
    pid_t program = 0;
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::read(pid_read.get(), &program, sizeof program); });
    sys::retry_on_eintr([&] { return ::waitpid(joiner, nullptr, 0); });
    if (got == sizeof program) pid_ = program;
    return {};
}

int Execution::reap() const {
    int status = 0;
    if (sys::retry_on_eintr([&] { return ::waitpid(pid_, &status, 0); }) != pid_) return 126;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<int> Execution::run() {
    if (spec_.seccomp && !options_.privileged) seccomp_ = TRY(compile_seccomp(*spec_.seccomp));
    TRY(launch());
    if (terminal_socket_ && pid_ != 0) {
        if (Result<UniqueFd> received = receive_terminal(terminal_socket_); received)
            terminal_ = *std::move(received);
    }
    const Result<std::optional<ChildReport>> failed = hear_until_executed(
        report_, start_, {&spec_, pid_, state_json(spec_, "running", options_.pid)});
    if (!failed) {
        if (pid_ != 0) {
            ::kill(pid_, SIGKILL);
            (void)reap();
        }
        return failed.error();
    }
    if (*failed) {
        if (pid_ != 0) (void)reap();
        return tell(**failed, spec_);
    }
    if (pid_ == 0)
        return Error(ErrorKind::System, "the program was ended before it began")
            .help("see whether its container has ended: davit ps -a");
    TRY(write_pid_file(options_.pid_file, pid_));
    if (options_.leave) return 0;
    if (options_.detach) return reap();  // of the one between, which has ended already
    const UniqueFd ended = TRY(sys::pidfd_open(pid_));
    TRY(attend(pid_, ended, terminal_));
    return reap();
}

}  // namespace

Result<int> exec_in_container(const ExecOptions& options) {
    Spec spec = TRY(spec_of(options));
    if (options.may_reexecute && !spec.namespaces.user) TRY(execute_read_only());
    return Execution(options, std::move(spec)).run();
}

}  // namespace davit::runtime
