#include "builder/archive_add.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/tree.h"
#include "image/byte_source.h"
#include "image/layer_unpack.h"
#include "image/tar_content.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::builder {
namespace {

Error failed(const char* call, const std::string& path) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("unpack '{}'", printable(path));
}

/// Unpacks entries into a root that may be hostile, from an archive that may be hostile: parents
/// are looked up inside the root, and no name is followed at its last part.
class Unpacker {
public:
    Unpacker(image::TarReader& reader, const UniqueFd& root, std::string destination)
        : content_(reader, limits_), root_(root), destination_(std::move(destination)) {}

    Result<void> unpack(const image::TarEntry& entry) {
        const std::string path = place_of(entry.path);
        if (path.empty()) return {};  // "./": the destination stays what it is
        const std::size_t slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
        const std::string name = path.substr(slash + 1);
        TRY(make_folders(root_, parent, {}));
        const UniqueFd dir = TRY(sys::open_in_root(root_, parent.empty() ? "." : parent,
                                                   O_PATH | O_DIRECTORY | O_CLOEXEC));
        TRY(make(entry, dir, name, path));
        if (entry.type == image::TarType::HardLink) return {};
        return finish(entry, dir, name, path);
    }

    Result<void> set_folder_times() const {
        for (const auto& [path, mtime] : folders_) {
            const UniqueFd dir =
                TRY(sys::open_in_root(root_, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            const timespec times[2] = {mtime, mtime};
            if (::futimens(dir.get(), times) == -1) return failed("futimens(2)", path);
        }
        return {};
    }

private:
    /// ".." can't climb out: "/.." is "/".
    std::string place_of(const std::string& name) const {
        std::string clean = clean_path("/" + name);
        clean.erase(0, 1);
        if (clean.empty()) return {};
        return destination_.empty() ? clean : destination_ + "/" + clean;
    }

    Result<void> make(const image::TarEntry& entry, const UniqueFd& dir, const std::string& name,
                      const std::string& path) {
        if (entry.type == image::TarType::Directory) {
            folders_.emplace_back(path, entry.mtime);
            if (::mkdirat(dir.get(), name.c_str(), 0755) == 0) return {};
            struct stat info {};
            if (errno == EEXIST &&
                ::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                S_ISDIR(info.st_mode))
                return {};
            if (errno != EEXIST && errno != 0) return failed("mkdirat(2)", path);
        }
        if (::unlinkat(dir.get(), name.c_str(), 0) == -1 && errno != ENOENT)
            return failed("unlinkat(2)", path);
        switch (entry.type) {
            case image::TarType::Directory:
                if (::mkdirat(dir.get(), name.c_str(), 0755) == -1)
                    return failed("mkdirat(2)", path);
                return {};
            case image::TarType::Regular: return regular(entry, dir, name);
            case image::TarType::SymLink:
                if (::symlinkat(entry.link.c_str(), dir.get(), name.c_str()) == -1)
                    return failed("symlinkat(2)", path);
                return {};
            case image::TarType::HardLink: return hard_link(entry, dir, name, path);
            default: break;
        }
        const mode_t type = entry.type == image::TarType::CharDevice    ? S_IFCHR
                            : entry.type == image::TarType::BlockDevice ? S_IFBLK
                                                                        : S_IFIFO;
        if (::mknodat(dir.get(), name.c_str(), type | 0600, ::makedev(entry.major, entry.minor)) ==
            -1)
            return failed("mknodat(2)", path);
        return {};
    }

    Result<void> regular(const image::TarEntry& entry, const UniqueFd& dir,
                         const std::string& name) {
        const UniqueFd file = TRY(
            sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        return content_.write(entry, file);
    }

    Result<void> hard_link(const image::TarEntry& entry, const UniqueFd& dir,
                           const std::string& name, const std::string& path) const {
        const UniqueFd target = TRY_DOING(
            sys::open_in_root(root_, place_of(entry.link), O_PATH | O_NOFOLLOW | O_CLOEXEC),
            "unpack the link '{}'", printable(path));
        const std::string through = fmt::format("/proc/thread-self/fd/{}", target.get());
        if (::linkat(AT_FDCWD, through.c_str(), dir.get(), name.c_str(), AT_SYMLINK_FOLLOW) == -1)
            return failed("linkat(2)", path);
        return {};
    }

    static Result<void> finish(const image::TarEntry& entry, const UniqueFd& dir,
                               const std::string& name, const std::string& path) {
        if (::fchownat(dir.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) == -1)
            return failed("fchownat(2)", path);
        TRY_DOING(
            image::set_xattrs(entry, fmt::format("/proc/self/fd/{}/{}", dir.get(), name), true),
            "unpack '{}'", printable(path));
        if (entry.type == image::TarType::SymLink) {
            const timespec times[2] = {entry.mtime, entry.mtime};
            (void)::utimensat(dir.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
            return {};
        }
        if (::fchmodat(dir.get(), name.c_str(), entry.mode, 0) == -1)
            return failed("fchmodat(2)", path);
        const timespec times[2] = {entry.mtime, entry.mtime};
        if (::utimensat(dir.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) == -1)
            return failed("utimensat(2)", path);
        return {};
    }

    image::UnpackLimits limits_;
    image::TarContent content_;
    const UniqueFd& root_;
    std::string destination_;
    std::vector<std::pair<std::string, timespec>> folders_;
};

Result<UniqueFd> reopened(const UniqueFd& file) {
    return sys::open(fmt::format("/proc/thread-self/fd/{}", file.get()), O_RDONLY);
}

}  // namespace

Result<bool> is_archive(const UniqueFd& file) {
    UniqueFd own = TRY(reopened(file));
    const auto bytes = image::read_descriptor(std::move(own));
    auto plain = image::decompress(*bytes);
    if (!plain) return false;
    image::TarReader reader(**plain);
    const auto first = reader.next();
    return first && first->has_value();
}

Result<void> unpack_archive(UniqueFd file, const UniqueFd& root, const std::string& destination) {
    const auto bytes = image::read_descriptor(std::move(file));
    const auto plain = TRY(image::decompress(*bytes));
    image::TarReader reader(*plain);
    Unpacker unpacker(reader, root, destination);
    for (;;) {
        auto entry = TRY(reader.next());
        if (!entry) break;
        // An archive of a Dockerfile's author is no layer: what only root of a host may set is not
        // for it to say.
        std::erase_if(entry->xattrs,
                      [](const auto& xattr) { return xattr.first.starts_with("trusted."); });
        TRY(unpacker.unpack(*entry));
    }
    return unpacker.set_folder_times();
}

}  // namespace davit::builder
