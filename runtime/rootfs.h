#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

#include <cstdint>
#include <string>
#include <vector>

/// The guard's half of a container's file system: everything that needs the host's paths and
/// privileges becomes a descriptor of a detached mount, which the child attaches inside its own
/// mount namespace. Nothing here changes any mount table.
namespace davit::runtime {

/// Where a file system that belongs to a namespace is mounted.
enum class MountedBy {
    Guard,   ///< `detached` holds it ready.
    Joiner,  ///< Before the user namespace is entered: its other namespace is not owned by that
             ///< one.
    Init,    ///< A new instance that belongs to the container's own namespaces.
    Copy,    ///< A file with `text` in it, in the file system for such files.
};

/// One mount for the child to attach.
struct PreparedMount {
    std::string target = {};
    MountedBy by = MountedBy::Guard;
    UniqueFd detached = {};
    bool target_is_file = false;  ///< What to make where the target is missing.
    std::string type = {};
    std::vector<std::pair<std::string, std::string>> data = {};
    std::string text = {};
    std::uint64_t attributes = 0;   ///< MOUNT_ATTR_…
    std::uint64_t propagation = 0;  ///< MS_…, set when it is attached; 0: as it is.
    std::size_t spec_index = 0;     ///< Into Spec::mounts, for errors.
};

/// One device node: a node as a detached bind mount.
struct PreparedDevice {
    std::string path = {};  ///< In the container: "/dev/null".
    UniqueFd detached = {};
};

struct PreparedRoot {
    UniqueFd root = {};  ///< The container's root file system, detached.
    std::vector<PreparedMount> mounts = {};
    std::vector<PreparedDevice> devices = {};
    /// Of the file system for copies.
    std::vector<std::pair<std::string, std::string>> copies_data = {};
    bool own_dev = true;  ///< /dev is the container's own to fill.
};

/// Makes the root (overlayfs over the layers named in the annotations, or a bind of root.path) and
/// every mount of `spec`. `user_namespace`: closed, or the namespace to whose ids everything is
/// mapped: layers and bind sources through idmapped mounts, so that the ids on disk are those that
/// the container sees. `cgroup`: what mounts of type cgroup show.
/// @errors NotFound for a missing bind source; Unsupported where a file system can't be idmapped
Result<PreparedRoot> prepare_root(const Spec& spec, const UniqueFd& user_namespace,
                                  const Cgroup& cgroup);

}  // namespace davit::runtime
