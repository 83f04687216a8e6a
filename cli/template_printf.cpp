#include "base/strings.h"
#include "cli/template_literal.h"
#include "cli/template_print.h"
#include "cli/terminal.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <optional>

namespace davit::cli {
namespace {

/// Wider than any terminal; Go's own limit is a million.
constexpr long long kWidest = 1'000;
constexpr std::size_t kLongestPrint = 16U << 20U;

/// "%-8.3f": what stands between the '%' and the verb, and the verb.
struct PrintfDirective {
    bool left = false;
    bool plus = false;
    bool sharp = false;
    bool blank = false;
    bool zeros = false;
    std::optional<long long> width = {};
    std::optional<long long> precision = {};
    std::string verb = {};
};

std::string padded_to(const PrintfDirective& directive, std::string text, bool is_number) {
    const auto width = static_cast<std::size_t>(directive.width.value_or(0));
    const std::size_t now = width_of(text);
    if (now >= width) return text;
    if (directive.left) return text + std::string(width - now, ' ');
    if (!directive.zeros || !is_number) return std::string(width - now, ' ') + text;
    const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
    return text.insert(sign, width - now, '0');
}

std::string with_sign(const PrintfDirective& directive, std::string text) {
    if (text.starts_with('-')) return text;
    if (directive.plus) return "+" + text;
    return directive.blank ? " " + text : text;
}

std::string bad_verb(const PrintfDirective& directive, const Json* value) {
    if (value == nullptr || value->is_null()) return fmt::format("%!{}(<nil>)", directive.verb);
    return fmt::format("%!{}({}={})", directive.verb, go_type(value), go_text(value));
}

std::string cut_to(const PrintfDirective& directive, std::string text) {
    if (!directive.precision) return text;
    std::size_t end = 0;
    for (long long left = *directive.precision; end < text.size(); ++end)
        if ((static_cast<unsigned char>(text[end]) & 0xc0U) != 0x80 && left-- == 0) break;
    return text.substr(0, end);
}

std::string hex_of(std::string_view text, bool upper) {
    std::string hex;
    for (const char c : text)
        hex += upper ? fmt::format("{:02X}", static_cast<unsigned char>(c))
                     : fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
}

std::string string_text(const PrintfDirective& directive, const Json& value) {
    const auto text = value.get<std::string>();
    switch (directive.verb.front()) {
        case 'v':
            return padded_to(directive, directive.sharp ? go_quoted(text) : cut_to(directive, text),
                             false);
        case 's': return padded_to(directive, cut_to(directive, text), false);
        case 'q': return padded_to(directive, go_quoted(cut_to(directive, text)), false);
        case 'x': return padded_to(directive, hex_of(text, false), false);
        case 'X': return padded_to(directive, hex_of(text, true), false);
        default: return bad_verb(directive, &value);
    }
}

std::string integer_text(const PrintfDirective& directive, const Json& value) {
    const auto number = value.get<std::int64_t>();
    const auto code = static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, 0x110000));
    const auto shown = [&](std::string text) {
        return padded_to(directive, with_sign(directive, std::move(text)), true);
    };
    switch (directive.verb.front()) {
        case 'v':
        case 'd': return shown(value.dump());
        case 'b': return shown(fmt::format("{:b}", number));
        case 'o':
            return shown(directive.sharp ? fmt::format("0{:o}", number)
                                         : fmt::format("{:o}", number));
        case 'x':
            return shown(directive.sharp ? fmt::format("{:#x}", number)
                                         : fmt::format("{:x}", number));
        case 'X':
            return shown(directive.sharp ? fmt::format("{:#X}", number)
                                         : fmt::format("{:X}", number));
        case 'c': return padded_to(directive, utf8_of(code), false);
        case 'q': return padded_to(directive, "'" + utf8_of(code) + "'", false);
        case 'U': return padded_to(directive, fmt::format("U+{:04X}", number), false);
        default: return bad_verb(directive, &value);
    }
}

std::string float_text(const PrintfDirective& directive, const Json& value) {
    const auto number = value.get<double>();
    const int precision = static_cast<int>(directive.precision.value_or(6));
    const auto shown = [&](std::string text) {
        return padded_to(directive, with_sign(directive, std::move(text)), true);
    };
    switch (directive.verb.front()) {
        case 'f':
        case 'F': return shown(fmt::format("{:.{}f}", number, precision));
        case 'e': return shown(fmt::format("{:.{}e}", number, precision));
        case 'E': return shown(fmt::format("{:.{}E}", number, precision));
        case 'v':
        case 'g':
            if (!directive.precision) return shown(go_text(&value));
            return shown(fmt::format("{:.{}g}", number, precision));
        case 'G': return shown(fmt::format("{:.{}G}", number, precision));
        default: return bad_verb(directive, &value);
    }
}

/// A value by its verb. A list and a map apply it to each of their items.
std::string value_text(const PrintfDirective& directive, const Json* value) {
    const char verb = directive.verb.front();
    if (verb == 'T') return padded_to(directive, go_type(value), false);
    if (value == nullptr || value->is_null())
        return verb == 'v' ? padded_to(directive, "<nil>", false) : bad_verb(directive, value);
    if (value->is_string()) return string_text(directive, *value);
    if (value->is_number_integer()) return integer_text(directive, *value);
    if (value->is_number_float()) return float_text(directive, *value);
    if (value->is_boolean())
        return verb == 'v' || verb == 't' ? padded_to(directive, value->dump(), false)
                                          : bad_verb(directive, value);
    std::string text;
    const auto add = [&](const std::string& item) {
        if (text.size() < kLongestPrint) text += (text.empty() ? "" : " ") + item;
    };
    if (value->is_array()) {
        for (const Json& item : *value) add(value_text(directive, &item));
        return "[" + text + "]";
    }
    for (const auto& [key, item] : sorted_entries(*value)) {
        const Json name = key;
        add(value_text(directive, &name) + ":" + value_text(directive, item));
    }
    return "map[" + text + "]";
}

class PrintfFormatter {
public:
    PrintfFormatter(std::string_view format, const std::vector<const Json*>& values)
        : rest_(format), values_(values) {}

    std::string run() {
        std::string text;
        while (!rest_.empty() && text.size() < kLongestPrint) {
            const std::size_t percent = std::min(rest_.find('%'), rest_.size());
            text += rest_.substr(0, percent);
            rest_.remove_prefix(percent);
            if (!rest_.empty()) text += directive();
        }
        if (next_ >= values_.size()) return text;
        std::string extra;
        for (; next_ < values_.size(); ++next_)
            extra += fmt::format("{}{}={}", extra.empty() ? "" : ", ", go_type(values_[next_]),
                                 go_text(values_[next_]));
        return fmt::format("{}%!(EXTRA {})", text, extra);
    }

private:
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    /// A number, or '*' for the next value; nothing where there is none.
    std::optional<long long> number() {
        if (take('*')) {
            const Json* value = next_ < values_.size() ? values_[next_++] : nullptr;
            const bool whole = value != nullptr && value->is_number_integer();
            return whole ? std::clamp<long long>(value->get<std::int64_t>(), -kWidest, kWidest) : 0;
        }
        const std::size_t size = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (size == 0) return std::nullopt;
        const long long value = parse_integer(rest_.substr(0, size)).value_or(kWidest);
        rest_.remove_prefix(size);
        return std::min(value, kWidest);
    }

    PrintfDirective read() {
        PrintfDirective made;
        for (bool flag = true; flag;) {
            flag = false;
            for (const auto& [sign, set] :
                 {std::pair('-', &made.left), std::pair('+', &made.plus),
                  std::pair('#', &made.sharp), std::pair(' ', &made.blank),
                  std::pair('0', &made.zeros)})
                if (take(sign)) *set = flag = true;
        }
        made.width = number();
        if (made.width && *made.width < 0) {
            made.left = true;
            made.width = -*made.width;
        }
        if (take('.')) made.precision = std::max(number().value_or(0), 0LL);
        std::size_t size = rest_.empty() ? 0 : 1;  // a verb may be any character
        while (size > 0 && size < rest_.size() &&
               (static_cast<unsigned char>(rest_[size]) & 0xc0U) == 0x80)
            ++size;
        made.verb = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return made;
    }

    std::string directive() {
        rest_.remove_prefix(1);  // '%'
        const PrintfDirective made = read();
        if (made.verb.empty()) return "%!(NOVERB)";
        if (made.verb == "%") return "%";
        if (next_ >= values_.size()) return fmt::format("%!{}(MISSING)", made.verb);
        return value_text(made, values_[next_++]);
    }

    std::string_view rest_;
    const std::vector<const Json*>& values_;
    std::size_t next_ = 0;
};

}  // namespace

std::string go_printf(std::string_view format, const std::vector<const Json*>& values) {
    return PrintfFormatter(format, values).run();
}

}  // namespace davit::cli
