#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/spec.h"

#include <cstdint>
#include <string>
#include <vector>

/// The guard's half of a container's file system: everything that needs the host's paths and
/// privileges becomes a descriptor of a detached mount, which the child attaches inside its own
/// mount namespace. Nothing here changes any mount table.
namespace davit::runtime {

/// One mount for the child to attach. Either `detached` holds it ready, or the child makes a new
/// instance of the file system `type` (which must belong to its own namespaces).
struct PreparedMount {
    std::string target = {};
    UniqueFd detached = {};
    bool target_is_file = false;  ///< What to make where the target is missing.
    std::string type = {};
    std::vector<std::pair<std::string, std::string>> data = {};
    std::uint64_t attributes = 0;  ///< MOUNT_ATTR_…
};

/// One device node: the host's node as a detached bind mount.
struct PreparedDevice {
    std::string name = {};  ///< Beneath /dev: "null".
    UniqueFd detached = {};
};

struct PreparedRoot {
    UniqueFd root = {};  ///< The container's root file system, detached.
    std::vector<PreparedMount> mounts = {};
    std::vector<PreparedDevice> devices = {};
};

/// Makes the root (overlayfs over the layers named in the annotations, or a bind of root.path) and
/// every mount of `spec`. `user_namespace`: closed, or the namespace to whose ids everything is
/// mapped: layers and bind sources through idmapped mounts, so that the ids on disk are those that
/// the container sees.
/// @errors NotFound for a missing bind source; Unsupported where a file system can't be idmapped
Result<PreparedRoot> prepare_root(const Spec& spec, const UniqueFd& user_namespace);

}  // namespace davit::runtime
