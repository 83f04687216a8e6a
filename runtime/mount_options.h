#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace davit::runtime {

/// Of a bind, and of an image's mount: only this part of its source, looked up inside of it.
inline constexpr const char* kSubpathOption = "io.davit.subpath=";

/// Attributes to turn on and off; nothing is in both. MOUNT_ATTR_…
struct MountAttributes {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    bool operator==(const MountAttributes&) const = default;
};

/// The options of one mount, sorted by what the kernel does with them. Pure.
struct MountOptions {
    std::uint64_t set = 0;          ///< MOUNT_ATTR_… to turn on.
    std::uint64_t clear = 0;        ///< MOUNT_ATTR_… to turn off.
    MountAttributes all = {};       ///< The same for a mount and all that is mounted in it ("rro").
    std::uint64_t propagation = 0;  ///< MS_PRIVATE, MS_SLAVE, …; 0: private.
    bool propagate_all = false;     ///< "rshared" and its like: for all that is mounted in it.
    bool bind = false;
    bool recursive = false;    ///< rbind
    bool idmap = false;        ///< Bind: ids on disk are those that the container sees.
    bool idmap_all = false;    ///< "ridmap"
    std::string subpath = {};  ///< See kSubpathOption.
    bool copy_up = false;      ///< "tmpcopyup": a tmpfs begins with what the image has there.
    /// "sync" and others, for the superblock of a new mount; they mean nothing for a bind.
    std::vector<std::string> superblock = {};
    std::vector<std::pair<std::string, std::string>> data = {};  ///< For the file system itself.
};

/// @errors InvalidInput for an option that means nothing here
/// @source OCI runtime-spec config.md "Linux mount options"; mount_setattr(2)
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);

/// Every option that parse_mount_options knows by itself, for `features`.
std::vector<std::string> known_mount_options();

}  // namespace davit::runtime
