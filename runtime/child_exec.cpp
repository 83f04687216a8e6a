#include "runtime/child.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// A further program in a running container. Runs between clone and execve, as child.cpp does: only
// async-signal-safe calls. Read run_exec_joiner at the end first.
namespace davit::runtime {
namespace {

/// Puts the program below the container's own process 1. Below a parent outside, which will be
/// gone, it would end up with the host's process 1; and where that one doesn't collect it, the
/// container could never end: a pid namespace waits until all in it are collected.
/// pid_namespaces(7)
void leave_parent(const ChildPlan& plan) {
    const pid_t program = clone_process({.exit_signal = SIGCHLD});
    if (program == -1) fail(plan, ChildStage::CloneInit);
    if (program != 0) ::_exit(0);
}

int open_terminal_of_container(const ChildPlan& plan) {
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root == -1) fail(plan, ChildStage::Terminal);
    const int terminal = open_terminal(plan, root);
    ::close(root);
    return terminal;
}

/// Raises limits to the container's while this process may: inside of a user namespace nobody does.
/// Without CAP_SYS_RESOURCE they stay, as they did for the container's own program.
void raise_limits(const ChildPlan& plan) {
    for (const SpecRlimit& limit : plan.spec->rlimits) {
        const auto resource = static_cast<__rlimit_resource>(limit.resource);
        rlimit64 value{};
        if (::prlimit64(0, resource, nullptr, &value) == -1) fail(plan, ChildStage::Limits);
        if (value.rlim_max >= limit.hard) continue;
        value.rlim_max = limit.hard;
        if (::prlimit64(0, resource, &value, nullptr) == -1 && errno != EPERM)
            fail(plan, ChildStage::Limits);
    }
}

/// The container's limits, when nothing is opened any more that a low one would forbid.
void set_limits(const ChildPlan& plan) {
    for (const SpecRlimit& limit : plan.spec->rlimits) {
        const auto resource = static_cast<__rlimit_resource>(limit.resource);
        rlimit64 most{};
        if (::prlimit64(0, resource, nullptr, &most) == -1) fail(plan, ChildStage::Limits);
        const rlimit64 value{limit.soft < most.rlim_max ? limit.soft : most.rlim_max,
                             limit.hard < most.rlim_max ? limit.hard : most.rlim_max};
        if (::prlimit64(0, resource, &value, nullptr) == -1) fail(plan, ChildStage::Limits);
    }
}

/// A guard's own score protects it; what it starts counts as the container does. To lower one's own
/// score needs CAP_SYS_RESOURCE: without it the caller's stays, which protects less and not more.
void set_oom_score(const ChildPlan& plan) {
    if (plan.oom_score.empty()) return;
    const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd == -1) fail(plan, ChildStage::Limits);
    if (::write(fd, plan.oom_score.data(), plan.oom_score.size()) == -1 && errno != EACCES)
        fail(plan, ChildStage::Limits);
    ::close(fd);
}

[[noreturn]] void run_exec_program(const ChildPlan& plan) {
    ::close(plan.init_pid_fd);  // see run_init
    if (plan.detach) leave_parent(plan);
    if (::setsid() == -1) fail(plan, ChildStage::Output);
    join_keyring(plan);
    if (plan.terminal_socket != -1)
        use_terminal(plan, open_terminal_of_container(plan));
    else if (::dup2(plan.stdin_fd, 0) == -1 || ::dup2(plan.stdout_fd, 1) == -1 ||
             ::dup2(plan.stderr_fd, 2) == -1)
        fail(plan, ChildStage::Output);
    enter_working_directory(plan, false);
    const int label_fd = open_label(plan);
    set_limits(plan);
    execute(plan, label_fd);
}

}  // namespace

void run_exec_joiner(const ChildPlan& plan) {
    const std::vector<unsigned long>& cpus = plan.cpus_before;
    if (!cpus.empty() &&
        ::syscall(SYS_sched_setaffinity, 0, cpus.size() * sizeof(unsigned long), cpus.data()) == -1)
        fail(plan, ChildStage::Scheduler);
    raise_limits(plan);
    set_oom_score(plan);
    for (const UniqueFd& tasks : *plan.cgroup_tasks) {
        if (::write(tasks.get(), "0", 1) != 1) fail(plan, ChildStage::JoinCgroup);
    }
    // Nobody in there may look into this process while it still is of the host. CVE-2016-9962
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
        ::setns(plan.target_pidfd, static_cast<int>(plan.join_flags)) == -1)
        fail(plan, ChildStage::JoinNamespaces);
    if ((plan.join_flags & CLONE_NEWUSER) != 0 && !set_ids({}, 0, 0))
        fail(plan, ChildStage::JoinNamespaces);
    const pid_t program = clone_process({.flags = CLONE_PARENT});
    if (program == -1) fail(plan, ChildStage::CloneInit);
    if (program == 0) run_exec_program(plan);
    if (::write(plan.init_pid_fd, &program, sizeof program) != sizeof program) ::_exit(127);
    ::_exit(0);
}

}  // namespace davit::runtime
