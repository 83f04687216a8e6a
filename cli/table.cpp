#include "cli/table.h"

#include "cli/terminal.h"

#include <algorithm>

namespace davit::cli {

std::string render_table(const std::vector<std::vector<std::string>>& rows, const TableForm& form) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()), form.minimum);
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], width_of(harmless(row[i])) + form.padding);
    }
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string cell = harmless(row[i]);
            text += cell;
            if (i + 1 < row.size()) text += std::string(widths[i] - width_of(cell), ' ');
        }
        text += '\n';
    }
    return text;
}

}  // namespace davit::cli
