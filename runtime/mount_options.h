#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace davit::runtime {

/// The options of one mount, sorted by what the kernel does with them. Pure.
struct MountOptions {
    std::uint64_t set = 0;          ///< MOUNT_ATTR_… to turn on.
    std::uint64_t propagation = 0;  ///< MS_PRIVATE, MS_SLAVE, …; 0: private.
    bool bind = false;
    bool recursive = false;  ///< rbind
    bool idmap = false;      ///< Bind: ids on disk are those that the container sees.
    std::vector<std::pair<std::string, std::string>> data = {};  ///< For the file system itself.
};

/// @errors InvalidInput for an option that means nothing here
/// @source OCI runtime-spec config.md "Linux mount options"; mount_setattr(2)
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);

}  // namespace davit::runtime
