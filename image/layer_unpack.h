#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/byte_source.h"
#include "image/tar_content.h"
#include "image/tar_reader.h"

#include <cstdint>
#include <string>

namespace davit::image {

struct Unpacked {
    std::int64_t bytes = 0;  ///< Of file content.
    std::int64_t entries = 0;
};

/// Gives what an entry was unpacked to its extended attributes, without those that overlayfs would
/// take for its own. `path`: the handle of an open file (/proc/self/fd/N), or with `by_name` a name
/// in an open folder, which is not followed. What the file system does not take is passed over.
/// After chown(2), which takes file capabilities away. @errors InvalidInput, naming the entry
Result<void> set_xattrs(const TarEntry& entry, const std::string& path, bool by_name);

/// Unpacks one layer (a plain tar) into the empty folder `root`, in the form that overlayfs reads:
/// whiteouts become 0:0 devices, opaque folders carry trusted.overlay.opaque. Owners, modes, times,
/// extended attributes and devices as in the archive. Nothing in the archive can reach out of
/// `root`: every parent is looked up inside it, and no link is followed at the last part of a name.
/// Needs root. @errors InvalidInput, naming the entry @source OCI image-spec, layer.md
Result<Unpacked> unpack_layer(ByteSource& tar, const UniqueFd& root, const UnpackLimits& limits);

}  // namespace davit::image
