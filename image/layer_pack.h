#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/byte_sink.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace davit::image {

/// A range of owners: `size` ids from `container` on inside are those from `host` on outside.
struct IdRange {
    std::uint32_t container = 0;
    std::uint32_t host = 0;
    std::uint32_t size = 0;
};

struct PackOptions {
    /// How owners on disk become those of the layer; empty: as they are. One that is in no range
    /// is an error: it could not be the container's.
    std::vector<IdRange> uids = {};
    std::vector<IdRange> gids = {};
    /// The folder is the upper one of an overlayfs: 0:0 devices become ".wh." files, opaque folders
    /// get a ".wh..wh..opq". Else a plain tree, where these are what they are.
    bool overlay = true;
    /// Later times are written as this one (seconds since 1970; for builds that are the same byte
    /// for byte); nothing: as on disk.
    std::optional<std::int64_t> latest_mtime = {};
    /// The tree is in use: what is gone when its turn comes is left out, and a file that became
    /// shorter is filled up with zeros, as tar does. Else these are errors.
    bool live = false;
    /// Asked for each path ("etc/resolv.conf"); false leaves it out, with what is in it.
    std::function<bool(const std::string&)> wanted = {};
};

struct Packed {
    std::int64_t bytes = 0;  ///< Of file content.
    std::int64_t entries = 0;
};

/// Writes what is in the folder `root` (not the folder itself) as one layer, a plain tar: in the
/// order of the names, with owners, modes, times, hard links, file capabilities and user.*
/// attributes. The same tree gives the same bytes. Sockets are left out, as Docker leaves them out.
/// Nothing is followed out of `root`; a file that changes meanwhile is an error,
/// unless the tree is `live`.
/// @errors InvalidInput naming the path @source OCI image-spec, layer.md
Result<Packed> pack_layer(const UniqueFd& root, ByteSink& sink, const PackOptions& options);

}  // namespace davit::image
