#include "cli/template_literal.h"

#include "base/strings.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fmt/format.h>

namespace davit::cli {
namespace {

Error bad_literal(std::string_view literal, const char* why) {
    return Error(ErrorKind::InvalidInput, fmt::format("{} {}", printable(literal), why))
        .help("write it as Go has it, or in `backquotes`, where a backslash is itself");
}

/// What the letter after a backslash stands for; nothing for digits and the like.
std::optional<char> simple_escape(char letter) {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    const std::size_t found = kLetters.find(letter);
    if (found == std::string_view::npos) return std::nullopt;
    return kValues[found];
}

/// \ooo, \xhh, \uhhhh and \Uhhhhhhhh: takes the digits off `rest` and adds what they stand for.
bool numeric_escape(std::string_view& rest, std::string& value) {
    std::size_t digits = 3;
    int base = 8;
    if (const std::size_t kind = std::string_view("xuU").find(rest.front());
        kind != std::string_view::npos) {
        digits = std::size_t{2} << kind;
        base = 16;
        rest.remove_prefix(1);
    }
    std::uint32_t code = 0;
    const char* const end = rest.data() + std::min(digits, rest.size());
    const auto read = std::from_chars(rest.data(), end, code, base);
    if (rest.size() < digits || read.ec != std::errc() || read.ptr != end) return false;
    rest.remove_prefix(digits);
    const bool byte = base == 8 || digits == 2;
    if (byte && code > 0xff) return false;
    value += byte ? std::string(1, static_cast<char>(code)) : utf8_of(code);
    return true;
}

/// The number of the only character of `text`; nothing where there are none or several.
std::optional<std::uint32_t> only_character(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t size = 1;
    std::uint32_t code = first;
    if (first >= 0xc0) {
        size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        code = first & (0x7fU >> size);
    }
    if (text.size() != size) return std::nullopt;
    for (const char c : text.substr(1)) code = code << 6U | (static_cast<unsigned char>(c) & 0x3fU);
    return code;
}

}  // namespace

std::string utf8_of(std::uint32_t code) {
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) code = 0xfffd;
    const auto tail = [&](unsigned shift) {
        return static_cast<char>(0x80U | ((code >> shift) & 0x3fU));
    };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xc0U | code >> 6U), tail(0)};
    if (code < 0x10000) return {static_cast<char>(0xe0U | code >> 12U), tail(6), tail(0)};
    return {static_cast<char>(0xf0U | code >> 18U), tail(12), tail(6), tail(0)};
}

std::size_t quoted_size(std::string_view text) {
    const char quote = text.front();
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == quote) return i + 1;
        if (quote == '`') continue;
        if (text[i] == '\n') return 0;
        if (text[i] == '\\') ++i;
    }
    return 0;
}

Result<Json> quoted_value(std::string_view literal) {
    std::string_view rest = literal.substr(1, literal.size() - 2);
    if (literal.front() == '`') return Json(rest);
    std::string value;
    while (!rest.empty()) {
        const char first = rest.front();
        rest.remove_prefix(1);
        if (first != '\\') {
            value += first;
            continue;
        }
        // A quote's own backslash never is the last one: it would have kept the quote open.
        if (const auto simple = simple_escape(rest.front())) {
            value += *simple;
            rest.remove_prefix(1);
        } else if (!numeric_escape(rest, value)) {
            return bad_literal(literal, "has an unknown escape");
        }
    }
    if (literal.front() == '"') return Json(value);
    const auto character = only_character(value);
    if (!character) return bad_literal(literal, "is not one character");
    return Json(static_cast<std::int64_t>(*character));
}

std::size_t number_size(std::string_view text) {
    std::size_t size = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
    const bool hex = lowered(text.substr(size, 2)) == "0x";
    const auto belongs = [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_' || c == '.';
    };
    for (; size < text.size(); ++size) {
        const bool exponent = !hex && size > 0 &&
                              (text[size - 1] == 'e' || text[size - 1] == 'E') &&
                              (text[size] == '+' || text[size] == '-');
        if (!belongs(text[size]) && !exponent) break;
    }
    return size;
}

std::optional<Json> number_value(std::string_view literal) {
    std::string digits(literal);
    std::erase(digits, '_');
    if (digits.starts_with('+')) digits.erase(0, 1);
    const bool minus = digits.starts_with('-');
    const std::string prefix = lowered(std::string_view(digits).substr(minus ? 1 : 0, 2));
    int base = 10;
    if (prefix == "0x") base = 16;
    if (prefix == "0b") base = 2;
    if (prefix == "0o") base = 8;
    if (base != 10) digits.erase(minus ? 1 : 0, 2);
    std::int64_t whole = 0;
    const char* const end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, whole, base);
    if (read.ec == std::errc() && read.ptr == end) return Json(whole);
    double real = 0;
    const auto read_real = std::from_chars(digits.data(), end, real);
    if (base == 10 && read_real.ec == std::errc() && read_real.ptr == end &&
        digits.find_first_of("nN") == std::string::npos)  // neither "inf" nor "nan"
        return Json(real);
    return std::nullopt;
}

}  // namespace davit::cli
