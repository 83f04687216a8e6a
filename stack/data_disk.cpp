#include "stack/data_disk.h"

#include "base/file.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace davit::stack {
namespace {

/// Below this the last of a disk is not taken.
constexpr std::int64_t kReserve = 64'000'000;

/// "\040" of the mount table is a blank. @source proc(5), mountinfo
std::string unescaped(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 3 >= text.size()) {
            plain += text[i];
            continue;
        }
        const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
        plain += static_cast<char>(code);
        i += 3;
    }
    return plain;
}

struct Use {
    std::int64_t bytes = 0;
    std::int64_t inodes = 0;
    std::set<std::pair<dev_t, ino_t>> seen = {};  ///< Files with several names, counted once.
};

Result<void> add_use(const UniqueFd& folder, Use& use) {
    const std::string path = fmt::format("/proc/self/fd/{}/.", folder.get());
    for (const std::string& name : TRY(list_directory(path))) {
        struct stat info {};
        if (::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == -1) continue;
        if (info.st_nlink > 1 && !S_ISDIR(info.st_mode) &&
            !use.seen.emplace(info.st_dev, info.st_ino).second)
            continue;
        use.bytes += static_cast<std::int64_t>(info.st_blocks) * 512;
        ++use.inodes;
        if (!S_ISDIR(info.st_mode)) continue;
        const UniqueFd inner = TRY(sys::open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(add_use(inner, use));
    }
    return {};
}

/// In a child: mounts are made in a mount namespace of its own. Returns the errno of what failed.
int try_overlay(const std::string& folder) {
    if (::unshare(CLONE_NEWNS) == -1 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == -1)
        return 0;  // not root of this machine: what can't be tried is not refused
    const std::string options =
        fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", folder);
    if (::mount("overlay", (folder + "/merged").c_str(), "overlay", 0, options.c_str()) == -1)
        return errno;
    // Where the upper folder can't have attributes overlayfs mounts and is half of what it should
    // be.
    if (::rename((folder + "/merged/dir").c_str(), (folder + "/merged/renamed").c_str()) == -1 &&
        errno != EXDEV)
        return errno;
    return 0;
}

Error no_place(const std::string& folder, const char* what, int error_number) {
    return Error(ErrorKind::InvalidInput,
                 fmt::format("the file system of '{}' can't carry {} ({})", folder, what,
                             ::strerror(error_number)))  // NOLINT(concurrency-mt-unsafe)
        .help("choose a folder on ext4, xfs or btrfs");
}

}  // namespace

Result<void> check_mounts(const std::string& folder) {
    const std::string table = TRY(read_file("/proc/self/mountinfo"));
    for (const std::string& line : split(table, '\n')) {
        const std::vector<std::string> fields = split(line, ' ');
        if (fields.size() < 5) continue;
        const std::string point = unescaped(fields[4]);
        if (point == folder)
            return Error(ErrorKind::Busy,
                         fmt::format("'{}' is where a file system is mounted: nothing can take its "
                                     "place",
                                     folder))
                .help(
                    "mount that file system elsewhere instead, and set data_root in "
                    "/etc/davit/config.yaml");
        if (point.starts_with(folder + "/"))
            return Error(ErrorKind::Busy,
                         fmt::format("something is mounted at '{}'", printable(point)))
                .help("unmount it first");
    }
    return {};
}

Result<std::int64_t> check_room(const std::string& folder, const std::string& to) {
    Use use;
    const UniqueFd root = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    TRY_DOING(add_use(root, use), "count what is in '{}'", folder);
    std::string there = to;
    while (!exists(there)) there = there.substr(0, std::max<std::size_t>(there.rfind('/'), 1));
    struct statvfs info {};
    if (::statvfs(there.c_str(), &info) == -1)
        return Error::from_errno(errno, "statvfs(2)").doing("look at the disk of '{}'", there);
    const auto free = static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
    // A file system in memory has no size, and says 0.
    if (info.f_blocks != 0 && use.bytes + kReserve > free)
        return Error::from_errno(ENOSPC, "statvfs(2)")
            .doing("find room for {} MB and 64 MB to spare, of which {} MB are free",
                   use.bytes / 1'000'000, free / 1'000'000)
            .help("choose a larger disk, or remove what nothing uses: davit system prune");
    const auto inodes = static_cast<std::int64_t>(info.f_favail);
    if (info.f_files != 0 && use.inodes > inodes)
        return Error::from_errno(ENOSPC, "statvfs(2)")
            .doing("find inodes for {} files, of which {} are free", use.inodes, inodes)
            .help("choose another disk, or one with more inodes (mkfs.ext4 -N)");
    return use.bytes;
}

Result<void> check_file_system(const std::string& folder) {
    const std::string probe = folder + "/probe";
    ScopeGuard tidy([&] { (void)remove_tree(probe); });
    for (const char* name : {"/lower/dir", "/upper", "/work", "/merged"})
        TRY(make_directories(probe + name, 0700));
    if (::setxattr((probe + "/upper").c_str(), "trusted.overlay.probe", "y", 1, 0) == -1)
        return no_place(folder, "attributes of overlayfs", errno);
    if (::mknod((probe + "/node").c_str(), S_IFCHR, 0) == -1)
        return no_place(folder, "devices", errno);
    const pid_t child = ::fork();
    if (child == -1) return Error::from_errno(errno, "fork(2)");
    if (child == 0) ::_exit(try_overlay(probe));
    int status = 0;
    (void)sys::retry_on_eintr([&] { return ::waitpid(child, &status, 0); });
    const int error_number = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (error_number != 0) return no_place(folder, "overlayfs", error_number);
    tidy.commit();
    return remove_tree(probe);  // what stays there would not be in the original
}

}  // namespace davit::stack
