#include "stack/devices.h"

#include "base/file.h"
#include "stack/records.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::stack {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kPermissionBits = 07777;
constexpr std::size_t kMostDevices = 4096;

bool is_device(const struct stat& info) { return S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode); }

DeviceNode node_of(const struct stat& info, std::string target, std::string permissions) {
    DeviceNode node;
    node.target = std::move(target);
    node.permissions = std::move(permissions);
    node.type = S_ISBLK(info.st_mode) ? 'b' : 'c';
    node.number = {::major(info.st_rdev), ::minor(info.st_rdev)};
    node.mode = info.st_mode & kPermissionBits;
    node.uid = info.st_uid;
    node.gid = info.st_gid;
    return node;
}

/// Folders of /dev that a container has its own of.
bool is_own_folder(const std::string& name) {
    constexpr std::array<std::string_view, 8> kOwn = {"pts",  "shm",         "fd",    "mqueue",
                                                      ".lxc", ".lxd-mounts", ".udev", "console"};
    return std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
}

/// Every device beneath `folder`, at `target` in the container. Symbolic links are left out.
void add_folder(const std::string& folder, const std::string& target,
                const std::string& permissions, std::vector<DeviceNode>& nodes) {
    std::error_code failed;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
        const std::string name = entry.path().filename().string();
        if (is_own_folder(name) || nodes.size() >= kMostDevices) continue;
        struct stat info {};
        if (::lstat(entry.path().c_str(), &info) == -1) continue;
        if (S_ISDIR(info.st_mode))
            add_folder(entry.path().string(), target + "/" + name, permissions, nodes);
        else if (is_device(info))
            nodes.push_back(node_of(info, target + "/" + name, permissions));
    }
}

Result<struct stat> look_up(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == -1)
        return Error(ErrorKind::NotFound, fmt::format("there is no device '{}' on this host", path))
            .help("check its name, and that the driver is loaded");
    return info;
}

}  // namespace

Result<std::vector<DeviceNode>> find_devices(const std::vector<compose::Device>& devices) {
    std::vector<DeviceNode> nodes;
    for (const compose::Device& device : devices) {
        const struct stat info = TRY(look_up(device.source));
        if (S_ISDIR(info.st_mode)) {
            add_folder(device.source, device.target, device.permissions, nodes);
        } else if (is_device(info)) {
            nodes.push_back(node_of(info, device.target, device.permissions));
        } else {
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' is not a device", device.source))
                .help("mount a file or folder with 'volumes'");
        }
    }
    return nodes;
}

std::vector<DeviceNode> host_devices() {
    std::vector<DeviceNode> nodes;
    add_folder("/dev", "/dev", "rwm", nodes);
    return nodes;
}

Result<std::map<std::string, DeviceNumber>> find_block_devices(const compose::BlockIo& limits) {
    std::map<std::string, DeviceNumber> numbers;
    for (const auto* list : {&limits.weight_device, &limits.read_bps, &limits.read_iops,
                             &limits.write_bps, &limits.write_iops}) {
        for (const compose::BlockLimit& limit : *list) {
            const struct stat info = TRY(look_up(limit.path));
            if (!S_ISBLK(info.st_mode))
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' is not a block device", limit.path))
                    .help("name a whole disk, such as /dev/sda");
            numbers[limit.path] = {::major(info.st_rdev), ::minor(info.st_rdev)};
        }
    }
    return numbers;
}

Result<void> make_device_nodes(const std::vector<DeviceNode>& devices, const std::string& folder,
                               std::uint32_t uid_base) {
    if (devices.empty()) return {};
    TRY(make_directories(folder, 0711));
    const auto owner = [&](std::uint32_t id) {
        return uid_base + (id < kIdsPerContainer ? id : 0);
    };
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const DeviceNode& device = devices[i];
        const std::string path = fmt::format("{}/{}", folder, i);
        const mode_t type = device.type == 'b' ? S_IFBLK : S_IFCHR;
        if (::mknod(path.c_str(), type | 0600,
                    ::makedev(device.number.major, device.number.minor)) == -1 ||
            ::chown(path.c_str(), owner(device.uid), owner(device.gid)) == -1 ||
            ::chmod(path.c_str(), device.mode) == -1) {
            const int error_number = errno;
            return Error::from_errno(error_number, "mknod(2)")
                .doing("make the device '{}' for the container", device.target);
        }
    }
    return {};
}

}  // namespace davit::stack
