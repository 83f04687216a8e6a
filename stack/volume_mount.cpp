#include "stack/volume_mount.h"

#include "base/strings.h"
#include "base/sys.h"
#include "runtime/features.h"
#include "runtime/state.h"
#include "stack/status.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>

namespace davit::stack {
namespace {

using Options = std::map<std::string, std::string>;

struct FlagRow {
    std::string_view name;
    unsigned long set;
    unsigned long clear;
};
/// @source moby pkg/mount, mount(8)
constexpr FlagRow kFlags[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"suid", 0, MS_NOSUID},
    {"nosuid", MS_NOSUID, 0},
    {"dev", 0, MS_NODEV},
    {"nodev", MS_NODEV, 0},
    {"exec", 0, MS_NOEXEC},
    {"noexec", MS_NOEXEC, 0},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"atime", 0, MS_NOATIME},
    {"noatime", MS_NOATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
    {"private", 0, 0},
    {"rprivate", 0, 0},
};

void apply_option(const std::string& word, VolumeMount& mount) {
    const auto row = std::find_if(std::begin(kFlags), std::end(kFlags),
                                  [&](const FlagRow& flag) { return flag.name == word; });
    if (row != std::end(kFlags)) {
        mount.flags = (mount.flags | row->set) & ~row->clear;
        return;
    }
    if (word.empty()) return;
    mount.data += (mount.data.empty() ? "" : ",") + word;
}

bool is_of_network(const std::string& type) {
    return type == "nfs" || type == "nfs4" || type == "cifs" || type == "smb3";
}

/// The kernel knows numbers alone: "addr=files.example" becomes "addr=192.0.2.1", as mount.nfs(8)
/// would have it. @source moby volume/local/local_unix.go
Result<std::string> resolved_data(const VolumeMount& mount) {
    if (!is_of_network(mount.type)) return mount.data;
    std::string data;
    for (const std::string& word : split(mount.data, ',')) {
        std::string text = word;
        constexpr std::string_view kAddress = "addr=";
        if (word.starts_with(kAddress)) {
            const std::string host = word.substr(kAddress.size());
            addrinfo hints{};
            hints.ai_socktype = SOCK_STREAM;
            addrinfo* found = nullptr;
            if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
                return Error(ErrorKind::NotFound,
                             fmt::format("there is no host '{}': {}", printable(host),
                                         ::gai_strerror(error)))
                    .help("correct 'addr' in the volume's option 'o'");
            char address[NI_MAXHOST] = {};
            ::getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, nullptr, 0,
                          NI_NUMERICHOST);
            ::freeaddrinfo(found);
            text = std::string(kAddress) + address;
        }
        data += (data.empty() ? "" : ",") + text;
    }
    return data;
}

Result<void> mount_on(const VolumeMount& mount, const std::string& target) {
    return sys::mount({.source = mount.device,
                       .target = target,
                       .type = mount.type,
                       .flags = mount.flags,
                       .data = TRY(resolved_data(mount))});
}

/// Names of a container's volumes that need a mount on the host, and how; sorted.
Result<std::map<std::string, VolumeMount>> mounted_volumes(const Paths& paths,
                                                           const ContainerRecord& record) {
    std::map<std::string, VolumeMount> volumes;
    for (const MountRecord& mount : record.mounts) {
        if (mount.type != "volume" || mount.anonymous) continue;
        const VolumeRecord volume = TRY(read_volume(paths, mount.name));
        auto how = TRY_DOING(parse_volume_options(volume.options),
                             "read the options of volume '{}'", mount.name);
        if (how && !how->is_bind()) volumes.emplace(mount.name, *std::move(how));
    }
    return volumes;
}

}  // namespace

bool is_mount_point(const std::string& path) {
    struct statx info {};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &info) == -1) return false;
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool VolumeMount::is_bind() const { return (flags & MS_BIND) != 0; }
bool VolumeMount::is_read_only() const { return (flags & MS_RDONLY) != 0; }

std::vector<std::string> VolumeMount::oci_options() const {
    std::vector<std::string> options;
    for (const auto& [flag, word] : {std::pair{MS_NOSUID, "nosuid"}, std::pair{MS_NODEV, "nodev"},
                                     std::pair{MS_NOEXEC, "noexec"}})
        if ((flags & static_cast<unsigned long>(flag)) != 0) options.emplace_back(word);
    return options;
}

Result<std::optional<VolumeMount>> parse_volume_options(const Options& options) {
    if (options.empty()) return std::optional<VolumeMount>();
    for (const auto& [key, value] : options)
        if (key != "type" && key != "o" && key != "device")
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the option '{}' means nothing", printable(key)))
                .help("the driver 'local' knows type, o and device");
    for (const char* key : {"type", "device"})
        if (!options.contains(key))
            return Error(ErrorKind::InvalidInput, fmt::format("missing required option: '{}'", key))
                .help("a volume with options has a 'type' and a 'device', as for mount(8)");
    VolumeMount mount;
    mount.type = options.at("type");
    mount.device = options.at("device");
    if (const auto words = options.find("o"); words != options.end())
        for (const std::string& word : split(words->second, ',')) apply_option(word, mount);
    if (mount.is_bind() && !mount.device.starts_with('/'))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the device '{}' of a bind is not absolute",
                                 printable(mount.device)))
            .help("name a folder of this host, beginning with '/'");
    return std::optional<VolumeMount>(std::move(mount));
}

Result<bool> try_volume(const VolumeMount& mount, const std::string& place) {
    std::optional<Result<bool>> answer;
    // A mount namespace that ends with the thread.
    std::thread([&] {
        const auto attempt = [&]() -> Result<bool> {
            if (::unshare(CLONE_NEWNS) == -1) return Error::from_errno(errno, "unshare(2)");
            TRY(sys::mount({.target = "/", .flags = MS_REC | MS_PRIVATE}));
            TRY(mount_on(mount, place));
            return runtime::can_idmap(place);
        };
        answer = attempt();
    }).join();
    return *std::move(answer);
}

Result<VolumeLock> VolumeLock::take(const std::string& folder) {
    for (;;) {
        UniqueFd fd = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
        if (sys::retry_on_eintr([&] { return ::flock(fd.get(), LOCK_EX); }) == -1)
            return Error::from_errno(errno, "flock(2)").doing("lock '{}'", folder);
        struct stat mine {};
        struct stat now {};
        if (::fstat(fd.get(), &mine) == -1) return Error::from_errno(errno, "fstat(2)");
        // It may have been removed, and made again, while we waited.
        if (::stat(folder.c_str(), &now) == 0 && mine.st_ino == now.st_ino &&
            mine.st_dev == now.st_dev)
            return VolumeLock(std::move(fd));
    }
}

Result<bool> has_other_users(const Paths& paths, const std::string& volume,
                             const std::string& except) {
    for (const ContainerView& view : TRY(list_all_containers(paths))) {
        if (view.record.name == except || (view.state.pid == 0 && !view.supervised)) continue;
        for (const MountRecord& mount : view.record.mounts)
            if (mount.type == "volume" && !mount.anonymous && mount.name == volume) return true;
    }
    return false;
}

Result<std::vector<VolumeLock>> mount_volumes(const Paths& paths, const ContainerRecord& record) {
    std::vector<VolumeLock> locks;
    const auto volumes = TRY(mounted_volumes(paths, record));
    for (const auto& [name, mount] : volumes) {
        const std::string folder = paths.volumes() + "/" + name;
        locks.push_back(TRY(VolumeLock::take(folder)));
        if (!is_mount_point(folder + "/_data"))
            TRY_DOING(mount_on(mount, folder + "/_data"), "mount volume '{}'", name);
    }
    return locks;
}

Result<void> unmount_volumes(const Paths& paths, const ContainerRecord& record) {
    const auto volumes = TRY(mounted_volumes(paths, record));
    for (const auto& [name, mount] : volumes) {
        const std::string folder = paths.volumes() + "/" + name;
        if (!is_mount_point(folder + "/_data")) continue;
        const VolumeLock lock = TRY(VolumeLock::take(folder));
        if (!TRY(has_other_users(paths, name, record.name))) TRY(detach_volume(folder));
    }
    return {};
}

Result<void> detach_volume(const std::string& folder) {
    const std::string data = folder + "/_data";
    // Perhaps several times, by somebody else's hand.
    while (is_mount_point(data)) {
        if (::umount2(data.c_str(), MNT_DETACH) == -1) {
            const int error_number = errno;
            return Error::from_errno(error_number, "umount(2)").doing("unmount '{}'", data);
        }
    }
    return {};
}

}  // namespace davit::stack
