#pragma once

#include "base/result.h"
#include "compose/project.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Devices of this host that containers are given.
namespace davit::stack {

struct DeviceNumber {
    unsigned major = 0;
    unsigned minor = 0;
};

/// One device node, as it is on the host and as the container gets it.
struct DeviceNode {
    std::string target = {};  ///< Path in the container.
    std::string permissions = "rwm";
    char type = 'c';  ///< 'c' or 'b'.
    DeviceNumber number = {};
    std::uint32_t mode = 0666;  ///< Permission bits.
    std::uint32_t uid = 0;      ///< Owner on the host, which is the one in the container too.
    std::uint32_t gid = 0;
};

/// The nodes that `devices` names; a folder means every device beneath it, as with Docker.
/// @errors NotFound where there is none; InvalidInput where it is no device
Result<std::vector<DeviceNode>> find_devices(const std::vector<compose::Device>& devices);

/// Every device of the host, for a privileged container. @source moby pkg/devices HostDevices
std::vector<DeviceNode> host_devices();

/// Numbers of the block devices that the limits are about, by path. @errors NotFound, InvalidInput
Result<std::map<std::string, DeviceNumber>> find_block_devices(const compose::BlockIo& limits);

/// Makes the nodes in `folder`, named by their index, owned by the range that begins at `uid_base`.
Result<void> make_device_nodes(const std::vector<DeviceNode>& devices, const std::string& folder,
                               std::uint32_t uid_base);

}  // namespace davit::stack
