#include "base/file.h"

#include "base/failpoint.h"
#include "base/lock_wait.h"
#include "base/random.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit {
namespace {

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

bool is_dot(const char* name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/// Every level of a tree holds a descriptor while it is removed. What lies deeper than this is
/// moved up to the top first, so that no depth (a container can make any) uses the descriptors up.
constexpr int kMostLevels = 64;

struct Removal {
    int top = -1;  ///< The folder where all began.
    dev_t device = 0;
    bool moved = false;  ///< Something was moved up to `top`, which must be gone through again.
};

/// Removes what stands in `dir`. `where` is for messages.
Result<void> remove_children(UniqueFd dir, Removal& removal, const std::string& where, int level) {
    Dir stream(::fdopendir(dir.get()));
    if (!stream) return sys::failed("fdopendir(3)").doing("read folder '{}'", where);
    const int at = dir.release();                            // the stream closes it
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
        if (is_dot(entry->d_name)) continue;
        const std::string path = where + "/" + entry->d_name;
        if (::unlinkat(at, entry->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM)
            return sys::failed("unlinkat(2)").doing("remove '{}'", path);
        const int fd = ::openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd == -1) {
            if (errno == ENOENT) continue;  // somebody else is removing it too
            return sys::failed("openat(2)").doing("open folder '{}'", path);
        }
        UniqueFd child(fd);
        struct stat info {};
        if (::fstat(child.get(), &info) == -1)
            return sys::failed("fstat(2)").doing("look at '{}'", path);
        if (info.st_dev != removal.device)
            return Error(ErrorKind::Busy, fmt::format("something is mounted on '{}'", path))
                .help(fmt::format("unmount it: umount '{}'", path));
        if (level >= kMostLevels) {
            const std::string higher = ".removed-" + random_hex(8);
            if (::renameat(at, entry->d_name, removal.top, higher.c_str()) == -1) {
                if (errno == ENOENT) continue;
                return sys::failed("renameat(2)").doing("remove folder '{}'", path);
            }
            removal.moved = true;
            continue;
        }
        TRY(remove_children(std::move(child), removal, path, level + 1));
        if (::unlinkat(at, entry->d_name, AT_REMOVEDIR) == -1 && errno != ENOENT)
            return sys::failed("unlinkat(2)").doing("remove folder '{}'", path);
    }
    return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    const UniqueFd fd = TRY(sys::open(path, O_RDONLY));
    std::string text;
    struct stat info {};
    std::size_t size = 0;  // of one that says it, as those of /proc don't
    if (::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        size = static_cast<std::size_t>(info.st_size);
    text.reserve(std::min(size + 1, limit + 1));
    char buffer[16384];
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(fd.get(), buffer, sizeof buffer); });
        if (got == -1) return sys::failed("read(2)").doing("read '{}'", path);
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > limit)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is larger than {} bytes", path, limit));
        if (text.size() == size) return text;
    }
}

Result<void> write_all(const UniqueFd& fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put =
            sys::retry_on_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
        if (put == -1) return sys::failed("write(2)");
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> write_atomically(const std::string& path, std::string_view text, mode_t mode,
                              Sync sync) {
    const std::string temporary = fmt::format("{}.{}-{}.tmp", path, ::getpid(), random_hex(4));
    const auto write_and_rename = [&]() -> Result<void> {
        FAILPOINT("file.write");
        const UniqueFd fd =
            TRY(sys::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
        TRY(write_all(fd, text));
        if (sync == Sync::Yes && ::fdatasync(fd.get()) == -1) return sys::failed("fdatasync(2)");
        FAILPOINT("file.rename");
        if (::rename(temporary.c_str(), path.c_str()) == -1) return sys::failed("rename(2)");
        return {};
    };
    if (Result<void> done = write_and_rename(); !done) {
        ::unlink(temporary.c_str());
        return std::move(done).error().doing("write '{}'", path);
    }
    if (sync == Sync::Yes) {
        const UniqueFd folder = TRY(sys::open(folder_of(path), O_RDONLY | O_DIRECTORY));
        if (::fsync(folder.get()) == -1) return sys::failed("fsync(2)").doing("sync '{}'", path);
    }
    return {};
}

namespace {

/// Also where nobody has collected it yet.
bool has_ended(pid_t pid) {
    const Result<UniqueFd> process = sys::pidfd_open(pid);
    if (!process) return process.error().kind() == ErrorKind::NotFound;
    const Result<bool> ended = sys::wait_for_exit(*process, 0);
    return ended && *ended;
}

}  // namespace

void remove_half_written(const std::string& folder) {
    const Result<std::vector<std::string>> names = list_directory(folder);
    if (!names) return;
    for (const std::string& name : *names) {
        // NAME.PID-RANDOM.tmp
        constexpr std::string_view kSuffix = ".tmp";
        if (!name.ends_with(kSuffix)) continue;
        const std::size_t dot = name.rfind('.', name.size() - kSuffix.size() - 1);
        const std::size_t dash = name.rfind('-');
        if (dot == std::string::npos || dash == std::string::npos || dash < dot) continue;
        const auto pid = parse_integer(name.substr(dot + 1, dash - dot - 1));
        if (pid && *pid > 0 && has_ended(static_cast<pid_t>(*pid)))
            ::unlink((folder + "/" + name).c_str());
    }
}

Result<void> write_in_place(const std::string& path, std::string_view text, mode_t mode) {
    const UniqueFd fd = TRY(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    TRY_DOING(write_all(fd, text), "write '{}'", path);
    return {};
}

Result<void> write_control_file(const std::string& path, std::string_view text) {
    const UniqueFd fd = TRY(sys::open(path, O_WRONLY));
    const ssize_t put =
        sys::retry_on_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
    if (put == -1) return sys::failed("write(2)").doing("write '{}' to '{}'", text, path);
    return {};
}

Result<void> make_directories(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno == ENOENT && folder_of(path) != path) {
        TRY(make_directories(folder_of(path), mode));
        if (::mkdir(path.c_str(), mode) == 0) return {};
    }
    if (errno != EEXIST) return sys::failed("mkdir(2)").doing("make folder '{}'", path);
    struct stat info {};
    if (::stat(path.c_str(), &info) == -1)
        return sys::failed("stat(2)").doing("look at '{}'", path);
    if (!S_ISDIR(info.st_mode))
        return Error(ErrorKind::AlreadyExists, fmt::format("'{}' is not a folder", path));
    return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::vector<std::string> names;
    const Dir stream(::opendir(path.c_str()));
    if (!stream) {
        if (errno == ENOENT) return names;
        return sys::failed("opendir(3)").doing("read folder '{}'", path);
    }
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
        if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> remove_tree(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == -1) {
        if (errno == ENOENT) return {};
        return sys::failed("lstat(2)").doing("look at '{}'", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        if (::unlink(path.c_str()) == -1 && errno != ENOENT)
            return sys::failed("unlink(2)").doing("remove '{}'", path);
        return {};
    }
    TRY_DOING(failpoint::reach("file.remove"), "remove folder '{}'", path);
    const UniqueFd top = TRY(sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    Removal removal{.top = top.get(), .device = info.st_dev};
    do {
        removal.moved = false;
        UniqueFd dir = TRY(sys::open_at(top, ".", O_RDONLY | O_DIRECTORY));
        TRY(remove_children(std::move(dir), removal, path, 0));
    } while (removal.moved);
    if (::rmdir(path.c_str()) == -1 && errno != ENOENT)
        return sys::failed("rmdir(2)").doing("remove folder '{}'", path);
    return {};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string join_path(std::string_view first, std::string_view second) {
    if (first.empty() || second.starts_with('/')) return std::string(second);
    std::string path(first);
    if (!path.ends_with('/')) path += '/';
    return path.append(second);
}

std::string clean_path(std::string_view path) {
    const bool absolute = path.starts_with('/');
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (part.empty() || part == ".") continue;
        if (part != ".." || (!absolute && (parts.empty() || parts.back() == "..")))
            parts.push_back(part);
        else if (!parts.empty())
            parts.pop_back();
    }
    std::string text = absolute ? "/" : "";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) text += '/';
        text += parts[i];
    }
    return text.empty() ? "." : text;
}

Result<FileLock> FileLock::exclusive(const std::string& path) { return take(path, LOCK_EX); }
Result<FileLock> FileLock::shared(const std::string& path) { return take(path, LOCK_SH); }

Result<FileLock> FileLock::exclusive_now(const std::string& path) {
    return take(path, LOCK_EX | LOCK_NB);
}

Result<FileLock> FileLock::take(const std::string& path, int operation) {
    for (;;) {
        TRY(make_directories(folder_of(path), 0700));
        UniqueFd fd = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
        const bool waits = (operation & LOCK_NB) == 0;
        if ((waits ? wait_for_lock(fd.get(), operation) : ::flock(fd.get(), operation)) == -1) {
            if (errno == EWOULDBLOCK) return Error(ErrorKind::Busy, "'" + path + "' is locked");
            if (errno == ECANCELED) return Error(ErrorKind::Cancelled, "waiting for another davit");
            return sys::failed("flock(2)").doing("lock '{}'", path);
        }
        // Whoever held it may have removed the folder (`down`): then this is a lock on nothing.
        struct stat held {};
        struct stat named {};
        if (::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
            held.st_ino == named.st_ino && held.st_dev == named.st_dev)
            return FileLock(std::move(fd));
    }
}

}  // namespace davit
