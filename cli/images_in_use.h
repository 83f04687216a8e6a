#pragma once

#include "base/result.h"
#include "builder/cache_usage.h"
#include "image/store.h"

#include <set>
#include <string>
#include <vector>

namespace davit::cli {

/// Ids of the images that containers of any project of this data root were made of.
Result<std::set<std::string>> images_in_use(const std::string& data_root);

/// Store::remove, with the images that are in use at that moment; no container begins to use one
/// meanwhile.
Result<image::Removed> remove_image(image::Store& store, const std::string& text, bool force);

/// builder::prune_cache in the same way.
Result<builder::CachePruned> remove_cache(const std::string& data_root,
                                          const std::vector<builder::CacheEntry>& going);

}  // namespace davit::cli
