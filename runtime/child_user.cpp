#include "runtime/child_paths.h"
#include "runtime/child_steps.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// The last steps before execve, which a container's first program and later ones share: only
// async-signal-safe calls.

namespace davit::runtime {

int open_label(const ChildPlan& plan) {
    if (plan.label.empty()) return -1;
    // In a running container somebody may have put another file in its place. CVE-2019-16884
    const int fd = ::open(plan.label_file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct statfs system {};
    if (fd == -1 || ::fstatfs(fd, &system) == -1) fail(plan, ChildStage::Label);
    if (system.f_type != PROC_SUPER_MAGIC) {
        errno = ENXIO;
        fail(plan, ChildStage::Label);
    }
    return fd;
}

namespace {

/// Whether the working folder is the one that was meant: a path that begins outside of the root
/// shows as "(unreachable)". Asked of the kernel itself, since libc's getcwd hides it.
bool working_directory_is_inside() {
    char path[PATH_MAX];
    return ::syscall(SYS_getcwd, path, sizeof path) > 0 && path[0] == '/';
}

bool set_capabilities(std::uint64_t permitted, std::uint64_t effective, std::uint64_t inheritable) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    for (unsigned half = 0; half < 2; ++half) {
        sets[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
        sets[half].effective = static_cast<std::uint32_t>(effective >> (32 * half));
        sets[half].inheritable = static_cast<std::uint32_t>(inheritable >> (32 * half));
    }
    return ::syscall(SYS_capset, &header, sets) == 0;
}

/// Without no_new_privs this needs CAP_SYS_ADMIN.
void load_filter(const ChildPlan& plan) {
    if (plan.seccomp->empty()) return;
    sock_fprog program{};
    program.len = static_cast<unsigned short>(plan.seccomp->size() / sizeof(sock_filter));
    // The kernel only reads the instructions; its interface has no const.
    program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(plan.seccomp->data()));
    const long result =
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, plan.seccomp_flags, &program);
    if (result == -1) fail(plan, ChildStage::Seccomp);
    if ((plan.seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0) return;
    wait_at(plan, ChildStage::Listener, static_cast<int>(result));
    ::close(static_cast<int>(result));
}

/// The kernel's structure, whose header collides with the C library's. @source sched_setattr(2)
struct SchedulerAttributes {
    std::uint32_t size = sizeof(SchedulerAttributes);
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};

/// What needs powers that the program may not have.
void set_scheduling(const ChildPlan& plan) {
    if (plan.spec->io_priority) {
        constexpr int kThisProcess = 1;  // IOPRIO_WHO_PROCESS
        if (::syscall(SYS_ioprio_set, kThisProcess, 0, *plan.spec->io_priority) == -1)
            fail(plan, ChildStage::Scheduler);
    }
    if (plan.spec->scheduler) {
        const SpecScheduler& wanted = *plan.spec->scheduler;
        SchedulerAttributes attributes;
        attributes.policy = wanted.policy;
        attributes.flags = wanted.flags;
        attributes.nice = wanted.nice;
        attributes.priority = wanted.priority;
        attributes.runtime_ns = wanted.runtime_ns;
        attributes.deadline_ns = wanted.deadline_ns;
        attributes.period_ns = wanted.period_ns;
        if (::syscall(SYS_sched_setattr, 0, &attributes, 0) == -1)
            fail(plan, ChildStage::Scheduler);
    }
    if (!plan.cpus.empty() &&
        ::syscall(SYS_sched_setaffinity, 0, plan.cpus.size() * sizeof(unsigned long),
                  plan.cpus.data()) == -1)
        fail(plan, ChildStage::Scheduler);
    if (plan.spec->memory_policy) {
        const SpecMemoryPolicy& policy = *plan.spec->memory_policy;
        constexpr unsigned long kBits = sizeof(unsigned long) * 8;
        // The kernel takes one bit less than it is told. @source mm/mempolicy.c get_nodes
        const unsigned long bits = policy.nodes.empty() ? 0 : policy.nodes.size() * kBits + 1;
        if (::syscall(SYS_set_mempolicy, policy.mode, policy.nodes.data(), bits) == -1)
            fail(plan, ChildStage::Scheduler);
    }
    if (plan.spec->personality && ::personality(*plan.spec->personality) == -1)
        fail(plan, ChildStage::Scheduler);
}

}  // namespace

void enter_working_directory(const ChildPlan& plan, bool make) {
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int folder = -1;
    // Made as Docker makes it: root's, 0755, inside the jail.
    if (root != -1)
        folder = make ? open_target(root, plan.spec->cwd.c_str(), TargetKind::Folder)
                      : open_in_root(root, plan.spec->cwd.c_str(), O_PATH | O_DIRECTORY);
    if (folder == -1 || ::fchdir(folder) == -1 || !working_directory_is_inside())
        fail(plan, ChildStage::WorkingDirectory);
    ::close(folder);
    ::close(root);
}

void join_keyring(const ChildPlan& plan) {
    constexpr int kJoinSession = 1;  // KEYCTL_JOIN_SESSION_KEYRING
    if (!plan.spec->new_keyring || ::syscall(SYS_keyctl, kJoinSession, nullptr) != -1) return;
    // A kernel without keyrings, or a filter around davit: there is nothing to have a part in.
    if (errno != ENOSYS && errno != EPERM) fail(plan, ChildStage::Keyring);
}

bool set_ids(const std::vector<gid_t>& groups, uid_t uid, gid_t gid) {
    return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
           ::syscall(SYS_setresgid, gid, gid, gid) == 0 &&
           ::syscall(SYS_setresuid, uid, uid, uid) == 0;
}

void become_user(const ChildPlan& plan) {
    const SpecUser& user = plan.spec->user;
    SpecCapabilities wanted = plan.spec->capabilities;
    for (std::uint64_t* set : {&wanted.permitted, &wanted.effective, &wanted.inheritable})
        *set &= plan.available_capabilities;
    // The kernel has no others. capabilities(7)
    wanted.ambient &= wanted.permitted & wanted.inheritable;
    for (int capability = 0; capability <= plan.last_capability; ++capability) {
        if (((wanted.bounding >> static_cast<unsigned>(capability)) & 1U) == 0 &&
            ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
            fail(plan, ChildStage::Capabilities);
    }
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1) fail(plan, ChildStage::Capabilities);
    if (!set_ids(user.additional_gids, user.uid, user.gid)) fail(plan, ChildStage::User);
    ::umask(user.umask);

    if (!plan.spec->no_new_privileges && !plan.seccomp->empty()) {
        // Without no_new_privs a filter needs CAP_SYS_ADMIN, which goes right after.
        constexpr std::uint64_t kAdmin = std::uint64_t{1} << CAP_SYS_ADMIN;
        if (!set_capabilities(wanted.permitted | kAdmin, wanted.permitted | kAdmin,
                              wanted.inheritable))
            fail(plan, ChildStage::Capabilities);
        load_filter(plan);
    }
    if (!set_capabilities(wanted.permitted, wanted.effective, wanted.inheritable))
        fail(plan, ChildStage::Capabilities);
    for (int capability = 0; capability <= plan.last_capability; ++capability) {
        if (((wanted.ambient >> static_cast<unsigned>(capability)) & 1U) != 0 &&
            ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == -1)
            fail(plan, ChildStage::Capabilities);
    }
    if (!plan.spec->no_new_privileges) return;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) fail(plan, ChildStage::Seccomp);
    load_filter(plan);
}

void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void execute(const ChildPlan& plan, int label_fd) {
    reset_signals();
    set_scheduling(plan);
    if (label_fd != -1 && ::write(label_fd, plan.label.data(), plan.label.size()) !=
                              static_cast<ssize_t>(plan.label.size()))
        fail(plan, ChildStage::Label);
    // Whatever was open in the guard ends at execve(2), the report pipe included. Before the
    // filter, which may not know the call.
    constexpr unsigned kOnExec = 4;  // CLOSE_RANGE_CLOEXEC
    if (::syscall(SYS_close_range, 3U + plan.preserved_fds, ~0U, kOnExec) == -1)
        fail(plan, ChildStage::Output);
    become_user(plan);
    int telling = ENOENT;
    for (const std::string& program : plan.programs) {
        ::execve(program.c_str(), plan.argv.data(), plan.environment.data());
        // A program that is there but can't be run says more than one that is missing.
        if (errno != ENOENT && errno != ENOTDIR) telling = errno;
    }
    errno = telling;
    fail(plan, ChildStage::Exec);
}

}  // namespace davit::runtime
