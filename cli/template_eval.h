#pragma once

#include "base/result.h"
#include "cli/template.h"
#include "cli/template_tree.h"

#include <string>
#include <string_view>
#include <vector>

namespace davit::cli {

/// Fills in a tree. `text` is what it was parsed from, `out` gets what was written, also where an
/// error ends it. Takes at most a million steps and writes at most 16 MiB.
/// @errors InvalidInput with the place
Result<void> run_template(const std::vector<TemplateNode>& nodes, std::string_view text,
                          const Json& root, const TemplateOptions& options, std::string& out);

}  // namespace davit::cli
