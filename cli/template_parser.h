#pragma once

#include "base/result.h"
#include "cli/template_tree.h"

#include <string_view>
#include <vector>

namespace davit::cli {

/// The tree of a template. Blocks and parentheses may be 64 deep.
/// @errors InvalidInput with the place and, where there is one, the cure
Result<std::vector<TemplateNode>> parse_template(std::string_view text);

}  // namespace davit::cli
