#include "runtime/detached.h"

#include "base/assert.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::runtime {
Result<UniqueFd> clone_mount(const std::string& path, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U);
    const int fd = ::open_tree(AT_FDCWD, path.c_str(), flags);
    if (fd == -1) return sys::failed("open_tree(2)").doing("take the mount of '{}'", path);
    return UniqueFd(fd);
}

Result<UniqueFd> clone_beneath(const std::string& path, const std::string& subpath,
                               bool recursive) {
    if (subpath.empty()) return clone_mount(path, recursive);
    const UniqueFd top = TRY(sys::open(path, O_PATH | O_DIRECTORY));
    const UniqueFd inside =
        TRY_DOING(sys::open_in_root(top, subpath, O_PATH), "find '{}' in '{}'", subpath, path);
    const unsigned flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                           (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    const int fd = ::open_tree(inside.get(), "", flags);
    if (fd == -1)
        return sys::failed("open_tree(2)").doing("take the mount of '{}' in '{}'", subpath, path);
    return UniqueFd(fd);
}

Result<void> set_attributes(const UniqueFd& mount, const AttributeCall& call) {
    mount_attr attributes{};
    attributes.attr_set = call.set;
    attributes.attr_clr = call.clear;
    attributes.propagation = call.propagation;
    if (call.user_namespace >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = static_cast<__u64>(call.user_namespace);
    }
    if (((call.set | call.clear) & MOUNT_ATTR__ATIME) != 0)
        attributes.attr_clr |= MOUNT_ATTR__ATIME;
    if (attributes.attr_set == 0 && attributes.attr_clr == 0 && attributes.propagation == 0)
        return {};
    const unsigned flags = AT_EMPTY_PATH | (call.recursive ? AT_RECURSIVE : 0U);
    if (::mount_setattr(mount.get(), "", flags, &attributes, sizeof attributes) == -1)
        return sys::failed("mount_setattr(2)");
    return {};
}

Result<void> idmap(const UniqueFd& mount, const UniqueFd& user_namespace, bool recursive,
                   const std::string& path) {
    if (!user_namespace) return {};
    Result<void> done =
        set_attributes(mount, {.user_namespace = user_namespace.get(), .recursive = recursive});
    if (done) return {};
    return std::move(done)
        .error()
        .doing("map the ids of '{}'", path)
        .help("its file system can't be idmapped; use another one, or userns_mode: host");
}

Result<UniqueFd> new_detached(const std::string& type,
                              const std::vector<std::pair<std::string, std::string>>& data,
                              std::uint64_t attributes) {
    const UniqueFd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
    if (!context) return sys::failed("fsopen(2)").doing("make a '{}'", type);
    for (const auto& [key, value] : data) {
        const bool flag = value.empty();
        if (::fsconfig(context.get(), flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key.c_str(),
                       flag ? nullptr : value.c_str(), 0) == -1)
            return sys::failed("fsconfig(2)").doing("set option '{}' of a '{}'", key, type);
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1)
        return sys::failed("fsconfig(2)").doing("make a '{}'", type);
    UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
    if (!mount) return sys::failed("fsmount(2)").doing("make a '{}'", type);
    return mount;
}

Result<MountWorkshop> MountWorkshop::open() {
    UniqueFd home = TRY(sys::open("/proc/self/ns/mnt", O_RDONLY));
    UniqueFd folder = TRY(sys::open(".", O_PATH | O_DIRECTORY));
    const UniqueFd bench = TRY(new_detached("tmpfs", {}, 0));
    if (::unshare(CLONE_NEWNS) == -1) return sys::failed("unshare(2)");
    MountWorkshop workshop(std::move(home), std::move(folder));
    TRY(sys::mount({.target = "/", .flags = MS_REC | MS_PRIVATE}));
    // Laid over "/", as the child does with its root: no folder of the host is needed.
    if (::move_mount(bench.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == -1)
        return sys::failed("move_mount(2)");
    if (::fchdir(bench.get()) == -1) return sys::failed("fchdir(2)");
    return workshop;
}

MountWorkshop::~MountWorkshop() {
    if (home_) DAVIT_ASSERT(::setns(home_.get(), CLONE_NEWNS) == 0 && ::fchdir(folder_.get()) == 0);
}

Result<void> MountWorkshop::attach(const UniqueFd& mount, const std::string& name) const {
    if (::mkdir(name.c_str(), 0700) == -1) return sys::failed("mkdir(2)");
    if (::move_mount(mount.get(), "", AT_FDCWD, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == -1)
        return sys::failed("move_mount(2)");
    return {};
}

std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
    for (const IdMapping& m : mappings) {
        if (id >= m.container_id && id - m.container_id < m.size)
            return m.host_id + (id - m.container_id);
    }
    return id;
}

}  // namespace davit::runtime
