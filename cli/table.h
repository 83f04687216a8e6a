#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace davit::cli {

/// How wide columns are. @source docker/cli formatter: tabwriter(minwidth 10, padding 3)
struct TableForm {
    std::size_t minimum = 10;
    std::size_t padding = 3;
};

/// Rows in columns, the first one being the header, as the Docker command line lays them out: each
/// column as wide as its widest cell and the padding, at least the minimum; the last one ragged.
/// Cells are made harmless.
std::string render_table(const std::vector<std::vector<std::string>>& rows,
                         const TableForm& form = {});

}  // namespace davit::cli
