#include "base/bytes.h"
#include "base/duration.h"
#include "base/strings.h"
#include "compose/canonical.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

// Single values, each brought into the one form in which it is compared, merged and printed.
namespace davit::compose {
namespace {

std::optional<double> parse_number(const std::string& text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    const auto [stop, code] = std::from_chars(begin, end, value);
    if (code != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
    return value;
}

/// With the precision that Docker Compose keeps. @source compose-go types/cpus.go
std::string number_text(double value) {
    std::array<char, 64> buffer{};
    const auto [end, code] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<float>(value));
    return code == std::errc() ? std::string(buffer.data(), end) : std::string("0");
}

void set_plain(Node& node, std::string text) {
    node.text = std::move(text);
    node.is_string = false;
}

/// The nanoseconds of a duration with sign and any unit. @source Go time.ParseDuration
std::optional<std::int64_t> nanoseconds(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    constexpr std::array<std::pair<std::string_view, double>, 9> kUnits = {{{"ns", 1},
                                                                            {"us", 1e3},
                                                                            {"µs", 1e3},
                                                                            {"ms", 1e6},
                                                                            {"s", 1e9},
                                                                            {"m", 60e9},
                                                                            {"h", 3600e9},
                                                                            {"d", 24 * 3600e9},
                                                                            {"w", 168 * 3600e9}}};
    double total = 0;
    while (!text.empty()) {
        const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
        double number = 0;
        const auto [stop, code] =
            std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
        if (code != std::errc() || stop != text.data() + digits) return std::nullopt;
        text.remove_prefix(digits);
        const std::size_t letters = std::min(text.find_first_of("0123456789."), text.size());
        const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& known) {
            return known.first == text.substr(0, letters);
        });
        if (unit == kUnits.end()) return std::nullopt;
        total += number * unit->second;
        text.remove_prefix(letters);
    }
    if (total >= 9.2e18) return std::nullopt;
    return std::llround(negative ? -total : total);
}

}  // namespace

std::string go_duration(std::int64_t duration) {
    if (duration == 0) return "0s";
    const auto fraction = [](std::uint64_t value, std::uint64_t unit) {
        std::string text = fmt::format("{}", value / unit);
        if (value % unit == 0) return text;
        std::string digits = fmt::format("{}", unit + value % unit).substr(1);
        digits.erase(digits.find_last_not_of('0') + 1);
        return text + "." + digits;
    };
    const std::string sign = duration < 0 ? "-" : "";
    const std::uint64_t size = duration < 0 ? 0 - static_cast<std::uint64_t>(duration)
                                            : static_cast<std::uint64_t>(duration);
    if (size < 1'000) return fmt::format("{}{}ns", sign, size);
    if (size < 1'000'000) return fmt::format("{}{}µs", sign, fraction(size, 1'000));
    if (size < 1'000'000'000) return fmt::format("{}{}ms", sign, fraction(size, 1'000'000));
    const std::uint64_t minute = 60'000'000'000;
    const std::string seconds = fraction(size % minute, 1'000'000'000) + "s";
    if (size < minute) return sign + seconds;
    const std::uint64_t minutes = size / minute;
    if (minutes < 60) return fmt::format("{}{}m{}", sign, minutes, seconds);
    return fmt::format("{}{}h{}m{}", sign, minutes / 60, minutes % 60, seconds);
}

void Canonicalizer::scalar(Node& node, const Shape& shape, const NodePath& path) {
    if (!node.is_scalar()) {
        std::string_view expected = "a string";
        if (shape.form == Form::Boolean) expected = "true or false";
        if (shape.form == Form::Integer) expected = "a whole number";
        if (shape.form == Form::Number) expected = "a number";
        if (shape.form == Form::Bytes) expected = "a size";
        if (shape.form == Form::Duration) expected = "a duration";
        if (shape.numbers && shape.booleans) expected = "a single value";
        if (shape.expected != nullptr) expected = shape.expected;
        refuse_type(node, path, expected);
        return;
    }
    switch (shape.form) {
        case Form::Boolean: return boolean(node, shape, path);
        case Form::Integer:
        case Form::Number: return number(node, shape, path);
        case Form::Bytes: return bytes(node, shape, path);
        case Form::Duration: return duration(node, path);
        case Form::Mode: return mode(node, shape, path);
        default: return string(node, shape, path);
    }
}

void Canonicalizer::string(Node& node, const Shape& shape, const NodePath& path) {
    const ScalarType type = scalar_type(node);
    const bool number = type == ScalarType::Integer || type == ScalarType::Float;
    if ((number && !shape.numbers) || (type == ScalarType::Boolean && !shape.booleans)) {
        // YAML 1.1 took an unquoted no for false, and some still write it so.
        const bool no = path.key == "restart" && canonical_text(node) == "false";
        const std::string quoted = fmt::format("write it in quotes: \"{}\"", no ? "no" : node.text);
        refuse_type(node, path, shape.expected != nullptr ? shape.expected : "a string", quoted);
        return;
    }
    node.text = canonical_text(node);
    node.is_string = true;
    if (shape.words.empty()) return;
    for (const char* word : shape.words) {
        if (node.text == word) return;
    }
    std::vector<std::string> words(shape.words.begin(), shape.words.end());
    const auto meant = nearest(node.text, words);
    refuse_value(node, path, fmt::format("there is no '{}'", printable(node.text)),
                 meant ? fmt::format("the nearest is '{}'", *meant)
                       : fmt::format("use '{}'", fmt::join(words, "', '")));
}

void Canonicalizer::boolean(Node& node, const Shape& shape, const NodePath& path) {
    const ScalarType type = scalar_type(node);
    constexpr std::array<std::string_view, 4> kYes = {"true", "yes", "y", "on"};
    constexpr std::array<std::string_view, 4> kNo = {"false", "no", "n", "off"};
    const std::string word = lowered(node.text);
    const bool yes = std::find(kYes.begin(), kYes.end(), word) != kYes.end();
    const bool no = std::find(kNo.begin(), kNo.end(), word) != kNo.end();
    const bool accepted =
        type == ScalarType::Boolean || (type == ScalarType::String && (yes || no));
    if (!accepted || (shape.strings_only && type != ScalarType::Boolean)) {
        refuse_type(node, path, "true or false");
        return;
    }
    if (word != "true" && word != "false")
        warn(node, fmt::format("'{}' is a string in YAML 1.2, it is taken for {}", node.text, yes),
             fmt::format("write {}", yes));
    set_plain(node, yes ? "true" : "false");
}

void Canonicalizer::number(Node& node, const Shape& shape, const NodePath& path) {
    const bool whole = shape.form == Form::Integer;
    const std::string_view expected = whole ? "a whole number" : "a number";
    const std::string text = canonical_text(node);
    const std::optional<double> parsed =
        scalar_type(node) == ScalarType::Boolean ? std::nullopt : parse_number(text);
    const double value = parsed.value_or(0);
    const bool integer = parse_integer(text).has_value();
    if (!parsed || (whole && !shape.truncated && !integer)) {
        refuse_type(node, path, expected);
        return;
    }
    constexpr double kLargest = 9.2e18;  // within 64 bits
    if (whole && !integer && (value > kLargest || value < -kLargest)) {
        refuse_value(node, path, fmt::format("{} is out of range", text));
        return;
    }
    if (value < shape.least && shape.least == 0)
        refuse_value(node, path, fmt::format("{} is negative", text), "use 0 or more");
    else if (value < shape.least || value > shape.most)
        refuse_value(node, path, fmt::format("{} is out of range", text),
                     fmt::format("use {} to {}", shape.least, shape.most));
    else if (whole)
        set_plain(node, integer ? text : fmt::format("{}", static_cast<std::int64_t>(value)));
    else
        set_plain(node, number_text(value));
}

/// A fraction of a byte can't be meant: Docker Compose drops such a value, and we say so.
void Canonicalizer::bytes(Node& node, const Shape& shape, const NodePath& path) {
    const ScalarType type = scalar_type(node);
    if (type == ScalarType::Boolean || (type != ScalarType::String && shape.strings_only)) {
        refuse_type(node, path, "a size", "write it in quotes, with a unit: \"512m\"");
        return;
    }
    const std::string text = canonical_text(node);
    if (type == ScalarType::Float) {
        warn(node, fmt::format("'{}' is a fraction of bytes, and means no limit", node.text),
             "write a whole number, or one with a unit, such as 512m");
        node.kind = NodeKind::Null;
        node.refused = true;
        return;
    }
    if (const auto number = parse_integer(text); number && *number < 0 && shape.negative) {
        node.text = text;  // -1: without a limit
        node.is_string = true;
        return;
    }
    const bool blanks = text != trim(text);
    Result<std::int64_t> parsed = parse_bytes(text);
    if (!parsed || blanks) {
        refuse_value(node, path,
                     parsed ? fmt::format("'{}' begins or ends with a blank", text)
                            : parsed.error().to_string(),
                     "write a number with a unit, such as 512m or 1.5g");
        return;
    }
    node.text = fmt::format("{}", *parsed);
    node.is_string = true;
}

void Canonicalizer::duration(Node& node, const NodePath& path) {
    const std::string help = "write numbers with units, such as 1m30s or 500ms";
    if (scalar_type(node) != ScalarType::String) {
        refuse_type(node, path, "a duration", help);
        return;
    }
    if (const auto value = nanoseconds(node.text)) {
        node.text = go_duration(*value);
        return;
    }
    const Result<std::chrono::microseconds> parsed = parse_duration(node.text);
    refuse_value(
        node, path,
        parsed ? fmt::format("'{}' is not a duration", node.text) : parsed.error().to_string(),
        help);
}

void Canonicalizer::mode(Node& node, const Shape& shape, const NodePath& path) {
    // An octal number is octal whether or not it stands in quotes. @source compose-go FileMode
    const std::string decimal = canonical_text(node);
    std::optional<std::int64_t> value;
    if (node.is_string) {
        std::int64_t octal = 0;
        const auto [stop, code] =
            std::from_chars(decimal.data(), decimal.data() + decimal.size(), octal, 8);
        if (code == std::errc() && stop == decimal.data() + decimal.size()) value = octal;
    } else if (scalar_type(node) == ScalarType::Integer) {
        if (const auto number = parse_integer(decimal)) value = *number;
    }
    if (!value || *value < 0 || *value > 07777) {
        refuse_value(node, path, fmt::format("'{}' is not a file mode", printable(node.text)),
                     "write three or four octal digits, such as 0440");
        return;
    }
    node.text = shape.decimal ? fmt::format("{}", *value) : fmt::format("0{:o}", *value);
    node.is_string = !shape.decimal;
}

}  // namespace davit::compose
