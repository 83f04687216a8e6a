#pragma once

#include "base/json.h"
#include "base/result.h"
#include "compose/project.h"
#include "stack/devices.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Devices that their vendors describe: files of the Container Device Interface, which say what a
/// container needs for "vendor.com/class=name". @source CNCF Container Device Interface,
/// SPEC.md 1.0
namespace davit::stack {

/// A file or folder of the host that a device needs in the container.
struct CdiMount {
    std::string source = {};
    std::string target = {};
    std::vector<std::string> options = {};
    std::string type = {};  ///< Empty: a bind mount.
};

/// What all devices of a container ask for together.
struct CdiEdits {
    std::map<std::string, std::string> env = {};
    std::vector<DeviceNode> devices = {};
    std::vector<CdiMount> mounts = {};
    std::vector<std::uint32_t> groups = {};
    Json hooks = Json::object();  ///< As config.json has them.
};

/// Where the files are looked for; of two that describe the same device, the later folder's counts.
std::vector<std::string> cdi_folders();

/// Looks the devices up. @errors NotFound for one that no file describes, naming those there are;
/// InvalidInput for a file that is none, or that asks for what davit doesn't do
Result<CdiEdits> find_cdi_devices(const std::vector<compose::CdiDevice>& wanted,
                                  const std::vector<std::string>& folders);

}  // namespace davit::stack
