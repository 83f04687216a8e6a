#pragma once

#include "base/result.h"
#include "builder/cache_usage.h"
#include "cli/image_filter.h"
#include "cli/intents.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

/// What the prune commands take away.
namespace davit::cli {

/// The images that `prune_images` would remove.
Result<std::vector<image::Image>> unused_images(const std::string& data_root, bool all,
                                                const std::vector<std::string>& filter);

struct PrunedImages {
    std::string lines = {};  ///< "untagged: …" and "deleted: …", as Docker prints them.
    std::int64_t bytes = 0;  ///< That the disk has again.
};

/// Removes images that no container was made of: those without a name, or `all`; of these only what
/// `filter` takes.
Result<PrunedImages> prune_images(const std::string& data_root, bool all,
                                  const std::vector<std::string>& filter);

/// What `image prune` says of one under --dry-run.
Intent intent_of(const image::Image& image);

struct CachePrune {
    bool all = false;                       ///< Also what images have too, which frees nothing.
    std::vector<std::string> filters = {};  ///< until=, id=, type=
    std::int64_t keep_bytes = 0;            ///< The last used ones stay, up to this size.
};

/// What `prune_build_cache` would remove.
Result<std::vector<builder::CacheEntry>> unused_cache(const std::string& data_root,
                                                      const CachePrune& request);

/// Removes what builds keep for the next ones.
Result<builder::CachePruned> prune_build_cache(const std::string& data_root,
                                               const CachePrune& request);

}  // namespace davit::cli
