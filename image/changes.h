#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace davit::image {

/// Applies `--change` instructions ("CMD [\"nginx\"]", "ENV A=b") to the "config" object of an
/// image configuration. Pure.
/// @errors InvalidInput, naming the instruction @source Dockerfile reference; docker import
/// --change
Result<Json> apply_changes(Json config, const std::vector<std::string>& changes);

}  // namespace davit::image
