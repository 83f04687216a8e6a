#include "runtime/child_paths.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

// The container's file system, between clone and execve: only async-signal-safe calls.

namespace davit::runtime {
namespace {

/// A new instance of a file system, which belongs to the namespaces of this process.
int new_mount(const char* type, const std::vector<std::pair<std::string, std::string>>& data,
              std::uint64_t attributes) {
    const int context = ::fsopen(type, FSOPEN_CLOEXEC);
    if (context == -1) return -1;
    for (const auto& [key, value] : data) {
        const bool flag = value.empty();
        if (::fsconfig(context, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key.c_str(),
                       flag ? nullptr : value.c_str(), 0) == -1)
            return -1;
    }
    if (::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1) return -1;
    return ::fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
}

int make_new(const PreparedMount& mount) {
    return new_mount(mount.type.c_str(), mount.data, mount.attributes);
}

/// /proc of a pid namespace that this process's children have, but it itself has not: only a child
/// can mount it. It shares our descriptors, and its exit status is the number of the new one.
int mount_proc_of_children(const PreparedMount& mount) {
    constexpr int kFailed = 255;
    const pid_t child = clone_process({.flags = CLONE_FILES, .exit_signal = SIGCHLD});
    if (child == -1) return -1;
    if (child == 0) {
        const int fd = make_new(mount);
        ::_exit(fd >= 0 && fd < kFailed ? fd : kFailed);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != kFailed) return WEXITSTATUS(status);
    errno = EPERM;
    return -1;
}

bool set_propagation(int mount, std::uint64_t propagation) {
    if (propagation == 0) return true;
    mount_attr attributes{};
    attributes.propagation = propagation;
    return ::mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0;
}

/// The descriptor of /proc inside the root, which must be a whole procfs and no other file system
/// that an image or a mount has put there. CVE-2019-16884, CVE-2025-52881
int open_proc(int root) {
    const int proc = open_in_root(root, "proc", O_PATH | O_DIRECTORY);
    struct statfs info {};
    struct stat self {};
    constexpr ino_t kRootInode = 1;
    if (proc == -1) return -1;
    if (::fstatfs(proc, &info) == 0 && info.f_type == PROC_SUPER_MAGIC &&
        ::fstat(proc, &self) == 0 && self.st_ino == kRootInode)
        return proc;
    ::close(proc);
    errno = ENXIO;
    return -1;
}

}  // namespace

void mount_early(ChildPlan& plan) {
    for (std::size_t i = 0; i < plan.root->mounts.size(); ++i) {
        const PreparedMount& mount = plan.root->mounts[i];
        if (mount.by != MountedBy::Joiner) continue;
        const bool of_children = mount.type == "proc" && plan.held->pid;
        plan.early_mounts[i] = of_children ? mount_proc_of_children(mount) : make_new(mount);
        if (plan.early_mounts[i] == -1) fail(plan, ChildStage::Mount, mount.spec_index);
    }
}

void make_copies(ChildPlan& plan) {
    int folder = -1;
    for (std::size_t i = 0; i < plan.root->mounts.size(); ++i) {
        const PreparedMount& mount = plan.root->mounts[i];
        if (mount.by != MountedBy::Copy) continue;
        // A file can be taken only from a file system that is somewhere.
        if (folder == -1) {
            folder =
                new_mount("tmpfs", plan.root->copies_data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
            if (folder == -1 ||
                ::move_mount(folder, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == -1)
                fail(plan, ChildStage::Mount, mount.spec_index);
        }
        const char name[] = {static_cast<char>('a' + i / 16 % 16), static_cast<char>('a' + i % 16),
                             '\0'};
        const int file = ::openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        const auto size = static_cast<ssize_t>(mount.text.size());
        plan.early_mounts[i] =
            ::open_tree(folder, name, static_cast<unsigned>(OPEN_TREE_CLONE) | OPEN_TREE_CLOEXEC);
        if (file == -1 || ::write(file, mount.text.data(), mount.text.size()) != size ||
            plan.early_mounts[i] == -1)
            fail(plan, ChildStage::Mount, mount.spec_index);
        ::close(file);
    }
    if (folder == -1) return;
    // It must not stay: pivot() takes away what lies on top of "/", which has to be the old root,
    // whole. Who enters the container later begins on top of whatever is there.
    if (::fchdir(folder) == -1 || ::umount2(".", MNT_DETACH) == -1 || ::chdir("/") == -1)
        fail(plan, ChildStage::Mount);
    ::close(folder);
}

void attach_mounts(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.root->mounts.size(); ++i) {
        const PreparedMount& mount = plan.root->mounts[i];
        int fd = mount.detached.get();
        if (mount.by == MountedBy::Joiner || mount.by == MountedBy::Copy) fd = plan.early_mounts[i];
        if (mount.by == MountedBy::Init) fd = make_new(mount);
        const TargetKind kind = mount.target_is_file ? TargetKind::File : TargetKind::Folder;
        if (fd == -1 || !attach_at(fd, root, mount.target.c_str(), kind) ||
            !set_propagation(fd, mount.propagation))
            fail(plan, ChildStage::Mount, mount.spec_index);
        ::close(fd);
    }
}

void make_devices(const ChildPlan& plan, int root) {
    for (std::size_t i = 0; i < plan.root->devices.size(); ++i) {
        const PreparedDevice& device = plan.root->devices[i];
        if (!attach_at(device.detached.get(), root, device.path.c_str(), TargetKind::File))
            fail(plan, ChildStage::Device, i);
    }
    if (!plan.root->own_dev) return;
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
    if (plan.sysctls.empty()) return;
    const int proc = open_proc(root);
    if (proc == -1) fail(plan, ChildStage::Sysctl);
    for (std::size_t i = 0; i < plan.sysctls.size(); ++i) {
        const auto& [path, value] = plan.sysctls[i];
        open_how how{};
        how.flags = O_WRONLY | O_CLOEXEC;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
        const int fd =
            static_cast<int>(::syscall(SYS_openat2, proc, path.c_str(), &how, sizeof how));
        if (fd == -1 || ::write(fd, value.data(), value.size()) == -1)
            fail(plan, ChildStage::Sysctl, i);
        ::close(fd);
    }
    ::close(proc);
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
            // What lies there must be the null device itself. CVE-2025-31133
            if (null_device == -1 || ::fstat(null_device, &info) == -1 || !S_ISCHR(info.st_mode) ||
                info.st_rdev != makedev(1, 3)) {
                if (null_device != -1) errno = ENXIO;
                fail(plan, ChildStage::MaskedPath, i);
            }
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

void pivot(const ChildPlan& plan, int root) {
    // The old root ends up on top of the new one, where "." still names it: see pivot_root(2).
    if (::fchdir(root) == -1 || ::syscall(SYS_pivot_root, ".", ".") == -1 ||
        ::umount2(".", MNT_DETACH) == -1 || ::chdir("/") == -1)
        fail(plan, ChildStage::PivotRoot);
    if (plan.spec->rootfs_propagation != 0 &&
        ::mount(nullptr, "/", nullptr, plan.spec->rootfs_propagation, nullptr) == -1)
        fail(plan, ChildStage::Propagation);
}

}  // namespace davit::runtime
