#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "stack/records.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

/// Volumes whose options say where their data really is. @source Docker's volume driver "local"
namespace davit::stack {

/// A volume's options in the words of mount(2).
struct VolumeMount {
    std::string type = {};
    std::string device = {};
    unsigned long flags = 0;
    std::string data = {};  ///< What is left of `o`, for the file system itself.

    /// A folder of the host: containers mount it, and on the host nothing is mounted for it.
    bool is_bind() const;
    bool is_read_only() const;
    /// The options of OCI that the flags mean for a bind.
    std::vector<std::string> oci_options() const;
};

/// Nothing where there are no options. Pure.
/// @errors InvalidInput for an option that means nothing, or one that needs another one
Result<std::optional<VolumeMount>> parse_volume_options(
    const std::map<std::string, std::string>& options);

/// Tries the mount where nobody sees it: @errors why it can't be mounted. Returns whether it can be
/// idmapped. `place`: any folder.
Result<bool> try_volume(const VolumeMount& mount, const std::string& place);

/// Held while it is decided whether a volume's file system is mounted, or its data is filled in.
class VolumeLock {
public:
    /// @errors NotFound where the volume's folder is gone
    static Result<VolumeLock> take(const std::string& folder);

private:
    explicit VolumeLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// Whether another container than `except`, of any project, has the volume mounted now.
Result<bool> has_other_users(const Paths& paths, const std::string& volume,
                             const std::string& except);

/// Mounts the file systems of the volumes that a container is about to have, those that are not
/// mounted yet. They can't go as long as what is returned is kept.
Result<std::vector<VolumeLock>> mount_volumes(const Paths& paths, const ContainerRecord& record);

/// Unmounts those of a container that has ended, as far as nobody else has them.
Result<void> unmount_volumes(const Paths& paths, const ContainerRecord& record);

/// Whether a file system is mounted at `path`.
bool is_mount_point(const std::string& path);

/// Unmounts what is mounted on a volume's data, whoever has it.
Result<void> detach_volume(const std::string& folder);

}  // namespace davit::stack
