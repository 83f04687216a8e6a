#pragma once

#include "base/result.h"

#include <set>
#include <string>

namespace davit::cli {

/// Ids of the images that containers of any project of this data root were made of.
Result<std::set<std::string>> images_in_use(const std::string& data_root);

}  // namespace davit::cli
