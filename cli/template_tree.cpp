#include "cli/template_tree.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {

Error at_place(Error error, std::string_view text, std::size_t at) {
    const std::string_view before = text.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const std::size_t column = before.size() - line_start + 1;
    if (text.find('\n') == std::string_view::npos)
        return std::move(error).doing("read the template, column {}", column);
    return std::move(error).doing("read the template, line {}, column {}", line, column);
}

}  // namespace davit::cli
