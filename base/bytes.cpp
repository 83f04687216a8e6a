#include "base/bytes.h"

#include "base/strings.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace davit {

Result<std::int64_t> parse_bytes(std::string_view text) {
    const auto refused = [&](std::string_view why) {
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a size: {}", text, why))
            .help("write a number with a unit, such as 512m or 1.5g");
    };
    const std::string_view trimmed = trim(text);
    double number = 0;
    const char* end = trimmed.data() + trimmed.size();
    const auto [stop, code] =
        std::from_chars(trimmed.data(), end, number, std::chars_format::fixed);
    if (code != std::errc() || !std::isfinite(number)) return refused("it has no number");
    if (number < 0) return refused("it is negative");

    std::string unit;
    for (const char* c = stop; c != end; ++c) {
        if (*c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
    }
    if (unit.size() > 1 && unit.ends_with("ib"))
        unit.resize(unit.size() - 2);
    else if (unit.size() > 1 && unit.ends_with('b'))
        unit.resize(unit.size() - 1);
    constexpr std::string_view kUnits = "bkmgtp";
    const std::size_t power = unit.empty() ? 0 : kUnits.find(unit);
    if (unit.size() > 1 || power == std::string_view::npos) return refused("its unit is unknown");

    const double bytes = number * std::pow(1024.0, static_cast<double>(power));
    if (bytes >= 9.2e18) return refused("it is too large");
    return static_cast<std::int64_t>(bytes);
}

std::string format_bytes(std::int64_t bytes) {
    constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1000.0 && unit + 1 < std::size(kUnits)) {
        value /= 1000.0;
        ++unit;
    }
    return fmt::format("{:.3g}{}", value, kUnits[unit]);
}

}  // namespace davit
