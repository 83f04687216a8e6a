#include "runtime/child.h"

#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Runs between clone and execve: only async-signal-safe calls, no allocation, no logging, no
// exceptions. Read run_joiner and run_init at the end first; the steps stand above in their order.

namespace davit::runtime {

[[noreturn]] void fail(const ChildPlan& plan, ChildStage stage, std::size_t index) {
    ChildReport report;
    report.error_number = errno;
    report.stage = stage;
    report.index = static_cast<std::uint32_t>(index);
    // Nothing is left to be done where even this write fails: the guard then sees the exit status.
    (void)!::write(plan.report_fd, &report, sizeof report);
    ::_exit(127);
}

namespace {

constexpr int kResolveAttempts = 1000;

int open_in_root(int root, const char* path, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: somewhere on the host something was renamed or mounted while ".." was followed.
    // openat2(2) asks to try again.
    for (int attempt = 0;; ++attempt) {
        const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd != -1 || errno != EAGAIN || attempt == kResolveAttempts) return static_cast<int>(fd);
    }
}

enum class TargetKind { Folder, File };

/// Makes the last part of `prefix` inside the folder that the rest of it names.
bool make_last_part(int root, const char* prefix, TargetKind kind) {
    char folder[PATH_MAX];
    const char* slash = std::strrchr(prefix, '/');
    const std::size_t length = slash == nullptr ? 0 : static_cast<std::size_t>(slash - prefix);
    std::memcpy(folder, prefix, length);
    folder[length] = '\0';
    const char* name = slash == nullptr ? prefix : slash + 1;
    const int parent = open_in_root(root, length == 0 ? "." : folder, O_PATH | O_DIRECTORY);
    if (parent == -1) return false;
    int made = -1;
    if (kind == TargetKind::Folder) {
        made = ::mkdirat(parent, name, 0755);
    } else {
        made = ::openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (made != -1) made = ::close(made);
    }
    const int saved_errno = errno;
    ::close(parent);
    errno = saved_errno;
    return made == 0;
}

/// The path that a symbolic link at `prefix` leads to, with `rest` behind it. Returns false where
/// it is none or gets too long.
bool follow_link(int root, const char* prefix, const char* rest, char* followed) {
    const int link = open_in_root(root, prefix, O_PATH | O_NOFOLLOW);
    if (link == -1) return false;
    char target[PATH_MAX];
    const ssize_t got = ::readlinkat(link, "", target, sizeof target);
    ::close(link);
    if (got <= 0) return false;
    // A relative link begins in its own folder.
    const char* slash = target[0] == '/' ? nullptr : std::strrchr(prefix, '/');
    const std::size_t folder = slash == nullptr ? 0 : static_cast<std::size_t>(slash - prefix) + 1;
    const auto length = static_cast<std::size_t>(got);
    const std::size_t tail = std::strlen(rest);
    if (folder + length + tail >= PATH_MAX) return false;
    std::memcpy(followed, prefix, folder);
    std::memcpy(followed + folder, target, length);
    std::memcpy(followed + folder + length, rest, tail + 1);
    return true;
}

/// O_PATH descriptor of `path` inside the root, which is made where it is missing. Symbolic links
/// of the image are followed as the container would follow them, never out of the root; what a link
/// leads to is made too (/etc/resolv.conf often points into /run, which no image has).
int open_target(int root, const char* path, TargetKind kind, int links = 0) {
    const int fd = open_in_root(root, path, O_PATH);
    if (fd != -1 || errno != ENOENT) return fd;
    char prefix[PATH_MAX];
    const std::size_t length = std::strlen(path);
    if (length >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return -1;
    }
    std::size_t start = 0;
    while (path[start] == '/') ++start;
    for (std::size_t end = start; end <= length; ++end) {
        if (path[end] != '/' && path[end] != '\0') continue;
        std::memcpy(prefix, path + start, end - start);
        prefix[end - start] = '\0';
        if (end == start) continue;
        const int there = open_in_root(root, prefix, O_PATH);
        if (there != -1) {
            ::close(there);
            continue;
        }
        if (errno != ENOENT) return -1;
        const TargetKind part = path[end] == '\0' ? kind : TargetKind::Folder;
        if (make_last_part(root, prefix, part)) continue;
        constexpr int kMostLinks = 8;
        char followed[PATH_MAX];
        if (errno != EEXIST || links == kMostLinks ||
            !follow_link(root, prefix, path + end, followed))
            return -1;
        return open_target(root, followed, kind, links + 1);
    }
    return open_in_root(root, path, O_PATH);
}

bool attach(int mount, int target) {
    return ::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) ==
           0;
}

bool attach_at(int mount, int root, const char* path, TargetKind kind) {
    const int target = open_target(root, path, kind);
    if (target == -1) return false;
    const bool done = attach(mount, target);
    const int saved_errno = errno;
    ::close(target);
    errno = saved_errno;
    return done;
}

/// A new instance of a file system, which belongs to the namespaces of this process.
int new_mount(const char* type, const std::vector<std::pair<std::string, std::string>>& data,
              std::uint64_t attributes) {
    const int context = ::fsopen(type, FSOPEN_CLOEXEC);
    if (context == -1) return -1;
    if (::fsconfig(context, FSCONFIG_SET_STRING, "source", type, 0) == -1) return -1;
    for (const auto& [key, value] : data) {
        const bool flag = value.empty();
        if (::fsconfig(context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key.c_str(),
                       flag ? nullptr : value.c_str(), 0) == -1)
            return -1;
    }
    if (::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1) return -1;
    return ::fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
}

void attach_mounts(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.root->mounts.size(); ++i) {
        const PreparedMount& mount = plan.root->mounts[i];
        int fd = mount.detached.get();
        if (fd == -1) fd = new_mount(mount.type.c_str(), mount.data, mount.attributes);
        const TargetKind kind = mount.target_is_file ? TargetKind::File : TargetKind::Folder;
        if (fd == -1 || !attach_at(fd, root, mount.target.c_str(), kind))
            fail(plan, ChildStage::Mount, i);
    }
}

void make_devices(const ChildPlan& plan, int root) {
    char path[PATH_MAX];
    for (std::size_t i = 0; i < plan.root->devices.size(); ++i) {
        const PreparedDevice& device = plan.root->devices[i];
        std::memcpy(path, "dev/", 4);
        std::memcpy(path + 4, device.name.c_str(), device.name.size() + 1);
        if (!attach_at(device.detached.get(), root, path, TargetKind::File))
            fail(plan, ChildStage::Device, i);
    }
    struct Link {
        const char* name;
        const char* target;
    };
    constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                               {"stdin", "/proc/self/fd/0"},
                               {"stdout", "/proc/self/fd/1"},
                               {"stderr", "/proc/self/fd/2"},
                               {"ptmx", "pts/ptmx"}};
    const int dev = open_in_root(root, "dev", O_PATH | O_DIRECTORY);
    if (dev == -1) fail(plan, ChildStage::DeviceLink);
    for (const Link& link : kLinks) {
        if (::symlinkat(link.target, dev, link.name) == -1 && errno != EEXIST)
            fail(plan, ChildStage::DeviceLink);
    }
    ::close(dev);
}

void write_sysctls(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.sysctls.size(); ++i) {
        const auto& [path, value] = plan.sysctls[i];
        const int fd = open_in_root(root, path.c_str(), O_WRONLY);
        if (fd == -1 || ::write(fd, value.data(), value.size()) == -1)
            fail(plan, ChildStage::Sysctl, i);
        ::close(fd);
    }
}

void make_paths_readonly(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.spec->readonly_paths.size(); ++i) {
        const int target = open_in_root(root, plan.spec->readonly_paths[i].c_str(), O_PATH);
        if (target == -1 && (errno == ENOENT || errno == ENOTDIR)) continue;
        if (target == -1) fail(plan, ChildStage::ReadonlyPath, i);
        const int copy = ::open_tree(target, "",
                                     static_cast<unsigned>(AT_EMPTY_PATH) | AT_RECURSIVE |
                                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        mount_attr attributes{};
        attributes.attr_set = MOUNT_ATTR_RDONLY;
        if (copy == -1 ||
            ::mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                            sizeof attributes) == -1 ||
            !attach(copy, target))
            fail(plan, ChildStage::ReadonlyPath, i);
        ::close(copy);
        ::close(target);
    }
}

/// Files get the null device laid over them, folders an empty read-only file system.
void mask_paths(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.spec->masked_paths.size(); ++i) {
        const int target = open_in_root(root, plan.spec->masked_paths[i].c_str(), O_PATH);
        if (target == -1 && (errno == ENOENT || errno == ENOTDIR)) continue;
        struct stat info {};
        if (target == -1 || ::fstat(target, &info) == -1) fail(plan, ChildStage::MaskedPath, i);
        int cover = -1;
        if (S_ISDIR(info.st_mode)) {
            const int context = ::fsopen("tmpfs", FSOPEN_CLOEXEC);
            if (context == -1 ||
                ::fsconfig(context, FSCONFIG_SET_STRING, "nr_blocks", "1", 0) == -1 ||
                ::fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) == -1 ||
                ::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1)
                fail(plan, ChildStage::MaskedPath, i);
            cover = ::fsmount(
                context, FSMOUNT_CLOEXEC,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
            ::close(context);
        } else {
            const int null_device = open_in_root(root, "dev/null", O_PATH | O_NOFOLLOW);
            if (null_device == -1 || ::fstat(null_device, &info) == -1 || !S_ISCHR(info.st_mode))
                fail(plan, ChildStage::MaskedPath, i);
            cover = ::open_tree(
                null_device, "",
                static_cast<unsigned>(AT_EMPTY_PATH) | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
            ::close(null_device);
        }
        if (cover == -1 || !attach(cover, target)) fail(plan, ChildStage::MaskedPath, i);
        ::close(cover);
        ::close(target);
    }
}

void make_root_readonly(const ChildPlan& plan, int root) {
    if (!plan.spec->root_readonly) return;
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(root, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == -1)
        fail(plan, ChildStage::ReadonlyRoot);
}

/// The container's root becomes "/", and the host's mounts are gone from this mount namespace.
void pivot(const ChildPlan& plan, int root) {
    // The old root ends up on top of the new one, where "." still names it: see pivot_root(2).
    if (::fchdir(root) == -1 || ::syscall(SYS_pivot_root, ".", ".") == -1 ||
        ::umount2(".", MNT_DETACH) == -1 || ::chdir("/") == -1)
        fail(plan, ChildStage::PivotRoot);
}

/// Whether the working folder is the one that was meant: a path that begins outside of the root
/// shows as "(unreachable)". Asked of the kernel itself, since libc's getcwd hides it.
bool working_directory_is_inside() {
    char path[PATH_MAX];
    return ::syscall(SYS_getcwd, path, sizeof path) > 0 && path[0] == '/';
}

}  // namespace

void enter_working_directory(const ChildPlan& plan) {
    // Made as Docker makes it: root's, 0755, inside the jail.
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int folder =
        root == -1 ? -1 : open_target(root, plan.spec->cwd.c_str(), TargetKind::Folder);
    if (folder == -1 || ::fchdir(folder) == -1 || !working_directory_is_inside())
        fail(plan, ChildStage::WorkingDirectory);
    ::close(folder);
    ::close(root);
}

namespace {

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

void become_user(const ChildPlan& plan) {
    const SpecUser& user = plan.spec->user;
    const SpecCapabilities& wanted = plan.spec->capabilities;
    for (int capability = 0; capability <= plan.last_capability; ++capability) {
        if (((wanted.bounding >> static_cast<unsigned>(capability)) & 1U) == 0 &&
            ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
            fail(plan, ChildStage::Capabilities);
    }
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1) fail(plan, ChildStage::Capabilities);
    if (::setgroups(user.additional_gids.size(), user.additional_gids.data()) == -1 ||
        ::setresgid(user.gid, user.gid, user.gid) == -1 ||
        ::setresuid(user.uid, user.uid, user.uid) == -1)
        fail(plan, ChildStage::User);
    ::umask(user.umask);

    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which goes right after.
    constexpr std::uint64_t kAdmin = std::uint64_t{1} << CAP_SYS_ADMIN;
    if (!set_capabilities(wanted.permitted | kAdmin, wanted.permitted | kAdmin, wanted.inheritable))
        fail(plan, ChildStage::Capabilities);
    if (plan.spec->no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        fail(plan, ChildStage::Seccomp);
    if (!plan.seccomp->empty()) {
        sock_fprog program{};
        program.len = static_cast<unsigned short>(plan.seccomp->size() / sizeof(sock_filter));
        // The kernel only reads the instructions; its interface has no const.
        program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(plan.seccomp->data()));
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
            fail(plan, ChildStage::Seccomp);
    }
    if (!set_capabilities(wanted.permitted, wanted.effective, wanted.inheritable))
        fail(plan, ChildStage::Capabilities);
    for (int capability = 0; capability <= plan.last_capability; ++capability) {
        if (((wanted.ambient >> static_cast<unsigned>(capability)) & 1U) != 0 &&
            ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == -1)
            fail(plan, ChildStage::Capabilities);
    }
}

/// Signals as a program expects them: the guard blocks some and ignores SIGPIPE, and both would
/// survive execve(2).
void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void wait_for_start(const ChildPlan& plan) {
    ChildReport created;
    created.stage = ChildStage::Created;
    if (::write(plan.report_fd, &created, sizeof created) != sizeof created) ::_exit(127);
    char word = 0;
    ssize_t got = -1;
    do {
        got = ::read(plan.start_fd, &word, 1);
    } while (got == -1 && errno == EINTR);
    if (got != 1) ::_exit(127);  // the guard is gone, and nobody will ever say the word
}

}  // namespace

[[noreturn]] void execute(const ChildPlan& plan) {
    reset_signals();
    become_user(plan);
    // Whatever was open in the guard ends at execve(2), the report pipe included.
    ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    int telling = ENOENT;
    for (const std::string& program : plan.programs) {
        ::execve(program.c_str(), plan.argv.data(), plan.environment.data());
        // A program that is there but can't be run says more than one that is missing.
        if (errno != ENOENT && errno != ENOTDIR) telling = errno;
    }
    errno = telling;
    fail(plan, ChildStage::Exec);
}

namespace {

[[noreturn]] void run_init(const ChildPlan& plan) {
    ::setsid();
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == -1)
        fail(plan, ChildStage::PrivateMounts);
    // Laid over "/": no folder of the host is needed, and none must be reachable for this user.
    const int root = plan.root->root.get();
    if (::move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == -1)
        fail(plan, ChildStage::AttachRoot);
    attach_mounts(plan, root);
    make_devices(plan, root);
    write_sysctls(plan, root);
    make_paths_readonly(plan, root);
    mask_paths(plan, root);
    make_root_readonly(plan, root);
    pivot(plan, root);
    if (!plan.spec->hostname.empty() &&
        ::sethostname(plan.spec->hostname.data(), plan.spec->hostname.size()) == -1)
        fail(plan, ChildStage::Hostname);
    if (!plan.spec->domainname.empty() &&
        ::setdomainname(plan.spec->domainname.data(), plan.spec->domainname.size()) == -1)
        fail(plan, ChildStage::Hostname);
    enter_working_directory(plan);

    wait_for_start(plan);

    if (::dup2(plan.stdin_fd, 0) == -1 || ::dup2(plan.stdout_fd, 1) == -1 ||
        ::dup2(plan.stderr_fd, 2) == -1)
        fail(plan, ChildStage::Output);
    execute(plan);
}

bool join(const UniqueFd& namespace_fd, int type) {
    return !namespace_fd || ::setns(namespace_fd.get(), type) == 0;
}

}  // namespace

void run_joiner(const ChildPlan& plan) {
    for (const UniqueFd& tasks : *plan.cgroup_tasks) {
        if (::write(tasks.get(), "0", 1) != 1) fail(plan, ChildStage::JoinCgroup);
    }
    if (!join(plan.held->user, CLONE_NEWUSER)) fail(plan, ChildStage::JoinNamespaces);
    if (plan.held->user &&
        (::setgroups(0, nullptr) == -1 || ::setresgid(0, 0, 0) == -1 || ::setresuid(0, 0, 0) == -1))
        fail(plan, ChildStage::JoinNamespaces);
    if (!join(plan.held->network, CLONE_NEWNET) || !join(plan.held->ipc, CLONE_NEWIPC) ||
        !join(plan.held->uts, CLONE_NEWUTS))
        fail(plan, ChildStage::JoinNamespaces);

    // Cloned from inside the user namespace, so that it owns the new namespaces; as a child of the
    // guard, which is to reap it. Its exit signal is this process's, SIGCHLD.
    std::uint64_t flags = CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS;
    if (plan.spec->namespaces.cgroup) flags |= CLONE_NEWCGROUP;
    const pid_t init = clone_process({.flags = flags});
    if (init == -1) fail(plan, ChildStage::CloneInit);
    if (init == 0) run_init(plan);
    if (::write(plan.init_pid_fd, &init, sizeof init) != sizeof init) ::_exit(127);
    ::_exit(0);
}

}  // namespace davit::runtime
