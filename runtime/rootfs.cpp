#include "runtime/rootfs.h"

#include "base/assert.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/mount_options.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

Error failed(const char* call) {
    const int error_number = errno;
    return Error::from_errno(error_number, call);
}

Result<UniqueFd> clone_mount(const std::string& path, bool recursive) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0U);
    const int fd = ::open_tree(AT_FDCWD, path.c_str(), flags);
    if (fd == -1) return failed("open_tree(2)").doing("take the mount of '{}'", path);
    return UniqueFd(fd);
}

struct AttributeCall {
    std::uint64_t set = 0;
    std::uint64_t propagation = 0;
    int user_namespace = -1;
    bool recursive = false;
};

Result<void> set_attributes(const UniqueFd& mount, const AttributeCall& call) {
    mount_attr attributes{};
    attributes.attr_set = call.set;
    attributes.propagation = call.propagation;
    if (call.user_namespace >= 0) {
        attributes.attr_set |= MOUNT_ATTR_IDMAP;
        attributes.userns_fd = static_cast<__u64>(call.user_namespace);
    }
    if ((call.set & MOUNT_ATTR__ATIME) != 0) attributes.attr_clr |= MOUNT_ATTR__ATIME;
    if (attributes.attr_set == 0 && attributes.propagation == 0) return {};
    const unsigned flags = AT_EMPTY_PATH | (call.recursive ? AT_RECURSIVE : 0U);
    if (::mount_setattr(mount.get(), "", flags, &attributes, sizeof attributes) == -1)
        return failed("mount_setattr(2)");
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

// --- overlayfs ---

std::string annotation(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

/// A mount namespace for the length of a scope, in which layers can be attached: before Linux 6.15
/// overlayfs takes only layers that are part of the caller's mount namespace. What is in it goes
/// with it. The guard has one thread, so that nobody else is moved along.
class MountWorkshop {
public:
    /// Stands in an empty folder of its own, with everything else of the host out of sight.
    static Result<MountWorkshop> open() {
        UniqueFd home = TRY(sys::open("/proc/self/ns/mnt", O_RDONLY));
        const UniqueFd bench = TRY(new_tmpfs());
        if (::unshare(CLONE_NEWNS) == -1) return failed("unshare(2)");
        MountWorkshop workshop(std::move(home));
        TRY(sys::mount({.target = "/", .flags = MS_REC | MS_PRIVATE}));
        // Laid over "/", as the child does with its root: no folder of the host is needed.
        if (::move_mount(bench.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == -1)
            return failed("move_mount(2)");
        if (::fchdir(bench.get()) == -1) return failed("fchdir(2)");
        return workshop;
    }

    MountWorkshop(MountWorkshop&&) noexcept = default;
    MountWorkshop& operator=(MountWorkshop&&) = delete;
    MountWorkshop(const MountWorkshop&) = delete;
    MountWorkshop& operator=(const MountWorkshop&) = delete;
    /// Going back must succeed: the guard would do everything else in the wrong place.
    ~MountWorkshop() {
        if (home_) DAVIT_ASSERT(::setns(home_.get(), CLONE_NEWNS) == 0 && ::chdir("/") == 0);
    }

    /// Attaches a detached mount as the folder `name`.
    Result<void> attach(const UniqueFd& mount, const std::string& name) const {
        if (::mkdir(name.c_str(), 0700) == -1) return failed("mkdir(2)");
        if (::move_mount(mount.get(), "", AT_FDCWD, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == -1)
            return failed("move_mount(2)");
        return {};
    }

private:
    explicit MountWorkshop(UniqueFd home) : home_(std::move(home)) {}

    static Result<UniqueFd> new_tmpfs() {
        const UniqueFd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
        if (!context) return failed("fsopen(2)");
        if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1)
            return failed("fsconfig(2)");
        UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
        if (!mount) return failed("fsmount(2)");
        return mount;
    }

    UniqueFd home_;  ///< Closed after a move.
};

/// The folder above the writable and the work folder, which overlayfs needs in one mount.
Result<std::string> writable_folder(const Spec& spec) {
    const std::string upper = annotation(spec, kOverlayUpper);
    const std::string work = annotation(spec, kOverlayWork);
    const std::string folder = upper.substr(0, upper.rfind('/'));
    if (upper != folder + "/upper" || work != folder + "/work")
        return Error(ErrorKind::InvalidInput,
                     "the overlay's folders are not …/upper and …/work in one folder");
    return folder;
}

Result<UniqueFd> mount_overlay(const Spec& spec, const UniqueFd& user_namespace) {
    // Taken by their paths on the host, before those are out of sight.
    std::vector<UniqueFd> layers;
    for (const std::string& folder : split(annotation(spec, kOverlayLower), '\n')) {
        UniqueFd layer = TRY(clone_mount(folder, false));
        TRY(idmap(layer, user_namespace, false, folder));
        layers.push_back(std::move(layer));
    }
    const std::string folder = TRY(writable_folder(spec));
    // The writable layer belongs to the container's id range and is not idmapped.
    const UniqueFd writable = TRY(clone_mount(folder, false));

    const MountWorkshop workshop = TRY(MountWorkshop::open());
    std::string lower;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const std::string name = fmt::format("{}", i);
        TRY(workshop.attach(layers[i], name));
        lower += (lower.empty() ? "" : ":") + name;
    }
    TRY(workshop.attach(writable, "rw"));
    if (::mkdir("merged", 0700) == -1) return failed("mkdir(2)");
    // Names of our own alone: short enough for the page that mount(2) takes, and without commas.
    // Layers come from strangers: nothing in them may redirect a lookup.
    TRY(sys::mount({.source = "overlay",
                    .target = "merged",
                    .type = "overlay",
                    // A layer may bring the node of a disk: /dev has its own mounts, and nothing
                    // else needs devices.
                    .flags = MS_NODEV,
                    .data = fmt::format("lowerdir={},upperdir=rw/upper,workdir=rw/work,"
                                        "redirect_dir=nofollow,metacopy=off,index=off",
                                        lower)}));
    return clone_mount("merged", false);
}

Result<UniqueFd> mount_root(const Spec& spec, const UniqueFd& user_namespace) {
    if (!annotation(spec, kOverlayLower).empty())
        return TRY_DOING(mount_overlay(spec, user_namespace), "mount the root file system");
    UniqueFd root = TRY(clone_mount(spec.root_path, true));
    TRY(idmap(root, user_namespace, true, spec.root_path));
    return root;
}

// --- devices ---

struct DeviceRow {
    const char* name;
    unsigned minor;
    unsigned major;
};
/// @source OCI runtime-spec config-linux.md, "Default Devices"
constexpr DeviceRow kDevices[] = {{"null", 3, 1},   {"zero", 5, 1},    {"full", 7, 1},
                                  {"random", 8, 1}, {"urandom", 9, 1}, {"tty", 0, 5}};

/// The host's node as a detached mount, after a look at what it really is: a file of that name may
/// be anything.
Result<UniqueFd> prepare_device(const DeviceRow& row) {
    const std::string path = fmt::format("/dev/{}", row.name);
    UniqueFd mount = TRY(clone_mount(path, false));
    struct stat info {};
    if (::fstatat(mount.get(), "", &info, AT_EMPTY_PATH) == -1)
        return failed("fstat(2)").doing("look at '{}'", path);
    if (!S_ISCHR(info.st_mode) || info.st_rdev != ::makedev(row.major, row.minor))
        return Error(ErrorKind::System, fmt::format("'{}' is not the character device {}:{}", path,
                                                    row.major, row.minor));
    return mount;
}

// --- mounts ---

Result<PreparedMount> prepare_bind(const SpecMount& mount, const MountOptions& options,
                                   const UniqueFd& user_namespace) {
    if (!options.data.empty())
        return Error(
            ErrorKind::InvalidInput,
            fmt::format("mount option '{}' means nothing for a bind", options.data.front().first));
    PreparedMount prepared;
    prepared.target = mount.destination;
    prepared.detached = TRY(clone_mount(mount.source, options.recursive));
    struct stat info {};
    if (::fstatat(prepared.detached.get(), "", &info, AT_EMPTY_PATH) == -1)
        return failed("fstat(2)").doing("look at '{}'", mount.source);
    prepared.target_is_file = !S_ISDIR(info.st_mode);
    const std::uint64_t propagation =
        options.propagation != 0 ? options.propagation : std::uint64_t{MS_PRIVATE};
    TRY(set_attributes(
        prepared.detached,
        {.set = options.set, .propagation = propagation, .recursive = options.recursive}));
    if (options.idmap)
        TRY(idmap(prepared.detached, user_namespace, options.recursive, mount.source));
    return prepared;
}

Result<PreparedMount> prepare_mount(const SpecMount& mount, const UniqueFd& user_namespace) {
    MountOptions options = TRY(parse_mount_options(mount.options));
    if (options.bind || mount.type == "bind") return prepare_bind(mount, options, user_namespace);
    PreparedMount prepared;
    prepared.target = mount.destination;
    prepared.type = mount.type;
    prepared.attributes = options.set;
    prepared.data = std::move(options.data);
    return prepared;
}

}  // namespace

Result<PreparedRoot> prepare_root(const Spec& spec, const UniqueFd& user_namespace) {
    PreparedRoot prepared;
    prepared.root = TRY(mount_root(spec, user_namespace));
    for (const SpecMount& mount : spec.mounts) {
        PreparedMount one =
            TRY_DOING(prepare_mount(mount, user_namespace), "mount '{}'", mount.destination);
        prepared.mounts.push_back(std::move(one));
    }
    for (const DeviceRow& row : kDevices) {
        PreparedDevice device;
        device.name = row.name;
        device.detached = TRY(prepare_device(row));
        prepared.devices.push_back(std::move(device));
    }
    return prepared;
}

}  // namespace davit::runtime
