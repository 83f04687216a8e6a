#include "stack/copy.h"

#include "base/file.h"
#include "base/log.h"
#include "base/made_file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "stack/copy_root.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

Error failed(const char* call, const std::string& name) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("copy '{}'", name);
}

/// Whose the copy of what belongs to this id is.
using NewOwner = std::function<std::uint32_t(std::uint32_t)>;

/// One copy. What it makes is known by its descriptors: in the folders of a container that runs,
/// names are the container's to change.
class Copier {
public:
    explicit Copier(NewOwner new_owner, bool to_host = false)
        : new_owner_(std::move(new_owner)), to_host_(to_host) {}

    Result<void> copy(const FileObject& from, const UniqueFd& folder,
                      const std::string& name) const {
        switch (from.info.st_mode & S_IFMT) {
            case S_IFDIR: return copy_folder(from, folder, name);
            case S_IFLNK: return copy_link(from, folder, name);
            case S_IFREG: return copy_file(from, folder, name);
            case S_IFSOCK: return {};  // nothing to be copied, as tar has it
            default: break;
        }
        // Inside, device rules and nodev keep it from doing anything.
        if (to_host_ && !S_ISFIFO(from.info.st_mode)) {
            log::warn("stack", "'{}' is a device node, leaving it out", printable(name));
            return {};
        }
        if (::mknodat(folder.get(), name.c_str(), from.info.st_mode, from.info.st_rdev) == -1 &&
            errno != EEXIST)
            return failed("mknod(2)", name);
        const UniqueFd made = TRY(open_made(folder, name, from.info.st_mode & S_IFMT));
        return finish(from, made, name);
    }

    Result<void> copy_contents(const FileObject& from, const UniqueFd& folder) const {
        const UniqueFd readable = TRY(reopen(from.fd, O_RDONLY | O_DIRECTORY));
        const auto names = TRY(list_directory(fmt::format("/proc/self/fd/{}", readable.get())));
        for (const std::string& name : names) {
            FileObject child;
            child.fd = TRY(sys::open_at(readable, name, O_PATH | O_NOFOLLOW));
            if (::fstat(child.fd.get(), &child.info) == -1) return failed("fstat(2)", name);
            TRY(copy(child, folder, name));
        }
        return {};
    }

    /// Of a folder only itself.
    Result<void> copy_alone(const FileObject& from, const UniqueFd& folder,
                            const std::string& name) const {
        return S_ISDIR(from.info.st_mode) ? copy_folder(from, folder, name, false)
                                          : copy(from, folder, name);
    }

private:
    Result<void> copy_folder(const FileObject& from, const UniqueFd& folder,
                             const std::string& name, bool with_contents = true) const {
        if (::mkdirat(folder.get(), name.c_str(), 0700) == -1 && errno != EEXIST)
            return failed("mkdir(2)", name);
        const UniqueFd made = TRY(sys::open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        if (with_contents) TRY(copy_contents(from, made));
        return finish(from, made, name);
    }

    Result<void> copy_link(const FileObject& from, const UniqueFd& folder,
                           const std::string& name) const {
        std::array<char, 4096> target{};
        const ssize_t size = ::readlinkat(from.fd.get(), "", target.data(), target.size() - 1);
        if (size == -1) return failed("readlink(2)", name);
        (void)::unlinkat(folder.get(), name.c_str(), 0);
        if (::symlinkat(target.data(), folder.get(), name.c_str()) == -1)
            return failed("symlink(2)", name);
        const UniqueFd made = TRY(open_made(folder, name, S_IFLNK));
        return finish(from, made, name);
    }

    Result<void> copy_file(const FileObject& from, const UniqueFd& folder,
                           const std::string& name) const {
        const UniqueFd source = TRY(reopen(from.fd, O_RDONLY));
        const UniqueFd target = TRY(open_target(folder, name));
        std::array<char, 1U << 16U> buffer;
        for (;;) {
            const ssize_t got = sys::retry_on_eintr(
                [&] { return ::read(source.get(), buffer.data(), buffer.size()); });
            if (got == -1) return failed("read(2)", name);
            if (got == 0) break;
            TRY(write_all(target, {buffer.data(), static_cast<std::size_t>(got)}));
        }
        return finish(from, target, name);
    }

    /// The file to write to, new or emptied. A link makes room; anything else stays: a FIFO would
    /// have the copy wait for ever, a device would do something.
    static Result<UniqueFd> open_target(const UniqueFd& folder, const std::string& name) {
        struct stat there {};
        const auto refused = [&name] {
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is there and is no regular file", name))
                .help("remove it first, or choose another name");
        };
        if (::fstatat(folder.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISLNK(there.st_mode)) (void)::unlinkat(folder.get(), name.c_str(), 0);
            if (!S_ISLNK(there.st_mode) && !S_ISREG(there.st_mode)) return refused();
        }
        UniqueFd target = TRY(sys::open_at(
            folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
        if (::fstat(target.get(), &there) == -1) return failed("fstat(2)", name);
        if (!S_ISREG(there.st_mode)) return refused();
        if (::ftruncate(target.get(), 0) == -1) return failed("ftruncate(2)", name);
        return target;
    }

    /// Owner, mode and times, in this order: changing the owner clears set-user-id bits.
    Result<void> finish(const FileObject& from, const UniqueFd& made,
                        const std::string& name) const {
        const std::uint32_t uid = new_owner_(from.info.st_uid);
        const std::uint32_t gid = new_owner_(from.info.st_gid);
        TRY_DOING(set_owner(made, uid, gid), "copy '{}'", name);
        mode_t mode = from.info.st_mode & 07777U;
        // A program of a container's root would become one of the host's, for every user to run.
        const bool powerful = uid == 0 || gid == 0 || uid == ::geteuid();
        if (to_host_ && powerful) mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
        if (!S_ISLNK(from.info.st_mode)) TRY_DOING(set_mode(made, mode), "copy '{}'", name);
        (void)set_times(made, from.info.st_atim, from.info.st_mtim);
        return {};
    }

    NewOwner new_owner_;
    bool to_host_;
};

std::string base_name(const std::string& path) {
    const std::string clean = clean_path(path);
    return clean.substr(clean.rfind('/') + 1);
}

/// The folder `path` in a root, made with those above it where it is missing.
Result<UniqueFd> folder_in(const UniqueFd& root, const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (!part.empty() && !look_up(root, part, true)) {
            const std::size_t last = part.rfind('/');
            const FileObject above = TRY(look_up(root, part.substr(0, last) + "/", true));
            const UniqueFd folder = TRY(reopen(above.fd, O_RDONLY | O_DIRECTORY));
            const std::string name = part.substr(last + 1);
            if (::mkdirat(folder.get(), name.c_str(), 0755) == 0) {
                // Whatever the umask of who calls: others than root are to get in.
                const UniqueFd made = TRY(open_made(folder, name, S_IFDIR));
                TRY_DOING(set_mode(made, 0755), "copy '{}'", part);
            } else if (errno != EEXIST) {
                return failed("mkdir(2)", part);
            }
        }
        if (slash == std::string::npos) break;
    }
    const FileObject folder = TRY(look_up(root, path + "/", true));
    return reopen(folder.fd, O_RDONLY | O_DIRECTORY);
}

Result<void> copy_exactly(const FileObject& source, const UniqueFd& to_root,
                          const CopyRequest& request, const Copier& copier) {
    const std::string clean = clean_path("/" + request.to);
    if (clean == "/" && request.alone) return {};  // it is there
    if (clean == "/") return copier.copy_contents(source, TRY(folder_in(to_root, "")));
    const std::size_t slash = clean.rfind('/');
    const UniqueFd folder = TRY(folder_in(to_root, clean.substr(0, slash)));
    const std::string name = clean.substr(slash + 1);
    return request.alone ? copier.copy_alone(source, folder, name)
                         : copier.copy(source, folder, name);
}

/// The copy itself, between two roots. @source docker cp, "Description"
Result<void> copy_between(const UniqueFd& from_root, const UniqueFd& to_root,
                          const CopyRequest& request, const Copier& copier) {
    const bool contents = request.from.ends_with("/.") || request.from == ".";
    const FileObject source =
        TRY(look_up(from_root, request.from, request.follow_link || contents));
    const bool is_folder = S_ISDIR(source.info.st_mode);
    if (request.exactly) return copy_exactly(source, to_root, request, copier);
    const Result<FileObject> there = look_up(to_root, request.to, true);
    if (there && S_ISDIR(there->info.st_mode)) {
        const UniqueFd folder = TRY(reopen(there->fd, O_RDONLY | O_DIRECTORY));
        const std::string name = base_name(request.from);
        // "." and "/" have no name of their own: what is in them is copied.
        if (is_folder && (contents || name.empty() || name == "."))
            return copier.copy_contents(source, folder);
        return copier.copy(source, folder, name);
    }
    if (there && is_folder)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is a file, and '{}' a folder", request.to, request.from))
            .help("name a folder to copy into");
    if (!there && there.error().kind() != ErrorKind::NotFound) return there.error();
    if (!there && !is_folder && request.to.ends_with('/'))
        return Error(ErrorKind::NotFound, fmt::format("no folder '{}'", request.to))
            .help("make it first, or leave the '/' out");
    const std::string clean = clean_path("/" + request.to);
    const std::size_t slash = clean.rfind('/');
    const FileObject parent = TRY(look_up(to_root, clean.substr(0, slash) + "/", true));
    const UniqueFd folder = TRY(reopen(parent.fd, O_RDONLY | O_DIRECTORY));
    return copier.copy(source, folder, clean.substr(slash + 1));
}

}  // namespace

Result<void> copy_out(const ContainerView& view, const CopyRequest& request) {
    const UniqueFd inside = TRY(root_of(view));
    const UniqueFd host = TRY(sys::open("/", O_PATH | O_DIRECTORY));
    const auto new_owner = [&](std::uint32_t id) {
        return request.archive ? id_inside(view.record.uid_base, id) : ::geteuid();
    };
    const Copier copier(new_owner, true);
    return copy_between(inside, host, request, copier);
}

Result<void> copy_in(const ContainerView& view, const CopyRequest& request) {
    const UniqueFd inside = TRY(root_of(view));
    const UniqueFd host = TRY(sys::open("/", O_PATH | O_DIRECTORY));
    const FileOwner owner(view.record.uid_base);
    const Copier copier([&](std::uint32_t id) {
        return request.archive ? id_on_host(view.record.uid_base, id) : view.record.uid_base;
    });
    return copy_between(host, inside, request, copier);
}

Result<void> remove_in(const ContainerView& view, const std::string& path) {
    const UniqueFd inside = TRY(root_of(view));
    const std::string clean = clean_path("/" + path);
    if (clean == "/")
        return Error(ErrorKind::InvalidInput, "the root of a container is not taken out of it")
            .help("name what is in it");
    const std::size_t slash = clean.rfind('/');
    const Result<FileObject> parent = look_up(inside, clean.substr(0, slash) + "/", true);
    if (!parent && parent.error().kind() == ErrorKind::NotFound) return {};
    if (!parent) return parent.error();
    const UniqueFd folder = TRY(reopen(parent->fd, O_RDONLY | O_DIRECTORY));
    const FileOwner owner(view.record.uid_base);
    return remove_tree(fmt::format("/proc/self/fd/{}/{}", folder.get(), clean.substr(slash + 1)));
}

}  // namespace davit::stack
