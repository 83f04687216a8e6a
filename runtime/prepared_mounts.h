#pragma once

#include "base/result.h"
#include "runtime/rootfs.h"

/// The parts of prepare_root that make single mounts and device nodes.
namespace davit::runtime {

/// What a mount may depend on.
struct MountPlace {
    const Spec& spec;
    const UniqueFd& user_namespace;  ///< Closed where the container has the host's.
    const Cgroup& cgroup;
    const UniqueFd& root;   ///< The detached root, for what a tmpfs begins with.
    std::size_t index = 0;  ///< Of the mount in the specification.
};

/// Appends what `mount` takes; a view of the cgroups takes several.
Result<void> prepare_mount(const SpecMount& mount, const MountPlace& place,
                           std::vector<PreparedMount>& list);

/// The default devices and those of the configuration. @source OCI runtime-spec config-linux.md
Result<void> prepare_devices(const Spec& spec, std::vector<PreparedDevice>& list);

/// Copies the tree at `from` (inside `root`) into the new mount `to`: folders, files, links, with
/// owner, mode and times. What is none of these is left out. An absent `from` is empty.
/// @errors System where the tmpfs is full
Result<void> copy_into(const UniqueFd& root, const std::string& from, const UniqueFd& to);

}  // namespace davit::runtime
