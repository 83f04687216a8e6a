#include "runtime/prepared_mounts.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/detached.h"
#include "runtime/labels.h"
#include "runtime/layers.h"
#include "runtime/namespaces.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// The user namespace whose ids the source of a bind is mapped to.
Result<UniqueFd> mapping_of(const SpecMount& mount, const MountPlace& place) {
    if (!mount.uid_mappings.empty())
        return create_user_namespace(mount.uid_mappings, mount.gid_mappings);
    if (!place.user_namespace)
        return Error(ErrorKind::InvalidInput,
                     "option 'idmap' needs mappings, or a user namespace of the container");
    return UniqueFd(::fcntl(place.user_namespace.get(), F_DUPFD_CLOEXEC, 3));
}

Result<void> prepare_bind(const SpecMount& mount, const MountOptions& options,
                          const MountPlace& place, PreparedMount& prepared) {
    // The kernel has no use for them, and engines write them all the same.
    for (const auto& [name, value] : options.data)
        log::warn("runtime", "mount option '{}' of '{}' means nothing for a bind, ignoring", name,
                  mount.destination);
    // A relative source begins in the bundle.
    const std::string source = join_path(place.spec.bundle, mount.source);
    prepared.detached = TRY(clone_beneath(source, options.subpath, options.recursive));
    struct stat info {};
    if (::fstatat(prepared.detached.get(), "", &info, AT_EMPTY_PATH) == -1)
        return sys::failed("fstat(2)").doing("look at '{}'", source);
    prepared.target_is_file = !S_ISDIR(info.st_mode);
    const std::uint64_t propagation =
        options.propagation != 0 ? options.propagation : std::uint64_t{MS_PRIVATE};
    const bool all = options.propagation == 0 || options.propagate_all;
    // What is mounted in it must not be shared by mistake, whatever the top is to be.
    if (!all) TRY(set_attributes(prepared.detached, {.propagation = MS_SLAVE, .recursive = true}));
    TRY(set_attributes(prepared.detached,
                       {.propagation = propagation, .recursive = all && options.recursive}));
    // Turned on for all that is mounted in it, as a reader of "ro" expects. "rw" doesn't undo that
    // the host has it read-only.
    TRY(set_attributes(prepared.detached, {.set = options.set, .recursive = options.recursive}));
    TRY(set_attributes(prepared.detached,
                       {.clear = options.clear & ~std::uint64_t{MOUNT_ATTR_RDONLY}}));
    if (options.all.set != 0 || options.all.clear != 0)
        TRY(set_attributes(
            prepared.detached,
            {.set = options.all.set, .clear = options.all.clear, .recursive = true}));
    if (!options.idmap) return {};
    const UniqueFd mapping = TRY(mapping_of(mount, place));
    const bool deep = options.recursive && (options.idmap_all || mount.uid_mappings.empty());
    return idmap(prepared.detached, mapping, deep, source);
}

PreparedMount empty_mount(const SpecMount& mount, const MountPlace& place) {
    PreparedMount prepared;
    prepared.target = mount.destination;
    prepared.spec_index = place.index;
    return prepared;
}

/// The cgroups of the container as it sees them: one mount of v2, or a folder with one for each
/// hierarchy of v1 that it is in. Bind mounts of its own cgroups, so that nothing above is in sight
/// whether it has a cgroup namespace or not.
Result<void> prepare_cgroups(const SpecMount& mount, const MountOptions& options,
                             const MountPlace& place, std::vector<PreparedMount>& list) {
    const Cgroup& cgroup = place.cgroup;
    const auto add = [&](const std::string& source, std::string target) -> Result<void> {
        PreparedMount one = empty_mount(mount, place);
        one.target = std::move(target);
        one.detached = TRY(clone_mount(source, false));
        TRY(set_attributes(
            one.detached, {.set = options.set, .clear = options.clear, .propagation = MS_PRIVATE}));
        list.push_back(std::move(one));
        return {};
    };
    const std::string unified = cgroup.folder_of("");
    if (cgroup.mounts().layout == CgroupLayout::V2) {
        const bool whole = !place.spec.namespaces.cgroup;  // the host's view, as was asked for
        return add(whole ? cgroup.mounts().unified : unified, mount.destination);
    }
    if (mount.type == "cgroup2") return add(unified, mount.destination);
    std::set<std::pair<std::string, std::string>> hierarchies;  // name, folder
    for (const auto& [controller, mount_point] : cgroup.mounts().v1) {
        const std::string folder = cgroup.folder_of(controller);
        if (exists(folder))
            hierarchies.emplace(mount_point.substr(mount_point.rfind('/') + 1), folder);
    }
    if (!unified.empty()) hierarchies.emplace("unified", unified);
    PreparedMount top = empty_mount(mount, place);
    top.detached = TRY(new_detached("tmpfs", {{"mode", "755"}, {"size", "64k"}}, 0));
    for (const auto& [name, folder] : hierarchies) {
        if (::mkdirat(top.detached.get(), name.c_str(), 0755) == -1) return sys::failed("mkdir(2)");
        // "cpu,cpuacct" is also found by each of its names.
        for (const std::string& one : split(name, ',')) {
            if (one == name) continue;
            if (::symlinkat(name.c_str(), top.detached.get(), one.c_str()) == -1)
                return sys::failed("symlink(2)");
        }
    }
    TRY(set_attributes(top.detached, {.set = options.set, .clear = options.clear}));
    list.push_back(std::move(top));
    for (const auto& [name, folder] : hierarchies)
        TRY(add(folder, join_path(mount.destination, name)));
    return {};
}

/// What an image has, or a part of it, read-only.
Result<void> prepare_image(const SpecMount& mount, const MountOptions& options,
                           const MountPlace& place, PreparedMount& prepared) {
    LayersCall call;
    call.folders = split(mount.source, '\n');
    call.subpath = options.subpath;
    prepared.detached = TRY(mount_layers(call, place.user_namespace));
    struct stat info {};
    if (::fstatat(prepared.detached.get(), "", &info, AT_EMPTY_PATH) == -1)
        return sys::failed("fstat(2)").doing("look at '{}'", options.subpath);
    prepared.target_is_file = !S_ISDIR(info.st_mode);
    return set_attributes(prepared.detached,
                          {.set = options.set | MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE});
}

/// Whether the kernel would refuse a new instance inside the user namespace, which doesn't own the
/// namespace that the file system shows.
bool belongs_elsewhere(const std::string& type, const Spec& spec) {
    const SpecNamespaces& spaces = spec.namespaces;
    if (!spaces.user) return false;
    const auto foreign = [&](bool has, const char* name) {
        return !has || !spaces.path_of(name).empty();
    };
    if (type == "proc") return foreign(spaces.pid, "pid");
    if (type == "sysfs") return foreign(spaces.network, "network");
    if (type == "mqueue") return foreign(spaces.ipc, "ipc");
    return false;
}

Result<void> prepare_tmpfs_copy(const MountPlace& place, PreparedMount& prepared) {
    prepared.detached = TRY(new_detached(prepared.type, prepared.data, 0));
    TRY(copy_into(place.root, prepared.target, prepared.detached));
    // Set after the copy: it may be read-only.
    return set_attributes(prepared.detached,
                          {.set = prepared.attributes, .propagation = MS_PRIVATE});
}

}  // namespace

Result<void> prepare_mount(const SpecMount& mount, const MountPlace& place,
                           std::vector<PreparedMount>& list) {
    MountOptions options = TRY(parse_mount_options(mount.options));
    if (mount.type == "cgroup" || mount.type == "cgroup2")
        return prepare_cgroups(mount, options, place, list);
    PreparedMount prepared = empty_mount(mount, place);
    prepared.propagation = options.propagation;
    if (options.bind || mount.type == "bind") {
        prepared.propagation = 0;  // done while it is nowhere
        TRY(prepare_bind(mount, options, place, prepared));
        list.push_back(std::move(prepared));
        return {};
    }
    if (mount.type == kImageMount) {
        prepared.propagation = 0;
        TRY(prepare_image(mount, options, place, prepared));
        list.push_back(std::move(prepared));
        return {};
    }
    if (mount.type == kCopyMount) {
        prepared.by = MountedBy::Copy;
        prepared.target_is_file = true;
        prepared.text = TRY(read_file(mount.source));
        list.push_back(std::move(prepared));
        return {};
    }
    if (options.idmap)
        return Error(ErrorKind::Unsupported, "option 'idmap' is supported for bind mounts only");
    prepared.type = mount.type;
    prepared.attributes = options.set | options.all.set;
    prepared.data = std::move(options.data);
    for (const std::string& flag : options.superblock) prepared.data.emplace_back(flag, "");
    // A file system of a disk or another machine has a source that says something.
    if (!mount.source.empty()) prepared.data.emplace_back("source", mount.source);
    if (!place.spec.mount_label.empty() && takes_label(mount.type))
        prepared.data.emplace_back("context", place.spec.mount_label);
    prepared.by = belongs_elsewhere(mount.type, place.spec) ? MountedBy::Joiner : MountedBy::Init;
    if (options.copy_up) {
        if (mount.type != "tmpfs")
            return Error(ErrorKind::InvalidInput, "option 'tmpcopyup' is for a tmpfs only");
        prepared.by = MountedBy::Guard;
        TRY(prepare_tmpfs_copy(place, prepared));
    }
    list.push_back(std::move(prepared));
    return {};
}

// --- devices ---

namespace {

/// @source OCI runtime-spec config-linux.md, "Default Devices"
const std::vector<SpecDevice>& default_devices() {
    static const std::vector<SpecDevice> kDevices = {
        {"/dev/null", 'c', 1, 3},   {"/dev/zero", 'c', 1, 5},    {"/dev/full", 'c', 1, 7},
        {"/dev/random", 'c', 1, 8}, {"/dev/urandom", 'c', 1, 9}, {"/dev/tty", 'c', 5, 0}};
    return kDevices;
}

/// The host's node as a detached mount, after a look at what it really is: a file of that name may
/// be anything. A device can be written to through a read-only mount; its mode, owner and times,
/// which are those of the host's own node, can't be changed.
Result<UniqueFd> host_node(const SpecDevice& device) {
    UniqueFd mount = TRY(clone_mount(device.path, false));
    struct stat info {};
    if (::fstatat(mount.get(), "", &info, AT_EMPTY_PATH) == -1)
        return sys::failed("fstat(2)").doing("look at '{}'", device.path);
    if (!S_ISCHR(info.st_mode) || info.st_rdev != ::makedev(device.major, device.minor))
        return Error(ErrorKind::System, fmt::format("'{}' is not the character device {}:{}",
                                                    device.path, device.major, device.minor));
    TRY(set_attributes(mount, {.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID}));
    return mount;
}

mode_t type_bits(char type) { return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR; }

/// Nodes made as the configuration has them, in a small file system that belongs to the host, so
/// that they can be opened in any user namespace.
Result<void> make_nodes(const Spec& spec, const std::vector<SpecDevice>& devices,
                        std::vector<PreparedDevice>& list) {
    const UniqueFd folder = TRY(new_detached("tmpfs", {{"mode", "700"}, {"size", "64k"}}, 0));
    const MountWorkshop workshop = TRY(MountWorkshop::open());
    TRY(workshop.attach(folder, "nodes"));
    const bool mapped = spec.namespaces.user;
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const SpecDevice& device = devices[i];
        const std::string path = fmt::format("nodes/{}", i);
        const uid_t uid = mapped ? host_id(spec.uid_mappings, device.uid) : device.uid;
        const gid_t gid = mapped ? host_id(spec.gid_mappings, device.gid) : device.gid;
        if (::mknod(path.c_str(), type_bits(device.type), ::makedev(device.major, device.minor)) ==
                -1 ||
            ::chown(path.c_str(), uid, gid) == -1 || ::chmod(path.c_str(), device.mode) == -1)
            return sys::failed("mknod(2)").doing("make device '{}'", device.path);
        PreparedDevice prepared;
        prepared.path = device.path;
        prepared.detached = TRY(clone_mount(path, false));
        list.push_back(std::move(prepared));
    }
    return {};
}

}  // namespace

Result<void> prepare_devices(const Spec& spec, std::vector<PreparedDevice>& list) {
    std::vector<SpecDevice> made = spec.devices;
    for (const SpecDevice& device : default_devices()) {
        const bool replaced =
            std::any_of(spec.devices.begin(), spec.devices.end(),
                        [&](const SpecDevice& other) { return other.path == device.path; });
        if (replaced) continue;
        // Root of the host's user namespace may do what it likes with nodes, as with Docker: with
        // those of its own.
        if (!spec.namespaces.user) {
            made.push_back(device);
            continue;
        }
        PreparedDevice prepared;
        prepared.path = device.path;
        prepared.detached = TRY(host_node(device));
        list.push_back(std::move(prepared));
    }
    return made.empty() ? Result<void>() : make_nodes(spec, made, list);
}

}  // namespace davit::runtime
