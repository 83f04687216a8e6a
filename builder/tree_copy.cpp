#include "base/digest.h"
#include "base/file.h"
#include "base/made_file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "builder/tree.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utility>

namespace davit::builder {
namespace {

Error failed(const char* call, const std::string& path) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("write '{}'", printable(path));
}

mode_t mode_of(const TreeItem& item, const CopyAttributes& attributes) {
    constexpr mode_t kBits = 07777;
    return attributes.mode_of(item.info.st_mode & kBits, S_ISDIR(item.info.st_mode));
}

Owner owner_of(const TreeSource& source, const TreeItem& item, const CopyAttributes& attributes) {
    if (attributes.owner) return *attributes.owner;
    if (source.keep_owners) return {item.info.st_uid, item.info.st_gid};
    return {};
}

/// Which file a name means.
using Identity = std::pair<dev_t, ino_t>;

Identity identity(const TreeItem& item) { return {item.info.st_dev, item.info.st_ino}; }

/// Regular files alone are opened: a FIFO would wait for ever, a device would do something.
Result<UniqueFd> open_file(const TreeSource& source, const TreeItem& item) {
    const bool top = item.source.empty();
    UniqueFd fd = TRY(sys::open_in_root(*source.root, top ? "." : item.source,
                                        O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    struct stat info {};
    if (::fstat(fd.get(), &info) == -1) return Error::from_errno(errno, "fstat(2)");
    if (!S_ISREG(info.st_mode))
        return Error(ErrorKind::Busy, fmt::format("'{}' changed while it was read", item.source))
            .help("build again when nothing writes to the context");
    return fd;
}

Result<std::string> content_digest(const TreeSource& source, const TreeItem& item) {
    const UniqueFd fd = TRY(open_file(source, item));
    Sha256 digest;
    std::string buffer(std::size_t{256} << 10U, '\0');
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(fd.get(), buffer.data(), buffer.size()); });
        if (got == -1) return Error::from_errno(errno, "read(2)").doing("read '{}'", item.source);
        if (got == 0) break;
        digest.update(buffer.data(), static_cast<std::size_t>(got));
    }
    return std::move(digest).hex();
}

std::string capability_of(const TreeSource& source, const TreeItem& item) {
    if (!source.keep_owners || !S_ISREG(item.info.st_mode)) return {};
    const auto fd = open_file(source, item);
    char value[64];
    if (!fd) return {};
    const ssize_t size = ::fgetxattr(fd->get(), "security.capability", value, sizeof value);
    return size > 0 ? std::string(value, static_cast<std::size_t>(size)) : std::string();
}

Result<void> copy_content(const UniqueFd& from, const UniqueFd& to, const std::string& path) {
    constexpr std::size_t kAtOnce = std::size_t{1} << 30U;
    for (;;) {
        ssize_t got = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, kAtOnce, 0);
        if (got == -1 &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
            got = ::sendfile(to.get(), from.get(), nullptr, kAtOnce);
        if (got == -1 && errno == EINTR) continue;
        if (got == -1) return failed("copy_file_range(2)", path);
        if (got == 0) return {};
    }
}

class Copier {
public:
    Copier(const TreeSource& source, const UniqueFd& root, const CopyAttributes& attributes)
        : source_(source), root_(root), attributes_(attributes) {}

    Result<void> copy(const TreeItem& item, const std::string& path) {
        if (S_ISDIR(item.info.st_mode)) return folder(item, path);
        const std::size_t slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
        const std::string name = path.substr(slash + 1);
        TRY(make_folders(root_, parent, attributes_.owner.value_or(Owner{})));
        const UniqueFd dir = TRY(sys::open_in_root(root_, parent.empty() ? "." : parent,
                                                   O_PATH | O_DIRECTORY | O_CLOEXEC));
        TRY(clear(dir, name, path));
        if (S_ISREG(item.info.st_mode) && item.info.st_nlink > 1) {
            const auto [first, fresh] = copies_.try_emplace(identity(item), path);
            if (!fresh) return link_to(first->second, dir, name, path);
        }
        const UniqueFd made = TRY(make(item, dir, name, path));
        return finish(item, made, path);
    }

    /// Times of folders, when nothing is written into them any more.
    Result<void> set_folder_times(const TreeItem& item, const std::string& path) const {
        const UniqueFd dir = TRY(sys::open_in_root(root_, path.empty() ? "." : path,
                                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const timespec times[2] = {item.info.st_mtim, item.info.st_mtim};
        if (::futimens(dir.get(), times) == -1) return failed("futimens(2)", path);
        return {};
    }

private:
    Result<void> folder(const TreeItem& item, const std::string& path) {
        if (item.target.empty()) return {};  // the destination itself keeps what it is
        const std::size_t slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
        const std::string name = path.substr(slash + 1);
        TRY(make_folders(root_, parent, attributes_.owner.value_or(Owner{})));
        const UniqueFd dir = TRY(sys::open_in_root(root_, parent.empty() ? "." : parent,
                                                   O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (::mkdirat(dir.get(), name.c_str(), 0755) == -1) {
            if (errno != EEXIST) return failed("mkdirat(2)", path);
            struct stat info {};
            if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == -1)
                return failed("fstatat(2)", path);
            if (!S_ISDIR(info.st_mode))
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'/{}' is {} in the image, and a folder in the sources",
                                         printable(path),
                                         S_ISLNK(info.st_mode) ? "a link" : "a file"))
                    .help("copy into the folder that is meant, or remove it with RUN before");
        }
        const UniqueFd made =
            TRY_DOING(open_made(dir, name, S_IFDIR), "write '{}'", printable(path));
        return finish(item, made, path);
    }

    /// What is made is known by its descriptor: a volume that is filled may be in a container that
    /// runs, and names in it are the container's to change.
    Result<UniqueFd> make(const TreeItem& item, const UniqueFd& dir, const std::string& name,
                          const std::string& path) {
        if (S_ISREG(item.info.st_mode)) return regular(item, dir, name, path);
        if (S_ISLNK(item.info.st_mode)) {
            if (::symlinkat(item.link.c_str(), dir.get(), name.c_str()) == -1)
                return failed("symlinkat(2)", path);
        } else if (::mknodat(dir.get(), name.c_str(), item.info.st_mode, item.info.st_rdev) == -1) {
            return failed("mknodat(2)", path);
        }
        return open_made(dir, name, item.info.st_mode & S_IFMT);
    }

    /// Something else than a folder makes room.
    static Result<void> clear(const UniqueFd& dir, const std::string& name,
                              const std::string& path) {
        if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
        if (errno == EISDIR)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'/{}' is a folder in the image, and a file in the sources",
                                     printable(path)))
                .help("end the destination with '/' to copy into it");
        return failed("unlinkat(2)", path);
    }

    Result<UniqueFd> regular(const TreeItem& item, const UniqueFd& dir, const std::string& name,
                             const std::string& path) {
        const UniqueFd from = TRY(open_file(source_, item));
        UniqueFd to = TRY(
            sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        TRY(copy_content(from, to, path));
        return to;
    }

    /// Names of one file stay names of one file.
    Result<void> link_to(const std::string& first, const UniqueFd& dir, const std::string& name,
                         const std::string& path) const {
        const UniqueFd file = TRY(sys::open_in_root(root_, first, O_PATH | O_NOFOLLOW | O_CLOEXEC));
        const std::string through = fmt::format("/proc/thread-self/fd/{}", file.get());
        if (::linkat(AT_FDCWD, through.c_str(), dir.get(), name.c_str(), AT_SYMLINK_FOLLOW) == -1)
            return failed("linkat(2)", path);
        return {};
    }

    Result<void> finish(const TreeItem& item, const UniqueFd& made, const std::string& path) {
        const Owner owner = owner_of(source_, item, attributes_);
        TRY_DOING(set_owner(made, owner.uid, owner.gid), "write '{}'", printable(path));
        if (!S_ISLNK(item.info.st_mode))
            TRY_DOING(set_mode(made, mode_of(item, attributes_)), "write '{}'", printable(path));
        // Of regular files alone, which were opened to be written.
        const std::string capability = capability_of(source_, item);
        if (!capability.empty() && ::fsetxattr(made.get(), "security.capability", capability.data(),
                                               capability.size(), 0) == -1)
            return failed("fsetxattr(2)", path);
        if (S_ISDIR(item.info.st_mode)) return {};
        TRY_DOING(set_times(made, item.info.st_mtim, item.info.st_mtim), "write '{}'",
                  printable(path));
        return {};
    }

    const TreeSource& source_;
    const UniqueFd& root_;
    const CopyAttributes& attributes_;
    std::map<Identity, std::string> copies_;  ///< Of files with several names: the first copy.
};

}  // namespace

Result<std::string> digest_of(const TreeSource& source, const std::vector<TreeItem>& items,
                              const CopyAttributes& attributes) {
    Sha256 digest;
    std::map<Identity, std::string> seen;
    for (const TreeItem& item : items) {
        const Owner owner = owner_of(source, item, attributes);
        const bool link = S_ISLNK(item.info.st_mode);
        Json line = {{"target", printable(item.target)},
                     {"type", item.info.st_mode & S_IFMT},
                     {"mode", link ? 0 : mode_of(item, attributes)},
                     {"uid", owner.uid},
                     {"gid", owner.gid}};
        // The folder whose contents are copied is no part of the copy.
        if (S_ISDIR(item.info.st_mode) && item.target.empty()) continue;
        if (link) line["link"] = printable(item.link);
        if (S_ISCHR(item.info.st_mode) || S_ISBLK(item.info.st_mode))
            line["device"] = item.info.st_rdev;
        if (S_ISREG(item.info.st_mode)) {
            line["content"] = TRY(content_digest(source, item));
            line["capability"] = sha256_hex(capability_of(source, item));
            const auto [first, fresh] = seen.try_emplace(identity(item), item.target);
            if (!fresh) line["same"] = printable(first->second);
        }
        digest.update(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    }
    return std::move(digest).hex();
}

Result<void> copy_items(const TreeSource& source, const std::vector<TreeItem>& items,
                        const UniqueFd& root, const std::string& destination,
                        const CopyAttributes& attributes) {
    Copier copier(source, root, attributes);
    for (const TreeItem& item : items) TRY(copier.copy(item, joined(destination, item.target)));
    for (auto item = items.rbegin(); item != items.rend(); ++item)
        if (S_ISDIR(item->info.st_mode) && !item->target.empty())
            TRY(copier.set_folder_times(*item, joined(destination, item->target)));
    return {};
}

Result<bool> make_folders(const UniqueFd& root, const std::string& path, const Owner& owner) {
    bool made = false;
    std::string so_far;
    for (const std::string& part : split(path, '/')) {
        if (part.empty()) continue;
        const std::string parent = so_far;
        so_far = joined(so_far, part);
        const auto there = TRY(look_at(root, so_far));
        if (there && S_ISDIR(there->st_mode)) continue;
        if (there)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'/{}' is no folder in the image", printable(so_far)))
                .help("choose another destination");
        const UniqueFd dir = TRY(sys::open_in_root(root, parent.empty() ? "." : parent,
                                                   O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (::mkdirat(dir.get(), part.c_str(), 0755) == -1) {
            if (errno == EEXIST)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'/{}' is a link to nothing in the image",
                                         printable(so_far)))
                    .help("choose another destination");
            return failed("mkdirat(2)", so_far);
        }
        const UniqueFd folder = TRY(open_made(dir, part, S_IFDIR));
        TRY_DOING(set_owner(folder, owner.uid, owner.gid), "write '{}'", printable(so_far));
        TRY_DOING(set_mode(folder, 0755), "write '{}'", printable(so_far));
        made = true;
    }
    return made;
}

Result<void> write_file_in(const UniqueFd& root, const std::string& path, std::string_view text,
                           mode_t mode, const Owner& owner) {
    const std::size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string name = path.substr(slash + 1);
    TRY(make_folders(root, parent, {}));
    const UniqueFd dir = TRY(
        sys::open_in_root(root, parent.empty() ? "." : parent, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (::unlinkat(dir.get(), name.c_str(), 0) == -1 && errno != ENOENT)
        return failed("unlinkat(2)", path);
    const UniqueFd file =
        TRY(sys::open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    TRY(write_all(file, text));
    if (::fchown(file.get(), owner.uid, owner.gid) == -1 || ::fchmod(file.get(), mode) == -1)
        return failed("fchown(2)", path);
    return {};
}

}  // namespace davit::builder
