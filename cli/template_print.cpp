#include "cli/template_print.h"

#include "base/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// Go's %v of a float: %e for large and small ones, as few digits as tell it apart.
std::string go_float(double value) {
    std::array<char, 64> digits{};
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                       std::chars_format::scientific);
    std::string text(digits.data(), written.ptr);
    const std::size_t e = text.find('e');
    if (e == std::string::npos) return text;  // inf, nan
    const long long exponent =
        parse_integer(text.substr(e + (text[e + 1] == '+' ? 2 : 1))).value_or(0);
    constexpr long long kSmallest = -4;
    constexpr long long kLargest = 6;
    if (exponent < kSmallest || exponent >= kLargest) return text;
    const auto fixed = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                     std::chars_format::fixed);
    return {digits.data(), fixed.ptr};
}

bool is_nil(const Json* value) { return value == nullptr || value->is_null(); }

}  // namespace

std::vector<std::pair<std::string, const Json*>> sorted_entries(const Json& object) {
    std::vector<std::pair<std::string, const Json*>> entries;
    for (const auto& [key, item] : object.items()) entries.emplace_back(key, &item);
    std::sort(entries.begin(), entries.end());
    return entries;
}

const char* go_type(const Json* value) {
    if (is_nil(value)) return "nil";
    if (value->is_string()) return "string";
    if (value->is_number_integer()) return "int";
    if (value->is_number_float()) return "float64";
    if (value->is_boolean()) return "bool";
    return value->is_array() ? "list" : "map";
}

std::string go_text(const Json* value) {
    if (is_nil(value)) return "<nil>";
    if (value->is_string()) return value->get<std::string>();
    if (value->is_number_float()) return go_float(value->get<double>());
    std::string text;
    if (value->is_array()) {
        for (const Json& item : *value) text += (text.empty() ? "" : " ") + go_text(&item);
        return "[" + text + "]";
    }
    if (value->is_object()) {
        for (const auto& [key, item] : sorted_entries(*value))
            text += fmt::format("{}{}:{}", text.empty() ? "" : " ", key, go_text(item));
        return "map[" + text + "]";
    }
    return value->dump();
}

std::string go_quoted(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        constexpr std::string_view kPlain = "\"\\\a\b\f\n\r\t\v";
        constexpr std::string_view kLetters = "\"\\abfnrtv";
        const std::size_t escape = kPlain.find(c);
        if (escape != std::string_view::npos)
            quoted += fmt::format("\\{}", kLetters[escape]);
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            quoted += c;
    }
    return quoted + "\"";
}

std::string go_print(const std::vector<const Json*>& values) {
    std::string text;
    bool was_text = true;
    for (const Json* value : values) {
        const bool is_text = value != nullptr && value->is_string();
        if (!is_text && !was_text) text += ' ';
        text += go_text(value);
        was_text = is_text;
    }
    return text;
}

std::string go_println(const std::vector<const Json*>& values) {
    std::string text;
    for (const Json* value : values) text += (text.empty() ? "" : " ") + go_text(value);
    return text + "\n";
}

}  // namespace davit::cli
