#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <vector>

/// What an image has at the place of an empty volume goes into the volume, with its owners.
/// @source moby daemon/volumes.go, container "copyImagePathContent"
namespace davit::stack {

/// What a volume begins with.
struct VolumeContent {
    std::vector<std::string> layers = {};  ///< Of the image, top first.
    std::string path = {};                 ///< Absolute, inside of the image.
};

struct FillCall {
    std::string folder = {};  ///< Of the volume; holds its lock by now.
    std::string data = {};    ///< Where its data is: folder/_data, or a folder of the host.
    /// Others may see the data, or it is a file system of its own: it can't be put in place whole.
    bool in_place = false;
    std::string scratch = {};  ///< A folder that can be made and removed.
};

/// Whether somebody was killed while he filled the volume.
bool is_half_filled(const std::string& folder);

/// Fills an empty volume, and finishes what was begun and not ended, also without `content`. Killed
/// at any moment, a volume is empty, whole, or known to be half filled. A path that isn't there, or
/// no folder, is empty.
/// @errors System where there is no room; NotFound where what it was filled from is gone
Result<void> fill_volume(const FillCall& call, const std::optional<VolumeContent>& content);

}  // namespace davit::stack
