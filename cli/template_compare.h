#pragma once

#include "base/result.h"
#include "cli/template_functions.h"

#include <string>
#include <vector>

namespace davit::cli {

/// eq (the first is one of the others), ne, lt, le, gt or ge. Nothing is equal to nil alone; whole
/// numbers and others compare by value. @errors InvalidInput where types can't be compared
Result<bool> compare_values(const std::string& name, const std::vector<TemplateValue>& values);

}  // namespace davit::cli
