#include "runtime/child_paths.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {

int open_in_root(int root, const char* path, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: somewhere on the host something was renamed or mounted while ".." was followed.
    // openat2(2) asks to try again.
    constexpr int kAttempts = 1000;
    for (int attempt = 0;; ++attempt) {
        const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd != -1 || errno != EAGAIN || attempt == kAttempts) return static_cast<int>(fd);
    }
}

namespace {

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

}  // namespace

int open_target(int root, const char* path, TargetKind kind, int links) {
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

}  // namespace davit::runtime
