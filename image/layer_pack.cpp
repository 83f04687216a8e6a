#include "image/layer_pack.h"

#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/tar_writer.h"
#include "image/whiteout.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace davit::image {
namespace {

Error refused(const std::string& path, std::string_view why) {
    return Error(ErrorKind::InvalidInput, fmt::format("'{}' {}", printable(path), why));
}

/// The owner `id` on disk as the container sees it; nothing where it is none of its own.
std::optional<std::uint32_t> inside(const std::vector<IdRange>& ranges, std::uint32_t id) {
    if (ranges.empty()) return id;
    for (const IdRange& range : ranges)
        if (id >= range.host && id - range.host < range.size)
            return range.container + (id - range.host);
    return std::nullopt;
}

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

Result<std::vector<std::string>> names_in(UniqueFd folder) {
    const std::unique_ptr<DIR, CloseDir> stream(::fdopendir(folder.get()));
    if (!stream) return sys::failed("fdopendir(3)");
    (void)folder.release();  // the stream closes it
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe)
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// The value of one extended attribute; nothing where it can't be had.
std::optional<std::string> xattr_of(const std::string& handle, const std::string& name) {
    std::string value(65536, '\0');  // the kernel's limit
    const ssize_t size = ::getxattr(handle.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) return std::nullopt;
    value.resize(static_cast<std::size_t>(size));
    return value;
}

/// A file capability of the container's own user namespace (version 3) as one of the image
/// (version 2), which has no user namespace. @source linux/capability.h
std::string plain_capability(std::string value, const std::vector<IdRange>& uids) {
    std::uint32_t magic = 0;
    std::uint32_t root = 0;
    if (value.size() != XATTR_CAPS_SZ_3) return value;
    std::memcpy(&magic, value.data(), sizeof magic);
    std::memcpy(&root, value.data() + XATTR_CAPS_SZ_2, sizeof root);
    if (inside(uids, root) != 0U) return value;
    magic = VFS_CAP_REVISION_2 | (magic & VFS_CAP_FLAGS_EFFECTIVE);
    value.resize(XATTR_CAPS_SZ_2);
    std::memcpy(value.data(), &magic, sizeof magic);
    return value;
}

class Packer {
public:
    Packer(const UniqueFd& root, ByteSink& sink, const PackOptions& options)
        : root_(root), writer_(sink), options_(options) {}

    Result<Packed> run() {
        TRY(pack_folder(""));
        TRY(writer_.finish());
        return done_;
    }

private:
    bool may_be_gone(const Error& error) const {
        return options_.live && (error.error_number() == ENOENT || error.error_number() == ENOTDIR);
    }
    Result<void> pack_folder(const std::string& folder);
    Result<void> pack(const UniqueFd& parent, const std::string& name, const std::string& path);
    Result<void> add_attributes(TarEntry& entry, const UniqueFd& handle, const struct stat& info);
    Result<bool> add_content(TarEntry& entry, const UniqueFd& parent, const std::string& name);
    Result<void> mark(const std::string& path);

    const UniqueFd& root_;
    TarWriter writer_;
    const PackOptions& options_;
    Packed done_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;  ///< First names of files with several.
    std::vector<char> buffer_ = std::vector<char>(256U << 10U);
};

/// One descriptor at a time, whatever the depth: each folder is looked up from the root.
Result<void> Packer::pack_folder(const std::string& folder) {
    Result<UniqueFd> opened = sys::open_in_root(root_, folder.empty() ? "." : folder,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!opened && may_be_gone(opened.error())) return {};
    const UniqueFd here = TRY(std::move(opened));
    UniqueFd listed = TRY(sys::open_at(here, ".", O_RDONLY | O_DIRECTORY));
    const std::vector<std::string> names = TRY(names_in(std::move(listed)));
    std::vector<std::string> folders;
    for (const std::string& name : names) {
        const std::string path = folder.empty() ? name : folder + "/" + name;
        if (options_.wanted && !options_.wanted(path)) continue;
        TRY_DOING(pack(here, name, path), "pack '{}'", printable(path));
        struct stat info {};
        if (::fstatat(here.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(info.st_mode))
            folders.push_back(path);
    }
    for (const std::string& inner : folders) TRY(pack_folder(inner));
    return {};
}

/// An empty file whose name says something to whoever unpacks the layer; its time says nothing.
Result<void> Packer::mark(const std::string& path) {
    TarEntry entry;
    entry.path = path;
    ++done_.entries;
    return writer_.begin(entry);
}

Result<void> Packer::pack(const UniqueFd& parent, const std::string& name,
                          const std::string& path) {
    Result<UniqueFd> opened = sys::open_at(parent, name, O_PATH | O_NOFOLLOW);
    if (!opened && may_be_gone(opened.error())) return {};
    const UniqueFd handle = TRY(std::move(opened));
    struct stat info {};
    if (::fstat(handle.get(), &info) == -1) return sys::failed("fstat(2)");
    TarEntry entry;
    entry.path = path;
    entry.mode = info.st_mode & 07777U;
    entry.mtime = info.st_mtim;
    if (options_.latest_mtime && entry.mtime.tv_sec >= *options_.latest_mtime)
        entry.mtime = {static_cast<std::time_t>(*options_.latest_mtime), 0};
    if (options_.overlay && S_ISCHR(info.st_mode) && info.st_rdev == 0) {
        const std::size_t slash = path.rfind('/');
        const std::size_t at = slash == std::string::npos ? 0 : slash + 1;
        return mark(path.substr(0, at) + ".wh." + path.substr(at));
    }
    if (name.starts_with(".wh.") && options_.overlay)
        return refused(path, "has a name that means something else in a layer");
    if (S_ISSOCK(info.st_mode)) {
        log::debug("image", "leaving out the socket '{}'", printable(path));
        return {};
    }
    const std::pair file(info.st_dev, info.st_ino);
    const bool several = !S_ISDIR(info.st_mode) && info.st_nlink > 1;
    if (const auto first = linked_.find(file); several && first != linked_.end()) {
        entry.type = TarType::HardLink;
        entry.link = first->second;
    }
    TRY(add_attributes(entry, handle, info));
    ++done_.entries;
    if (entry.type == TarType::HardLink) return writer_.begin(entry);
    switch (info.st_mode & S_IFMT) {
        case S_IFREG:
            // One that has just vanished was not written: no other name can be a link to it.
            if (TRY(add_content(entry, parent, name)) && several) linked_.emplace(file, path);
            return {};
        case S_IFDIR: entry.type = TarType::Directory; break;
        case S_IFIFO: entry.type = TarType::Fifo; break;
        case S_IFLNK: {
            entry.type = TarType::SymLink;
            std::string target(PATH_MAX, '\0');
            const ssize_t size = ::readlinkat(handle.get(), "", target.data(), target.size());
            if (size == -1) return sys::failed("readlink(2)");
            entry.link = target.substr(0, static_cast<std::size_t>(size));
            break;
        }
        default:
            entry.type = S_ISCHR(info.st_mode) ? TarType::CharDevice : TarType::BlockDevice;
            entry.major = ::major(info.st_rdev);
            entry.minor = ::minor(info.st_rdev);
    }
    if (entry.type != TarType::Directory) {
        if (several) linked_.emplace(file, path);
        return writer_.begin(entry);
    }
    entry.path += "/";
    TRY(writer_.begin(entry));
    const std::string proc = fmt::format("/proc/self/fd/{}/.", handle.get());
    const bool opaque = xattr_of(proc, "trusted.overlay.opaque") == "y" ||
                        xattr_of(proc, "user.overlay.opaque") == "y";
    if (options_.overlay && opaque) return mark(entry.path + std::string(kOpaque));
    return {};
}

Result<void> Packer::add_attributes(TarEntry& entry, const UniqueFd& handle,
                                    const struct stat& info) {
    const auto uid = inside(options_.uids, info.st_uid);
    const auto gid = inside(options_.gids, info.st_gid);
    if (!uid || !gid)
        return refused(entry.path, fmt::format("belongs to {}:{}, which is no owner of the "
                                               "container's",
                                               info.st_uid, info.st_gid));
    entry.uid = *uid;
    entry.gid = *gid;
    // Links and devices carry none that a layer keeps, and O_PATH gives no other way to ask.
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return {};
    if (entry.type == TarType::HardLink) return {};
    const std::string proc =
        fmt::format("/proc/self/fd/{}{}", handle.get(), S_ISDIR(info.st_mode) ? "/." : "");
    std::string names(65536, '\0');
    const ssize_t size = ::listxattr(proc.c_str(), names.data(), names.size());
    if (size <= 0) return {};  // none, or a file system without any
    for (const std::string& name :
         split(std::string_view(names).substr(0, static_cast<std::size_t>(size)), '\0')) {
        if (name == "trusted.overlay.metacopy" || name == "trusted.overlay.redirect")
            return refused(entry.path,
                           "is kept by overlayfs in a form that has not all of it "
                           "(metacopy or redirect_dir)");
        const bool capability = name == "security.capability";
        if (!capability && (!name.starts_with("user.") || name.starts_with("user.overlay.")))
            continue;
        std::optional<std::string> value = xattr_of(proc, name);
        if (!value) continue;
        entry.xattrs[name] =
            capability ? plain_capability(*std::move(value), options_.uids) : *std::move(value);
    }
    return {};
}

/// Whether it was written: of a container that runs, files may vanish.
Result<bool> Packer::add_content(TarEntry& entry, const UniqueFd& parent, const std::string& name) {
    Result<UniqueFd> opened = sys::open_at(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!opened && may_be_gone(opened.error())) return false;
    const UniqueFd file = TRY(std::move(opened));
    struct stat info {};
    if (::fstat(file.get(), &info) == -1) return sys::failed("fstat(2)");
    if (!S_ISREG(info.st_mode)) {
        if (options_.live) return false;
        return refused(entry.path, "changed while it was read");
    }
    entry.size = info.st_size;
    TRY(writer_.begin(entry));
    for (std::int64_t left = entry.size; left > 0;) {
        const auto wanted = std::min<std::int64_t>(left, static_cast<std::int64_t>(buffer_.size()));
        ssize_t got = sys::retry_on_eintr(
            [&] { return ::read(file.get(), buffer_.data(), static_cast<std::size_t>(wanted)); });
        if (got == -1) return sys::failed("read(2)");
        if (got == 0 && options_.live) {
            std::fill_n(buffer_.begin(), wanted, '\0');
            got = wanted;
        }
        if (got == 0) return refused(entry.path, "became shorter while it was read");
        TRY(writer_.write({buffer_.data(), static_cast<std::size_t>(got)}));
        left -= got;
    }
    done_.bytes += entry.size;
    return true;
}

}  // namespace

Result<Packed> pack_layer(const UniqueFd& root, ByteSink& sink, const PackOptions& options) {
    return Packer(root, sink, options).run();
}

}  // namespace davit::image
