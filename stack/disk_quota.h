#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

/// Limits of what a folder may hold, by project quotas of the file system: `storage_opt: size`.
/// @source quotactl(2), PRJQUOTA; xfs_quota(8); docker run --storage-opt size
namespace davit::stack {

/// Whether the file system of `folder` (or of its nearest parent that is there) can limit folders.
/// @errors Unsupported, with the cure
Result<void> check_folder_limits(const std::string& folder);

/// Limits what `folder`, which is empty, and everything below may hold. `seed` (hex digits) is what
/// the number of its project is made of.
Result<void> limit_folder(const std::string& folder, std::int64_t bytes, const std::string& seed);

/// Takes the limit of `folder` back, where it has one of ours. Call before it is removed.
void lift_limit(const std::string& folder);

}  // namespace davit::stack
