#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/mount_options.h"
#include "runtime/spec.h"

#include <string>
#include <utility>
#include <vector>

/// Mounts that are part of no mount table yet: descriptors that a child attaches in its own.
/// @source open_tree(2), fsmount(2), mount_setattr(2)
namespace davit::runtime {

/// The mount of `path`, with `recursive` also what is mounted in it.
Result<UniqueFd> clone_mount(const std::string& path, bool recursive);

/// The mount of `subpath` in `path`, or of `path` itself where that is empty. No link in the
/// subpath leads out of `path`. @errors NotFound where it isn't there
Result<UniqueFd> clone_beneath(const std::string& path, const std::string& subpath, bool recursive);

struct AttributeCall {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;
    int user_namespace = -1;  ///< Whose ids it is mapped to.
    bool recursive = false;
};
Result<void> set_attributes(const UniqueFd& mount, const AttributeCall& call);

/// Maps the ids of a mount; does nothing without a user namespace. `path` names it in errors.
/// @errors Unsupported where the file system can't be idmapped
Result<void> idmap(const UniqueFd& mount, const UniqueFd& user_namespace, bool recursive,
                   const std::string& path);

/// A new instance of the file system `type`; an option without a value is a flag.
Result<UniqueFd> new_detached(const std::string& type,
                              const std::vector<std::pair<std::string, std::string>>& data,
                              std::uint64_t attributes);

/// A mount namespace for the length of a scope, in which mounts can be attached and taken again:
/// older kernels can't do that with mounts that are nowhere. What is in it goes with it. The caller
/// has one thread, so that nobody else is moved along.
class MountWorkshop {
public:
    /// Stands in an empty folder of its own, with everything else of the host out of sight.
    static Result<MountWorkshop> open();

    MountWorkshop(MountWorkshop&&) noexcept = default;
    MountWorkshop& operator=(MountWorkshop&&) = delete;
    MountWorkshop(const MountWorkshop&) = delete;
    MountWorkshop& operator=(const MountWorkshop&) = delete;
    /// Going back must succeed: the guard would do everything else in the wrong place.
    ~MountWorkshop();

    /// Attaches a detached mount as the folder `name`.
    Result<void> attach(const UniqueFd& mount, const std::string& name) const;

private:
    MountWorkshop(UniqueFd home, UniqueFd folder)
        : home_(std::move(home)), folder_(std::move(folder)) {}

    UniqueFd home_;    ///< Closed after a move.
    UniqueFd folder_;  ///< Where the caller stood.
};

/// The id on the host of an id of the container.
std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id);

}  // namespace davit::runtime
