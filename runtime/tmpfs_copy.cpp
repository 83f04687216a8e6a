#include "base/sys.h"
#include "runtime/prepared_mounts.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

// A tmpfs with the option "tmpcopyup" begins with what the image has in its place. The image is a
// stranger's: nothing in it is followed, and depth is limited.

namespace davit::runtime {
namespace {

constexpr int kDeepest = 128;

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

Result<void> copy_status(const UniqueFd& to, const struct stat& info) {
    const timespec times[] = {info.st_atim, info.st_mtim};
    if (::fchown(to.get(), info.st_uid, info.st_gid) == -1) return sys::failed("fchown(2)");
    if (::fchmod(to.get(), info.st_mode & 07777U) == -1) return sys::failed("fchmod(2)");
    if (::futimens(to.get(), times) == -1) return sys::failed("futimens(2)");
    return {};
}

Result<void> copy_file(const UniqueFd& from, const UniqueFd& to) {
    for (;;) {
        constexpr std::size_t kMost = 1U << 20U;
        const ssize_t sent = ::sendfile(to.get(), from.get(), nullptr, kMost);
        if (sent == 0) return {};
        if (sent == -1 && errno != EINTR) return sys::failed("sendfile(2)");
    }
}

Result<void> copy_folder(const UniqueFd& from, const UniqueFd& to, int depth);

Result<void> copy_entry(const UniqueFd& from, const UniqueFd& to, const char* name, int depth) {
    struct stat info {};
    if (::fstatat(from.get(), name, &info, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("fstatat(2)");
    if (S_ISLNK(info.st_mode)) {
        std::string target(static_cast<std::size_t>(info.st_size) + 1, '\0');
        const ssize_t got = ::readlinkat(from.get(), name, target.data(), target.size());
        if (got <= 0) return sys::failed("readlinkat(2)");
        target.resize(static_cast<std::size_t>(got));
        if (::symlinkat(target.c_str(), to.get(), name) == -1) return sys::failed("symlinkat(2)");
        if (::fchownat(to.get(), name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) == -1)
            return sys::failed("fchownat(2)");
        return {};
    }
    const bool folder = S_ISDIR(info.st_mode);
    if (!folder && !S_ISREG(info.st_mode)) return {};
    const UniqueFd source = TRY(
        sys::open_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (folder ? O_DIRECTORY : 0)));
    if (folder && ::mkdirat(to.get(), name, 0700) == -1) return sys::failed("mkdirat(2)");
    const UniqueFd copy =
        folder ? TRY(sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
               : TRY(sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(folder ? copy_folder(source, copy, depth + 1) : copy_file(source, copy));
    return copy_status(copy, info);
}

Result<void> copy_folder(const UniqueFd& from, const UniqueFd& to, int depth) {
    if (depth > kDeepest)
        return Error(ErrorKind::InvalidInput, "the image's folder is too deep to be copied");
    UniqueFd listed = TRY(sys::open_at(from, ".", O_RDONLY | O_DIRECTORY));
    const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(listed.get()));
    if (!folder) return sys::failed("fdopendir(3)");
    (void)listed.release();
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(folder.get());
        if (entry == nullptr) return errno == 0 ? Result<void>() : sys::failed("readdir(3)");
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") TRY(copy_entry(from, to, entry->d_name, depth));
    }
}

}  // namespace

Result<void> copy_into(const UniqueFd& root, const std::string& from, const UniqueFd& to) {
    Result<UniqueFd> source = sys::open_in_root(root, from, O_RDONLY | O_DIRECTORY);
    if (!source && source.error().kind() == ErrorKind::NotFound) return {};
    const UniqueFd folder = TRY(std::move(source));
    struct stat info {};
    if (::fstat(folder.get(), &info) == -1) return sys::failed("fstat(2)");
    const UniqueFd top = TRY(sys::open_at(to, ".", O_RDONLY | O_DIRECTORY));
    TRY_DOING(copy_folder(folder, top, 0), "copy '{}' of the image", from);
    return copy_status(top, info);
}

}  // namespace davit::runtime
