#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

/// What a place must offer to be a data root.
namespace davit::stack {

/// @errors Busy where something is mounted at `folder` or below it: no other place can take over
/// from it then
Result<void> check_mounts(const std::string& folder);

/// Whether all of `folder` has room where `to` is or will be. Returns the bytes that it takes.
/// @errors System (ENOSPC), with what is needed and what is free
Result<std::int64_t> check_room(const std::string& folder, const std::string& to);

/// Tries out what containers need of the file system of `folder`: attributes of overlayfs, devices,
/// and an overlayfs whose upper folder is there. Leaves nothing.
/// @errors InvalidInput naming the file system and what it can't do
Result<void> check_file_system(const std::string& folder);

}  // namespace davit::stack
