#pragma once

#include "base/json.h"
#include "cli/container_rows.h"
#include "image/store.h"

#include <vector>

namespace davit::cli {

/// An image as `docker image inspect` shows it; `config` is its configuration as it came. Pure.
/// @source Docker Engine API v1.45, ImageInspect
Json image_inspect(const image::Image& image, const Json& config);

/// Its history as `docker history --format json` has it, the newest line first; `sizes` are those
/// of its layers, bottom first. Pure.
std::vector<Json> history_rows(const image::Image& image, const Json& config,
                               const std::vector<std::int64_t>& sizes, bool no_trunc,
                               TimePoint now);

}  // namespace davit::cli
