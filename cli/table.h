#pragma once

#include <string>
#include <vector>

namespace davit::cli {

/// Rows in columns, the first one being the header, as the Docker command line lays them out: each
/// column as wide as its widest cell and three blanks, at least ten; the last one ragged. Cells are
/// made harmless.
/// @source docker/cli formatter: tabwriter(minwidth 10, padding 3)
std::string render_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace davit::cli
