#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <vector>

namespace davit::cli {

/// "web=3" and the like. @errors InvalidInput
Result<std::map<std::string, int>> parse_scale(const std::vector<std::string>& words);

}  // namespace davit::cli
