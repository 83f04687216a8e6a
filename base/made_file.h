#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <ctime>
#include <string>
#include <sys/types.h>

/// Owner, mode and times of what was just made, by its descriptor. In a folder that others write
/// into its name says nothing: whoever replaces it by a link would have chmod(2), which follows
/// links, change any file of the host.
namespace davit {

/// What was just made as `name` in `folder`, opened with O_PATH. `type` is what it must be:
/// S_IFDIR, S_IFLNK, …. @errors NotFound, Busy where it is something else by now; System
Result<UniqueFd> open_made(const UniqueFd& folder, const std::string& name, mode_t type);

/// Opened with O_PATH or to be used, as in the functions that follow. Changing the owner clears
/// set-user-id bits: it comes before the mode.
Result<void> set_owner(const UniqueFd& object, uid_t uid, gid_t gid);

/// @errors Unsupported for a symbolic link, which has no mode of its own
Result<void> set_mode(const UniqueFd& object, mode_t mode);

/// Of a symbolic link its own.
Result<void> set_times(const UniqueFd& object, const timespec& accessed, const timespec& modified);

}  // namespace davit
