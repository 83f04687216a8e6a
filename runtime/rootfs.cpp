#include "runtime/rootfs.h"

#include "base/strings.h"
#include "base/sys.h"
#include "runtime/mount_options.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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

/// A file system configuration context; see fsopen(2).
class FsContext {
public:
    static Result<FsContext> open(const char* type) {
        const int fd = ::fsopen(type, FSOPEN_CLOEXEC);
        if (fd == -1) return failed("fsopen(2)").doing("open the file system '{}'", type);
        return FsContext(UniqueFd(fd));
    }

    Result<void> set(const char* key, const std::string& value) {
        if (::fsconfig(fd_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == -1)
            return explain("set", key, value);
        return {};
    }
    /// overlayfs takes a layer as a descriptor from Linux 6.13 on; before, as its /proc name.
    Result<void> add_lower(const UniqueFd& layer) {
        if (::fsconfig(fd_.get(), FSCONFIG_SET_FD, "lowerdir+", nullptr, layer.get()) == 0)
            return {};
        return set("lowerdir+", fmt::format("/proc/self/fd/{}", layer.get()));
    }
    Result<UniqueFd> mount(unsigned attributes) {
        if (::fsconfig(fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == -1)
            return explain("create", "the file system", "");
        const int fd = ::fsmount(fd_.get(), FSMOUNT_CLOEXEC, attributes);
        if (fd == -1) return failed("fsmount(2)");
        return UniqueFd(fd);
    }

private:
    explicit FsContext(UniqueFd fd) : fd_(std::move(fd)) {}

    /// The kernel's own words stand in the context, one message a read(2).
    Error explain(const char* what, const char* key, const std::string& value) {
        const int error_number = errno;
        std::string said;
        char line[512];
        for (;;) {
            const ssize_t got = ::read(fd_.get(), line, sizeof line);
            if (got <= 0) break;
            said += (said.empty() ? "" : "; ");
            said += trim(std::string_view(line, static_cast<std::size_t>(got)));
        }
        Error error = Error::from_errno(error_number, "fsconfig(2)")
                          .doing("{} {}{}{}", what, key, value.empty() ? "" : "=", value);
        if (said.empty()) return error;
        return std::move(error).help(fmt::format("the kernel says: {}", said));
    }

    UniqueFd fd_;
};

std::string annotation(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

Result<UniqueFd> mount_overlay(const Spec& spec, const UniqueFd& user_namespace) {
    FsContext overlay = TRY(FsContext::open("overlay"));
    TRY(overlay.set("source", "overlay"));  // only what the mount table shows
    // A detached mount ends with its descriptor: they must live until overlayfs has its own copies.
    std::vector<UniqueFd> layers;
    for (const std::string& folder : split(annotation(spec, kOverlayLower), '\n')) {
        UniqueFd layer = TRY(clone_mount(folder, false));
        TRY(idmap(layer, user_namespace, false, folder));
        TRY(overlay.add_lower(layer));
        layers.push_back(std::move(layer));
    }
    // The writable layer belongs to the container's id range and is not idmapped.
    TRY(overlay.set("upperdir", annotation(spec, kOverlayUpper)));
    TRY(overlay.set("workdir", annotation(spec, kOverlayWork)));
    // Layers come from strangers: nothing in them may redirect a lookup.
    TRY(overlay.set("redirect_dir", "nofollow"));
    TRY(overlay.set("metacopy", "off"));
    TRY(overlay.set("index", "off"));
    return overlay.mount(0);
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
