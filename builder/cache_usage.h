#pragma once

#include "base/result.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

/// What builds keep for the next ones, for `system df` and `builder prune`.
namespace davit::builder {

struct CacheEntry {
    std::string id = {};         ///< Of a step: the hash over what it was made of; of a cache
                                 ///< mount: its folder's name.
    std::string diff_id = {};    ///< The step's layer; empty: it has none, or it is a mount.
    bool mount = false;          ///< RUN --mount=type=cache
    bool shared = false;         ///< An image has the layer too: removing the entry frees nothing.
    std::int64_t bytes = 0;      ///< Of a layer and its blob, or of the mount's files.
    std::int64_t created = 0;    ///< Seconds since 1970.
    std::int64_t last_used = 0;  ///< Seconds since 1970.
};

/// All entries, the one that was used last first. Records of layers that are gone are left out.
Result<std::vector<CacheEntry>> list_cache(const std::string& data_root);

/// Bytes of all entries, each layer once, without those that images have too.
std::int64_t cache_bytes(const std::vector<CacheEntry>& entries);

struct CachePruned {
    std::vector<std::string> ids = {};
    std::int64_t bytes = 0;
};

/// Removes `entries`, and of their layers those that no image and no container has; also what
/// records without a layer left. @errors Busy while a build runs
Result<CachePruned> prune_cache(const std::string& data_root,
                                const std::vector<CacheEntry>& entries,
                                const std::set<std::string>& images_in_use);

}  // namespace davit::builder
