#include "stack/exact_copy.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <set>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace davit::stack {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20U;
constexpr std::size_t kMostOfAttributes = 65536;  // the kernel's limit

using Inode = std::pair<dev_t, ino_t>;

/// A path to `name` in an open folder that needs no lookup of what is above it.
std::string handle(const UniqueFd& folder, const std::string& name) {
    return fmt::format("/proc/self/fd/{}/{}", folder.get(), name);
}

std::string joined(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
}

Result<struct stat> stat_of(const UniqueFd& folder, const std::string& name) {
    struct stat info {};
    if (::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("fstatat(2)");
    return info;
}

Result<std::string> target_of(const UniqueFd& folder, const std::string& name) {
    std::string target(PATH_MAX, '\0');
    const ssize_t size = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
    if (size == -1) return sys::failed("readlinkat(2)");
    target.resize(static_cast<std::size_t>(size));
    return target;
}

/// All extended attributes of what `path` names, which is not followed.
Result<std::map<std::string, std::string>> attributes_of(const std::string& path) {
    std::map<std::string, std::string> attributes;
    std::string names(kMostOfAttributes, '\0');
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    if (size == -1 && errno == ENOTSUP) return attributes;
    if (size == -1) return sys::failed("llistxattr(2)");
    names.resize(static_cast<std::size_t>(size));
    for (const std::string& name : split(names, '\0')) {
        if (name.empty()) continue;
        std::string value(kMostOfAttributes, '\0');
        const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        if (length == -1) return sys::failed("lgetxattr(2)");
        value.resize(static_cast<std::size_t>(length));
        attributes[name] = std::move(value);
    }
    return attributes;
}

/// Owner, mode, attributes and times of `name` in `to`, in the order in which none undoes another.
Result<void> dress(const struct stat& info, const std::map<std::string, std::string>& attributes,
                   const UniqueFd& to, const std::string& name) {
    if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("fchownat(2)");
    // Made by us a moment ago, in a folder that is ours alone: the name is what it was.
    if (!S_ISLNK(info.st_mode) &&
        ::fchmodat(to.get(), name.c_str(), info.st_mode & 07777U, 0) == -1)
        return sys::failed("fchmodat(2)");
    for (const auto& [key, value] : attributes)
        if (::lsetxattr(handle(to, name).c_str(), key.c_str(), value.data(), value.size(), 0) == -1)
            return sys::failed("lsetxattr(2)").doing("set attribute '{}'", printable(key));
    const timespec times[2] = {info.st_atim, info.st_mtim};
    if (::utimensat(to.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("utimensat(2)");
    return {};
}

Error is_mounted(const std::string& path) {
    return Error(ErrorKind::Busy,
                 fmt::format("another file system is mounted at '{}'", printable(path)))
        .help("unmount it first");
}

class Copier {
public:
    Copier(const UniqueFd& to, dev_t device, const ExactCopyOptions& options)
        : root_(to), device_(device), options_(options) {}

    Result<void> contents(const UniqueFd& from, const UniqueFd& to, const std::string& path) {
        const std::vector<std::string> names = TRY(list_directory(handle(from, ".")));
        for (const std::string& name : names) {
            const std::string inner = joined(path, name);
            if (options_.wanted && !options_.wanted(inner)) continue;
            if (options_.cancelled && options_.cancelled())
                return Error(ErrorKind::Cancelled, "interrupted");
            const struct stat info = TRY_DOING(stat_of(from, name), "copy '{}'", printable(inner));
            if (info.st_dev != device_) return is_mounted(inner);
            if (S_ISDIR(info.st_mode))
                TRY(folder(from, to, name, inner, info));
            else
                TRY_DOING(node(from, to, name, inner, info), "copy '{}'", printable(inner));
        }
        return {};
    }

private:
    Result<void> folder(const UniqueFd& from, const UniqueFd& to, const std::string& name,
                        const std::string& path, const struct stat& info) {
        if (::mkdirat(to.get(), name.c_str(), 0700) == -1)
            return sys::failed("mkdirat(2)").doing("copy '{}'", printable(path));
        {
            const UniqueFd inner_from =
                TRY(sys::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            const UniqueFd inner_to =
                TRY(sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
            TRY(contents(inner_from, inner_to, path));
        }
        const auto attributes = TRY(attributes_of(handle(from, name)));
        TRY_DOING(dress(info, attributes, to, name), "copy '{}'", printable(path));
        return {};
    }

    Result<void> node(const UniqueFd& from, const UniqueFd& to, const std::string& name,
                      const std::string& path, const struct stat& info) {
        if (info.st_nlink > 1) {
            const auto [first, is_new] =
                first_names_.emplace(Inode(info.st_dev, info.st_ino), path);
            if (!is_new) {
                if (::linkat(root_.get(), first->second.c_str(), to.get(), name.c_str(), 0) == -1)
                    return sys::failed("linkat(2)");
                return {};
            }
        }
        if (S_ISREG(info.st_mode)) {
            TRY(regular(from, to, name, info));
        } else if (S_ISLNK(info.st_mode)) {
            const std::string target = TRY(target_of(from, name));
            if (::symlinkat(target.c_str(), to.get(), name.c_str()) == -1)
                return sys::failed("symlinkat(2)");
        } else if (::mknodat(to.get(), name.c_str(), info.st_mode, info.st_rdev) == -1) {
            return sys::failed("mknodat(2)");
        }
        const auto attributes = TRY(attributes_of(handle(from, name)));
        return dress(info, attributes, to, name);
    }

    Result<void> regular(const UniqueFd& from, const UniqueFd& to, const std::string& name,
                         const struct stat& info) {
        const UniqueFd in = TRY(sys::open_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        const UniqueFd out =
            TRY(sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        for (off_t at = 0; at < info.st_size;) {
            off_t data = ::lseek(in.get(), at, SEEK_DATA);
            if (data == -1 && errno == ENXIO) break;  // nothing but a hole follows
            if (data == -1) data = at;                // a file system that tells of no holes
            off_t hole = ::lseek(in.get(), data, SEEK_HOLE);
            if (hole == -1) hole = info.st_size;
            TRY(range(in, out, data, hole));
            at = hole;
        }
        if (::ftruncate(out.get(), info.st_size) == -1) return sys::failed("ftruncate(2)");
        return {};
    }

    Result<void> range(const UniqueFd& in, const UniqueFd& out, off_t begin, off_t end) {
        while (begin < end) {
            if (options_.cancelled && options_.cancelled())
                return Error(ErrorKind::Cancelled, "interrupted");
            const std::size_t wanted = std::min(kPiece, static_cast<std::size_t>(end - begin));
            const ssize_t got = sys::retry_on_eintr(
                [&] { return ::pread(in.get(), buffer_.data(), wanted, begin); });
            if (got == -1) return sys::failed("pread(2)");
            if (got == 0) return {};  // it became shorter: the comparison tells
            for (ssize_t written = 0; written < got;) {
                const ssize_t more = sys::retry_on_eintr([&] {
                    return ::pwrite(out.get(), buffer_.data() + written,
                                    static_cast<std::size_t>(got - written), begin + written);
                });
                if (more == -1) return sys::failed("pwrite(2)");
                written += more;
            }
            begin += got;
            if (options_.on_bytes) options_.on_bytes(got);
        }
        return {};
    }

    const UniqueFd& root_;
    dev_t device_;
    const ExactCopyOptions& options_;
    std::map<Inode, std::string> first_names_;  ///< Of files with several.
    std::vector<char> buffer_ = std::vector<char>(kPiece);
};

bool same_time(const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

class Comparer {
public:
    Comparer(Likeness likeness, const ExactCopyOptions& options)
        : contents_(likeness == Likeness::Contents), options_(options) {}

    /// Whether all below is the same; else `different_` is set.
    Result<bool> folder(const UniqueFd& from, const UniqueFd& copy, const std::string& path) {
        const std::set<std::string> names = TRY(wanted_names(from, path));
        const std::set<std::string> others = TRY(wanted_names(copy, path));
        if (names != others) return differs(path.empty() ? "." : path);
        for (const std::string& name : names) {
            if (options_.cancelled && options_.cancelled())
                return Error(ErrorKind::Cancelled, "interrupted");
            if (!TRY(entry(from, copy, name, joined(path, name)))) return false;
        }
        return true;
    }
    std::optional<std::string> different() && { return std::move(different_); }

private:
    bool differs(const std::string& path) {
        different_ = path;
        return false;
    }

    Result<std::set<std::string>> wanted_names(const UniqueFd& folder, const std::string& path) {
        std::set<std::string> names;
        for (const std::string& name : TRY(list_directory(handle(folder, "."))))
            if (!options_.wanted || options_.wanted(joined(path, name))) names.insert(name);
        return names;
    }

    /// Names of one file must be names of one file in the copy.
    bool same_links(const struct stat& info, const struct stat& copied) {
        const Inode mine(info.st_dev, info.st_ino);
        const Inode other(copied.st_dev, copied.st_ino);
        return copies_.emplace(mine, other).first->second == other &&
               originals_.emplace(other, mine).first->second == mine;
    }

    Result<bool> entry(const UniqueFd& from, const UniqueFd& copy, const std::string& name,
                       const std::string& path) {
        const struct stat info = TRY_DOING(stat_of(from, name), "compare '{}'", printable(path));
        const struct stat copied = TRY_DOING(stat_of(copy, name), "compare '{}'", printable(path));
        const bool device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);
        if (info.st_mode != copied.st_mode || info.st_uid != copied.st_uid ||
            info.st_gid != copied.st_gid || !same_time(info.st_mtim, copied.st_mtim) ||
            (!S_ISDIR(info.st_mode) && info.st_size != copied.st_size) ||
            (device && info.st_rdev != copied.st_rdev) ||
            (!S_ISDIR(info.st_mode) && !same_links(info, copied)))
            return differs(path);
        if (contents_ &&
            TRY(attributes_of(handle(from, name))) != TRY(attributes_of(handle(copy, name))))
            return differs(path);
        if (S_ISLNK(info.st_mode) && TRY(target_of(from, name)) != TRY(target_of(copy, name)))
            return differs(path);
        if (S_ISREG(info.st_mode) && contents_ && !TRY(same_bytes(from, copy, name)))
            return differs(path);
        if (!S_ISDIR(info.st_mode)) return true;
        const UniqueFd inner = TRY(sys::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        const UniqueFd other = TRY(sys::open_at(copy, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        return folder(inner, other, path);
    }

    Result<bool> same_bytes(const UniqueFd& from, const UniqueFd& copy, const std::string& name) {
        const UniqueFd one = TRY(sys::open_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        const UniqueFd other = TRY(sys::open_at(copy, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        // What memory still has of the copy says nothing about the disk.
        ::posix_fadvise(other.get(), 0, 0, POSIX_FADV_DONTNEED);
        for (off_t at = 0;;) {
            const ssize_t mine = sys::retry_on_eintr(
                [&] { return ::pread(one.get(), mine_.data(), mine_.size(), at); });
            const ssize_t others = sys::retry_on_eintr(
                [&] { return ::pread(other.get(), others_.data(), others_.size(), at); });
            if (mine == -1 || others == -1) return sys::failed("pread(2)");
            if (mine != others || !std::equal(mine_.begin(), mine_.begin() + mine, others_.begin()))
                return false;
            if (mine == 0) return true;
            at += mine;
            if (options_.on_bytes) options_.on_bytes(mine);
        }
    }

    bool contents_;
    const ExactCopyOptions& options_;
    std::optional<std::string> different_;
    std::map<Inode, Inode> copies_;
    std::map<Inode, Inode> originals_;
    std::vector<char> mine_ = std::vector<char>(kPiece);
    std::vector<char> others_ = std::vector<char>(kPiece);
};

}  // namespace

Result<void> copy_exactly(const UniqueFd& from, const UniqueFd& to,
                          const ExactCopyOptions& options) {
    struct stat info {};
    if (::fstat(from.get(), &info) == -1) return sys::failed("fstat(2)");
    return Copier(to, info.st_dev, options).contents(from, to, "");
}

Result<std::optional<std::string>> find_difference(const UniqueFd& from, const UniqueFd& copy,
                                                   Likeness likeness,
                                                   const ExactCopyOptions& options) {
    Comparer comparer(likeness, options);
    (void)TRY(comparer.folder(from, copy, ""));
    return std::move(comparer).different();
}

}  // namespace davit::stack
