#pragma once

#include "base/result.h"
#include "stack/records.h"

#include <map>
#include <string>
#include <vector>

/// The volumes of a data root: named ones, and the anonymous ones of containers.
namespace davit::stack {

struct VolumeView {
    VolumeRecord record = {};
    std::string mountpoint = {};          ///< Absolute path of its data on the host.
    std::vector<std::string> users = {};  ///< Containers that mount it, running or not.
    bool anonymous = false;
};

/// All volumes, sorted by name. Takes no lock.
Result<std::vector<VolumeView>> list_volumes(const Paths& paths);

struct NewVolume {
    std::string name = {};  ///< Empty: 64 random digits.
    std::string driver = "local";
    std::map<std::string, std::string> labels = {};
    std::map<std::string, std::string> options = {};
};

/// Makes a named volume and returns its name; one that is there already stays as it is.
/// @errors InvalidInput for a name or driver that can't be; AlreadyExists where it has other
/// options
Result<std::string> create_volume(const Paths& paths, const NewVolume& wanted);

/// Makes the folders and the record of a volume in one step. One that is there stays as it is.
Result<void> make_volume(const Paths& paths, const VolumeRecord& record);

/// Takes a named volume away in one step, mounted or not, and then its data. What is gone is fine.
Result<void> erase_volume(const Paths& paths, const std::string& name);

/// Nobody begins to make a volume while the descriptor is open. Closed where there is no folder of
/// volumes. @errors Busy where somebody makes one now
Result<UniqueFd> hold_volume_making(const Paths& paths);

/// Takes away what those have left halfway who were killed, or failed, while they made or removed
/// volumes. Several may do it at once.
Result<void> sweep_volumes(const Paths& paths);

/// Takes the data of a container's anonymous volume away; `source` is that of its mount.
Result<void> erase_anonymous(const std::string& source);
/// The same for all that the container has.
Result<void> erase_anonymous_of(const ContainerRecord& record);

/// Gives the anonymous volumes of a container that goes a name of their own, so that the next
/// container of that name doesn't find them.
Result<void> set_anonymous_free(const ContainerRecord& record);

/// The volume of that name, which no container uses.
/// @errors NotFound; Busy where a container has it, naming the container
Result<VolumeView> removable_volume(const Paths& paths, const std::string& name);

/// @errors as `removable_volume`
Result<void> remove_volume(const Paths& paths, const std::string& name);

/// What `prune_volumes` would remove.
Result<std::vector<VolumeView>> unused_volumes(const Paths& paths, bool named);

/// Removes what no container uses: anonymous volumes, with `named` also the others. Returns their
/// names.
Result<std::vector<std::string>> prune_volumes(const Paths& paths, bool named);

}  // namespace davit::stack
