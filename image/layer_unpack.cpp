#include "image/layer_unpack.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/tar_reader.h"
#include "image/whiteout.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace davit::image {
namespace {

constexpr std::size_t kLongestPath = 4096;
constexpr int kMostLinks = 40;
constexpr std::string_view kWhiteout = ".wh.";

Error hostile(const std::string& path, std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("entry '{}' {}", printable(path), why));
}

/// The parts of an entry's name, joined: no leading "/" or "./", nothing doubled.
Result<std::string> normalize(const std::string& path) {
    if (path.size() > kLongestPath) return hostile(path.substr(0, 60) + "…", "has too long a name");
    std::string clean;
    for (const std::string& part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == "..") return hostile(path, "leads out of the layer by '..'");
        if (part.size() > 255) return hostile(path.substr(0, 60) + "…", "has too long a name");
        clean += (clean.empty() ? "" : "/") + part;
    }
    return clean;
}

class Unpacker {
public:
    Unpacker(ByteSource& tar, const UniqueFd& root, const UnpackLimits& limits)
        : reader_(tar), content_(reader_, limits), root_(root), limits_(limits) {}

    Result<Unpacked> run() {
        for (;;) {
            const std::optional<TarEntry> entry = TRY(reader_.next());
            if (!entry) break;
            if (++done_.entries > limits_.entries)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("the layer has more than {} entries", limits_.entries));
            TRY_DOING(unpack(*entry), "unpack '{}'", printable(entry->path));
        }
        TRY(set_folder_times());
        done_.bytes = content_.bytes();
        return done_;
    }

private:
    struct FolderTime {
        std::string path;
        timespec time;
    };

    Result<void> unpack(const TarEntry& entry);
    Result<void> whiteout(const std::string& name);
    static Result<void> make_opaque(const UniqueFd& folder);
    bool is_whiteout(const std::string& name) const;
    Result<void> make_over_whiteout(const std::string& name);
    Result<void> make(const TarEntry& entry, const std::string& name);
    Result<void> make_folder(const TarEntry& entry, const std::string& path,
                             const std::string& name);
    Result<void> make_regular(const TarEntry& entry, const std::string& name);
    Result<void> make_hard_link(const TarEntry& entry, const std::string& name);
    Result<void> open_parent(const std::string& folder, int links_followed = 0);
    Result<void> open_link(const std::string& folder, const std::string& target,
                           int links_followed);
    std::optional<std::string> link_target(const std::string& name) const;
    Result<void> remove_existing(const std::string& name);
    Result<void> set_attributes_by_name(const TarEntry& entry, const std::string& name);
    Result<void> set_attributes(const TarEntry& entry, const UniqueFd& fd);
    Result<void> set_folder_times();

    TarReader reader_;
    TarContent content_;
    const UniqueFd& root_;
    const UnpackLimits& limits_;
    Unpacked done_;
    // Entries of one folder follow each other: its descriptor is looked up once.
    std::string parent_path_ = "\n";
    UniqueFd parent_;
    std::vector<FolderTime> folder_times_;
    timespec time_ = {};  ///< Of the entry that is unpacked; folders made for it get it too.
};

Result<void> Unpacker::unpack(const TarEntry& entry) {
    time_ = entry.mtime;
    const std::string path = TRY(normalize(entry.path));
    if (path.empty()) {
        if (entry.type != TarType::Directory) return hostile(entry.path, "has no name");
        folder_times_.push_back({".", entry.mtime});
        return set_attributes(entry, root_);
    }
    const std::size_t slash = path.rfind('/');
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    TRY(open_parent(slash == std::string::npos ? std::string() : path.substr(0, slash)));
    if (name.starts_with(kWhiteout)) return whiteout(name);
    if (entry.type == TarType::Directory) return make_folder(entry, path, name);
    TRY(make(entry, name));
    return {};
}

/// Opens the folder that `folder` names inside the root, through links that this layer made, and
/// makes what is missing.
Result<void> Unpacker::open_parent(const std::string& folder, int links_followed) {
    if (folder == parent_path_) return {};
    Result<UniqueFd> found =
        sys::open_in_root(root_, folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
    // ENOTDIR: perhaps the whiteout of what stood there before.
    if (!found &&
        (found.error().error_number() == ENOENT || found.error().error_number() == ENOTDIR)) {
        const std::size_t slash = folder.rfind('/');
        TRY(open_parent(slash == std::string::npos ? std::string() : folder.substr(0, slash),
                        links_followed));
        const std::string name = slash == std::string::npos ? folder : folder.substr(slash + 1);
        if (::mkdirat(parent_.get(), name.c_str(), 0755) == -1) {
            if (errno != EEXIST) return sys::failed("mkdir(2)");
            if (const std::optional<std::string> target = link_target(name)) {
                TRY(open_link(folder, *target, links_followed));
                parent_path_ = folder;
                return {};
            }
            if (!is_whiteout(name)) return hostile(folder, "is no folder, but has entries in it");
            TRY(make_over_whiteout(name));
        }
        // Whoever runs davit may have an umask of 077; the container's users still must get in.
        if (::fchmodat(parent_.get(), name.c_str(), 0755, 0) == -1)
            return sys::failed("fchmodat(2)");
        // Not the time of now: the same layer is to give the same tree, which `check` relies on.
        folder_times_.push_back({folder, time_});
        found = sys::open_in_root(root_, folder, O_RDONLY | O_DIRECTORY);
    }
    if (!found) return std::move(found).error();
    parent_ = *std::move(found);
    parent_path_ = folder;
    return {};
}

/// What the symbolic link `name` in the open parent says; nothing where it is none.
std::optional<std::string> Unpacker::link_target(const std::string& name) const {
    std::string target(kLongestPath, '\0');
    const ssize_t size = ::readlinkat(parent_.get(), name.c_str(), target.data(), target.size());
    if (size <= 0) return std::nullopt;
    target.resize(static_cast<std::size_t>(size));
    return target;
}

/// Opens what the link `folder` leads to, a folder that isn't there yet ("var/run -> /run", and
/// "run" has no entry of its own): it is made, inside the root.
Result<void> Unpacker::open_link(const std::string& folder, const std::string& target,
                                 int links_followed) {
    if (links_followed >= kMostLinks) return hostile(folder, "is a link that leads in circles");
    const std::size_t slash = folder.rfind('/');
    const std::string here = slash == std::string::npos ? std::string() : folder.substr(0, slash);
    // As an absolute path: ".." ends at the root of the layer.
    const std::string path =
        clean_path("/" + (target.front() == '/' ? target : here + "/" + target));
    return open_parent(path.substr(1), links_followed + 1);
}

Result<void> Unpacker::whiteout(const std::string& name) {
    if (name == kOpaque) return make_opaque(parent_);
    if (name.starts_with(".wh..wh.")) return {};  // book-keeping of AUFS, without meaning here
    const std::string hidden = name.substr(kWhiteout.size());
    if (hidden.empty() || hidden == "." || hidden == "..")
        return hostile(name, "is a whiteout of nothing");
    if (::mknodat(parent_.get(), hidden.c_str(), S_IFCHR, 0) == 0) return {};
    if (errno != EEXIST) return sys::failed("mknod(2)");
    // What this layer itself has under that name wins, whichever came first; of a folder, what the
    // lower layers have in it is hidden all the same.
    const UniqueFd folder(
        ::openat(parent_.get(), hidden.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return {};
    return make_opaque(folder);
}

Result<void> Unpacker::make_opaque(const UniqueFd& folder) {
    if (::fsetxattr(folder.get(), "trusted.overlay.opaque", "y", 1, 0) == -1)
        return sys::failed("fsetxattr(2)");
    return {};
}

bool Unpacker::is_whiteout(const std::string& name) const {
    struct stat info {};
    return ::fstatat(parent_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

/// A folder where this layer hid something of that name: an opaque one hides it as well.
Result<void> Unpacker::make_over_whiteout(const std::string& name) {
    TRY(remove_existing(name));
    if (::mkdirat(parent_.get(), name.c_str(), 0700) == -1) return sys::failed("mkdir(2)");
    const UniqueFd folder = TRY(sys::open_at(parent_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return make_opaque(folder);
}

Result<void> Unpacker::remove_existing(const std::string& name) {
    if (::unlinkat(parent_.get(), name.c_str(), 0) == 0) return {};
    if (errno != EISDIR && errno != EPERM) return sys::failed("unlink(2)");
    parent_path_ = "\n";  // it may be a folder we hold open beneath
    return remove_tree(fmt::format("/proc/self/fd/{}/{}", parent_.get(), name));
}

Result<void> Unpacker::make_folder(const TarEntry& entry, const std::string& path,
                                   const std::string& name) {
    if (::mkdirat(parent_.get(), name.c_str(), 0700) == -1) {
        if (errno != EEXIST) return sys::failed("mkdir(2)");
        struct stat info {};
        if (::fstatat(parent_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == -1)
            return sys::failed("stat(2)");
        if (is_whiteout(name)) {
            TRY(make_over_whiteout(name));
        } else if (!S_ISDIR(info.st_mode)) {
            TRY(remove_existing(name));
            if (::mkdirat(parent_.get(), name.c_str(), 0700) == -1) return sys::failed("mkdir(2)");
        }
    }
    const UniqueFd folder = TRY(sys::open_at(parent_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(set_attributes(entry, folder));
    folder_times_.push_back({path, entry.mtime});
    return {};
}

/// Runs `create` and, where something of that name is there already, removes it and tries again.
template <typename Create, typename Remove>
Result<void> create_anew(const char* call, Create create, Remove remove) {
    if (create() != -1) return {};
    if (errno != EEXIST) return sys::failed(call);
    TRY(remove());
    if (create() == -1) return sys::failed(call);
    return {};
}

Result<void> Unpacker::make(const TarEntry& entry, const std::string& name) {
    const int at = parent_.get();
    const auto remove = [&] { return remove_existing(name); };
    const dev_t device = ::makedev(entry.major, entry.minor);
    switch (entry.type) {
        case TarType::Regular: return make_regular(entry, name);
        case TarType::HardLink: return make_hard_link(entry, name);
        case TarType::SymLink:
            TRY(create_anew(
                "symlink(2)", [&] { return ::symlinkat(entry.link.c_str(), at, name.c_str()); },
                remove));
            break;
        case TarType::CharDevice:
            TRY(create_anew(
                "mknod(2)", [&] { return ::mknodat(at, name.c_str(), S_IFCHR | 0600, device); },
                remove));
            break;
        case TarType::BlockDevice:
            TRY(create_anew(
                "mknod(2)", [&] { return ::mknodat(at, name.c_str(), S_IFBLK | 0600, device); },
                remove));
            break;
        case TarType::Fifo:
            TRY(create_anew(
                "mkfifo(3)", [&] { return ::mkfifoat(at, name.c_str(), 0600); }, remove));
            break;
        case TarType::Directory: break;
    }
    return set_attributes_by_name(entry, name);
}

Result<void> Unpacker::make_regular(const TarEntry& entry, const std::string& name) {
    UniqueFd file;
    TRY(create_anew(
        "open(2)",
        [&] {
            file.reset(::openat(parent_.get(), name.c_str(),
                                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
            return file.get();
        },
        [&] { return remove_existing(name); }));
    TRY(content_.write(entry, file));
    TRY(set_attributes(entry, file));
    const timespec times[2] = {entry.mtime, entry.mtime};
    if (::futimens(file.get(), times) == -1) return sys::failed("futimens(2)");
    return {};
}

Result<void> Unpacker::make_hard_link(const TarEntry& entry, const std::string& name) {
    const std::string target_path = TRY(normalize(entry.link));
    if (target_path.empty()) return hostile(entry.path, "is a hard link to nothing");
    // Looked up inside the layer alone and not through a link at its end: never a file of the host.
    Result<UniqueFd> target = sys::open_in_root(root_, target_path, O_PATH | O_NOFOLLOW);
    if (!target) {
        if (target.error().error_number() != ENOENT) return std::move(target).error();
        return hostile(entry.path, fmt::format("is a hard link to '{}', which the layer does not "
                                               "have",
                                               printable(entry.link)));
    }
    struct stat info {};
    if (::fstat(target->get(), &info) == -1) return sys::failed("fstat(2)");
    if (S_ISDIR(info.st_mode)) return hostile(entry.path, "is a hard link to a folder");
    return create_anew(
        "link(2)",
        [&] { return ::linkat(target->get(), "", parent_.get(), name.c_str(), AT_EMPTY_PATH); },
        [&] { return remove_existing(name); });
}

/// Owner first: chown(2) clears setuid bits and file capabilities.
Result<void> Unpacker::set_attributes(const TarEntry& entry, const UniqueFd& fd) {
    if (::fchown(fd.get(), entry.uid, entry.gid) == -1) return sys::failed("fchown(2)");
    if (::fchmod(fd.get(), entry.mode) == -1) return sys::failed("fchmod(2)");
    if (entry.xattrs.empty()) return {};
    return set_xattrs(entry, fmt::format("/proc/self/fd/{}", fd.get()), false);
}

Result<void> Unpacker::set_attributes_by_name(const TarEntry& entry, const std::string& name) {
    const int at = parent_.get();
    if (::fchownat(at, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("fchownat(2)");
    // Made by us a moment ago and no link: the name still is what it was.
    if (entry.type != TarType::SymLink && ::fchmodat(at, name.c_str(), entry.mode, 0) == -1)
        return sys::failed("fchmodat(2)");
    // By a path that can't be led astray: no call takes the attributes of a link by descriptor.
    TRY(set_xattrs(entry, fmt::format("/proc/self/fd/{}/{}", at, name), true));
    const timespec times[2] = {entry.mtime, entry.mtime};
    if (::utimensat(at, name.c_str(), times, AT_SYMLINK_NOFOLLOW) == -1)
        return sys::failed("utimensat(2)");
    return {};
}

/// Last, since every entry made in a folder changes its time.
Result<void> Unpacker::set_folder_times() {
    for (const FolderTime& folder : folder_times_) {
        const Result<UniqueFd> fd =
            sys::open_in_root(root_, folder.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!fd) continue;  // replaced by something else later in the archive
        const timespec times[2] = {folder.time, folder.time};
        if (::futimens(fd->get(), times) == -1) return sys::failed("futimens(2)");
    }
    return {};
}

}  // namespace

Result<void> set_xattrs(const TarEntry& entry, const std::string& path, bool by_name) {
    // The handle of an open file is itself a link: it must be followed, and a name must not.
    const auto set = by_name ? ::lsetxattr : ::setxattr;
    for (const auto& [name, value] : entry.xattrs) {
        // An archive may not speak overlayfs' own language: it would move or hide other layers'
        // files.
        if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
        if (set(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
        // Not every file system and kind of file takes every attribute; all else is a layer that
        // would not be what its image says.
        if (errno == ENOSPC || errno == E2BIG)  // the disk is not what is full
            return hostile(entry.path, "has more attributes than a file system takes");
        if (errno != ENOTSUP && errno != EPERM)
            return sys::failed("setxattr(2)").doing("set attribute '{}'", printable(name));
        log::debug("image", "cannot set attribute '{}' of '{}' (errno {}), ignoring",
                   printable(name), printable(entry.path), errno);
    }
    return {};
}

Result<Unpacked> unpack_layer(ByteSource& tar, const UniqueFd& root, const UnpackLimits& limits) {
    return Unpacker(tar, root, limits).run();
}

}  // namespace davit::image
