#pragma once

#include "base/result.h"

#include <string>

/// Where the mounts go that every container has: /dev, /proc, /sys and three files of /etc, which
/// images mostly lack. A layer beneath all layers of the image has them, so that no container makes
/// them in its own one, six inodes each time; what the image has there comes first.
namespace davit::stack {

/// The folder of that layer. It stands beside the image's layers, whose file system is known to do
/// what a layer needs.
std::string mount_point_layer(const std::string& data_root);

/// Makes it where it isn't whole; before each start, since somebody may have removed it. An entry
/// that is missing costs time and nothing else: nothing is written aside and renamed.
/// @errors System
Result<void> ensure_mount_point_layer(const std::string& data_root);

}  // namespace davit::stack
