#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/byte_source.h"
#include "image/tar_content.h"

#include <cstdint>

namespace davit::image {

struct Unpacked {
    std::int64_t bytes = 0;  ///< Of file content.
    std::int64_t entries = 0;
};

/// Unpacks one layer (a plain tar) into the empty folder `root`, in the form that overlayfs reads:
/// whiteouts become 0:0 devices, opaque folders carry trusted.overlay.opaque. Owners, modes, times,
/// extended attributes and devices as in the archive. Nothing in the archive can reach out of
/// `root`: every parent is looked up inside it, and no link is followed at the last part of a name.
/// Needs root. @errors InvalidInput, naming the entry @source OCI image-spec, layer.md
Result<Unpacked> unpack_layer(ByteSource& tar, const UniqueFd& root, const UnpackLimits& limits);

}  // namespace davit::image
