#include "stack/copy_tar.h"

#include "base/file.h"
#include "base/made_file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/tar_content.h"
#include "image/tar_writer.h"
#include "stack/copy_root.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::stack {
namespace {

using image::TarEntry;
using image::TarType;

Error failed(const char* call, const std::string& name) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("copy '{}'", printable(name));
}

// --- out ---

class TarMaker {
public:
    TarMaker(std::uint32_t uid_base, image::ByteSink& sink) : base_(uid_base), writer_(sink) {}

    Result<void> add(const FileObject& object, const std::string& name) {
        TarEntry entry;
        entry.path = name;
        entry.mode = object.info.st_mode & 07777U;
        entry.uid = id_inside(base_, object.info.st_uid);
        entry.gid = id_inside(base_, object.info.st_gid);
        entry.mtime = object.info.st_mtim;
        entry.major = ::gnu_dev_major(object.info.st_rdev);
        entry.minor = ::gnu_dev_minor(object.info.st_rdev);
        switch (object.info.st_mode & S_IFMT) {
            case S_IFDIR: return add_folder(object, std::move(entry));
            case S_IFREG: return add_file(object, std::move(entry));
            case S_IFLNK: {
                std::array<char, 4096> target{};
                const ssize_t size =
                    ::readlinkat(object.fd.get(), "", target.data(), target.size() - 1);
                if (size == -1) return failed("readlink(2)", name);
                entry.type = TarType::SymLink;
                entry.link.assign(target.data(), static_cast<std::size_t>(size));
                break;
            }
            case S_IFCHR: entry.type = TarType::CharDevice; break;
            case S_IFBLK: entry.type = TarType::BlockDevice; break;
            case S_IFIFO: entry.type = TarType::Fifo; break;
            default: return {};  // a socket: nobody listens at a copy
        }
        return writer_.begin(entry);
    }

    Result<void> finish() { return writer_.finish(); }

private:
    Result<void> add_folder(const FileObject& object, TarEntry entry) {
        const std::string name = entry.path;
        entry.type = TarType::Directory;
        entry.path += '/';
        TRY(writer_.begin(entry));
        const UniqueFd folder = TRY(reopen(object.fd, O_RDONLY | O_DIRECTORY));
        for (const std::string& child :
             TRY(list_directory(fmt::format("/proc/self/fd/{}", folder.get())))) {
            FileObject inner;
            inner.fd = TRY(sys::open_at(folder, child, O_PATH | O_NOFOLLOW));
            if (::fstat(inner.fd.get(), &inner.info) == -1) return failed("fstat(2)", child);
            TRY(add(inner, name + "/" + child));
        }
        return {};
    }

    Result<void> add_file(const FileObject& object, TarEntry entry) {
        const UniqueFd file = TRY(reopen(object.fd, O_RDONLY));
        entry.size = object.info.st_size;
        TRY(writer_.begin(entry));
        std::array<char, 1U << 16U> buffer;
        std::int64_t left = entry.size;
        while (left > 0) {
            const std::size_t most =
                static_cast<std::size_t>(std::min<std::int64_t>(left, buffer.size()));
            const ssize_t got =
                sys::retry_on_eintr([&] { return ::read(file.get(), buffer.data(), most); });
            if (got == -1) return failed("read(2)", entry.path);
            if (got == 0)
                return Error(ErrorKind::Busy, fmt::format("'{}' became shorter while it was copied",
                                                          printable(entry.path)))
                    .help("try again when nothing writes to it");
            TRY(writer_.write({buffer.data(), static_cast<std::size_t>(got)}));
            left -= got;
        }
        return {};
    }

    std::uint32_t base_;
    image::TarWriter writer_;
};

// --- in ---

class TarPlacer {
public:
    TarPlacer(image::TarReader& reader, const UniqueFd& root, std::string folder,
              std::uint32_t uid_base, bool archive)
        : content_(reader, limits_),
          root_(root),
          folder_(std::move(folder)),
          base_(uid_base),
          archive_(archive) {}

    Result<void> place(const TarEntry& entry) {
        // Without "..": an archive's own paths stay below the folder.
        const std::string path = clean_path("/" + entry.path);
        if (path == "/") return {};
        const std::size_t slash = path.rfind('/');
        const std::string name = path.substr(slash + 1);
        const UniqueFd parent = TRY(open_parent(path.substr(0, slash)));
        if (entry.type != TarType::Directory) TRY(make_room(parent, name, path));
        if (entry.type == TarType::HardLink) return link(entry, parent, name, path);
        const UniqueFd made = TRY(make(entry, parent, name, path));
        return finish(entry, made, path);
    }

private:
    /// What is made is known by its descriptor: its name is the container's to change.
    Result<UniqueFd> make(const TarEntry& entry, const UniqueFd& parent, const std::string& name,
                          const std::string& path) {
        switch (entry.type) {
            case TarType::Directory:
                if (::mkdirat(parent.get(), name.c_str(), 0700) == -1 && errno != EEXIST)
                    return failed("mkdir(2)", path);
                return open_made(parent, name, S_IFDIR);
            case TarType::Regular: return write_file(entry, parent, name);
            case TarType::SymLink:
                if (::symlinkat(entry.link.c_str(), parent.get(), name.c_str()) == -1)
                    return failed("symlink(2)", path);
                return open_made(parent, name, S_IFLNK);
            default: return make_node(entry, parent, name, path);
        }
    }

    Result<UniqueFd> open_parent(const std::string& path) {
        std::string so_far = folder_;
        for (const std::string& part : split(path, '/')) {
            if (part.empty()) continue;
            const auto there = sys::open_in_root(root_, so_far + "/" + part, O_PATH | O_DIRECTORY);
            if (!there) {
                const UniqueFd above =
                    TRY(sys::open_in_root(root_, so_far, O_RDONLY | O_DIRECTORY));
                if (::mkdirat(above.get(), part.c_str(), 0755) == -1)
                    return failed("mkdir(2)", so_far + "/" + part);
                const UniqueFd made = TRY(open_made(above, part, S_IFDIR));
                TRY_DOING(set_owner(made, base_, base_), "copy '{}'", printable(part));
                TRY_DOING(set_mode(made, 0755), "copy '{}'", printable(part));
            }
            so_far += "/" + part;
        }
        return sys::open_in_root(root_, so_far, O_RDONLY | O_DIRECTORY);
    }

    static Result<void> make_room(const UniqueFd& parent, const std::string& name,
                                  const std::string& path) {
        if (::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
        return failed("unlink(2)", path);
    }

    Result<UniqueFd> write_file(const TarEntry& entry, const UniqueFd& parent,
                                const std::string& name) {
        UniqueFd file =
            TRY(sys::open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        TRY(content_.write(entry, file));
        return file;
    }

    static Result<UniqueFd> make_node(const TarEntry& entry, const UniqueFd& parent,
                                      const std::string& name, const std::string& path) {
        const mode_t type = entry.type == TarType::CharDevice    ? S_IFCHR
                            : entry.type == TarType::BlockDevice ? S_IFBLK
                                                                 : S_IFIFO;
        if (::mknodat(parent.get(), name.c_str(), type | 0600,
                      ::gnu_dev_makedev(entry.major, entry.minor)) == -1)
            return failed("mknod(2)", path);
        return open_made(parent, name, type);
    }

    Result<void> link(const TarEntry& entry, const UniqueFd& parent, const std::string& name,
                      const std::string& path) {
        const UniqueFd target = TRY(
            sys::open_in_root(root_, folder_ + clean_path("/" + entry.link), O_PATH | O_NOFOLLOW));
        const std::string known = fmt::format("/proc/self/fd/{}", target.get());
        if (::linkat(AT_FDCWD, known.c_str(), parent.get(), name.c_str(), AT_SYMLINK_FOLLOW) == -1)
            return failed("link(2)", path);
        return {};
    }

    /// Owner, mode and times, in this order: changing the owner clears set-user-id bits.
    Result<void> finish(const TarEntry& entry, const UniqueFd& made,
                        const std::string& path) const {
        const std::uint32_t uid = archive_ ? id_on_host(base_, entry.uid) : base_;
        const std::uint32_t gid = archive_ ? id_on_host(base_, entry.gid) : base_;
        TRY_DOING(set_owner(made, uid, gid), "copy '{}'", printable(path));
        if (entry.type != TarType::SymLink)
            TRY_DOING(set_mode(made, entry.mode), "copy '{}'", printable(path));
        (void)set_times(made, entry.mtime, entry.mtime);
        return {};
    }

    /// A small tmpfs of the container's may be filled to its end.
    image::UnpackLimits limits_{.free_bytes = 0};
    image::TarContent content_;
    const UniqueFd& root_;
    std::string folder_;
    std::uint32_t base_;
    bool archive_;
};

}  // namespace

Result<void> copy_out_tar(const ContainerView& view, const std::string& path, bool follow_link,
                          image::ByteSink& sink) {
    const UniqueFd root = TRY(root_of(view));
    const bool contents = path.ends_with("/.") || path == ".";
    const FileObject object = TRY(look_up(root, path, follow_link || contents));
    const std::string clean = clean_path("/" + path);
    const std::string name = clean.substr(clean.rfind('/') + 1);
    TarMaker maker(view.record.uid_base, sink);
    TRY(maker.add(object, contents || name.empty() ? std::string(".") : name));
    return maker.finish();
}

Result<void> copy_in_tar(const ContainerView& view, const std::string& path, bool archive,
                         image::ByteSource& source) {
    const UniqueFd root = TRY(root_of(view));
    const FileObject folder = TRY(look_up(root, path, true));
    if (!S_ISDIR(folder.info.st_mode))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("destination '{}:{}' must be a directory", view.record.name, path))
            .help("name the folder that the archive is unpacked into");
    const FileOwner owner(view.record.uid_base);
    const auto plain = TRY(image::decompress(source));
    image::TarReader reader(*plain);
    TarPlacer placer(reader, root, clean_path("/" + path), view.record.uid_base, archive);
    for (;;) {
        const std::optional<TarEntry> entry = TRY(reader.next());
        if (!entry) return {};
        TRY_DOING(placer.place(*entry), "unpack '{}'", printable(entry->path));
    }
}

}  // namespace davit::stack
