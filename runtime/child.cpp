#include "runtime/child.h"

#include "base/failpoint.h"
#include "runtime/child_paths.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Runs between clone and execve: only async-signal-safe calls, no allocation, no logging, no
// exceptions. Read run_joiner and run_init at the end first; the steps are in child_*.cpp.

namespace davit::runtime {

[[noreturn]] void fail(const ChildPlan& plan, ChildStage stage, std::size_t index, int detail) {
    ChildReport report;
    report.error_number = errno;
    report.stage = stage;
    report.index = static_cast<std::uint32_t>(index);
    report.detail = detail;
    // Nothing is left to be done where even this write fails: the guard then sees the exit status.
    (void)!::write(plan.report_fd, &report, sizeof report);
    ::_exit(127);
}

void wait_at(const ChildPlan& plan, ChildStage stage, int detail) {
    ChildReport report;
    report.stage = stage;
    report.detail = detail;
    if (::write(plan.report_fd, &report, sizeof report) != sizeof report) ::_exit(127);
    char word = 0;
    ssize_t got = -1;
    do {
        got = ::read(plan.start_fd, &word, 1);
    } while (got == -1 && errno == EINTR);
    if (got != 1) ::_exit(127);  // the guard is gone, and nobody will ever say the word
}

namespace {

/// By the joiner: a uts namespace that is joined may belong to another user namespace.
void set_names(const ChildPlan& plan) {
    const std::string& host = plan.spec->hostname;
    const std::string& domain = plan.spec->domainname;
    if (!host.empty() && ::sethostname(host.data(), host.size()) == -1)
        fail(plan, ChildStage::Hostname);
    if (!domain.empty() && ::setdomainname(domain.data(), domain.size()) == -1)
        fail(plan, ChildStage::Hostname);
}

void connect_streams(const ChildPlan& plan, int terminal) {
    if (terminal != -1)
        use_terminal(plan, terminal);
    else if (::dup2(plan.stdin_fd, 0) == -1 || ::dup2(plan.stdout_fd, 1) == -1 ||
             ::dup2(plan.stderr_fd, 2) == -1)
        fail(plan, ChildStage::Output);
}

[[noreturn]] void run_init(ChildPlan& plan) {
    // Where the joiner is killed before it has told our number, the guard must see the pipe's end.
    ::close(plan.init_pid_fd);
    ::setsid();
    join_keyring(plan);
    ::umask(0022);
    const int label_fd = open_label(plan);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == -1)
        fail(plan, ChildStage::PrivateMounts);
    make_copies(plan);
    // Laid over "/": no folder of the host is needed, and none must be reachable for this user.
    const int root = plan.root->root.get();
    if (::move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == -1)
        fail(plan, ChildStage::AttachRoot);
    if ((errno = failpoint::hit("child.root")) != 0) fail(plan, ChildStage::AttachRoot);
    attach_mounts(plan, root);
    make_devices(plan, root);
    int terminal = -1;
    if (plan.spec->terminal) {
        terminal = open_terminal(plan, root);
        bind_console(plan, root, terminal);
    }
    write_sysctls(plan, root);
    make_paths_readonly(plan, root);
    mask_paths(plan, root);
    make_root_readonly(plan, root);
    if (plan.wait_before_pivot) wait_at(plan, ChildStage::Prepared);
    run_hooks(plan, plan.container_hooks, ChildStage::ContainerHook);
    pivot(plan, root);
    enter_working_directory(plan, true);

    wait_at(plan, ChildStage::Created);

    run_hooks(plan, plan.start_hooks, ChildStage::StartHook);
    connect_streams(plan, terminal);
    if ((errno = failpoint::hit("child.execute")) != 0) fail(plan, ChildStage::Output);
    execute(plan, label_fd);
}

bool join(const UniqueFd& namespace_fd, int type) {
    return !namespace_fd || ::setns(namespace_fd.get(), type) == 0;
}

/// A time namespace for the init process, with its clocks set before anybody lives in it.
void make_time_namespace(const ChildPlan& plan) {
    if (!plan.spec->namespaces.time || plan.held->time) return;
    // Opened by its owner: who has entered a user namespace may not.
    const int offsets = ::open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (offsets == -1 || ::unshare(CLONE_NEWTIME) == -1) fail(plan, ChildStage::TimeNamespace);
    const std::string& text = plan.time_offsets;
    if (!text.empty() &&
        ::write(offsets, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        fail(plan, ChildStage::TimeNamespace);
    ::close(offsets);
}

}  // namespace

void run_joiner(ChildPlan& plan) {
    if ((errno = failpoint::hit("child.join")) != 0) fail(plan, ChildStage::JoinCgroup);
    for (const UniqueFd& tasks : *plan.cgroup_tasks) {
        if (::write(tasks.get(), "0", 1) != 1) fail(plan, ChildStage::JoinCgroup);
    }
    // The user namespace comes last: what is joined may belong to another one.
    if (!join(plan.held->network, CLONE_NEWNET) || !join(plan.held->ipc, CLONE_NEWIPC) ||
        !join(plan.held->uts, CLONE_NEWUTS) || !join(plan.held->cgroup, CLONE_NEWCGROUP) ||
        !join(plan.held->time, CLONE_NEWTIME) || !join(plan.held->pid, CLONE_NEWPID))
        fail(plan, ChildStage::JoinNamespaces);
    set_names(plan);
    make_time_namespace(plan);
    mount_early(plan);
    if (!join(plan.held->mount, CLONE_NEWNS) || !join(plan.held->user, CLONE_NEWUSER))
        fail(plan, ChildStage::JoinNamespaces);
    if (plan.held->user && !set_ids({}, 0, 0)) fail(plan, ChildStage::JoinNamespaces);

    // Cloned from inside the user namespace, so that it owns the new namespaces; as a child of the
    // guard, which is to reap it. Its exit signal is this process's, SIGCHLD.
    std::uint64_t flags = CLONE_PARENT;
    if (!plan.held->mount) flags |= CLONE_NEWNS;
    if (plan.spec->namespaces.pid && !plan.held->pid) flags |= CLONE_NEWPID;
    if (plan.spec->namespaces.cgroup && !plan.held->cgroup) flags |= CLONE_NEWCGROUP;
    const pid_t init = clone_process({.flags = flags});
    if (init == -1) fail(plan, ChildStage::CloneInit);
    if (init == 0) run_init(plan);
    if (::write(plan.init_pid_fd, &init, sizeof init) != sizeof init) ::_exit(127);
    ::_exit(0);
}

}  // namespace davit::runtime
