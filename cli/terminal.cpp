#include "cli/terminal.h"

#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::cli {
namespace {

struct CodePoint {
    std::uint32_t value = 0;
    std::size_t size = 0;  ///< Bytes; 0: not UTF-8.
};

/// The first code point of `text`, which is not empty. Overlong forms and surrogates are refused.
CodePoint decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::uint32_t first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (size == 0 || first > 0xf4 || text.size() < size) return {};
    std::uint32_t value = first & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return {};
        value = value << 6 | (byte(i) & 0x3fU);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    if (value < kSmallest[size] || value > 0x10ffff || surrogate) return {};
    return {value, size};
}

/// Marks that turn the direction of text around, with which one line can be made to look like
/// another. @source Unicode Standard Annex 9
bool is_direction_mark(std::uint32_t value) {
    return value == 0x061c || value == 0x200e || value == 0x200f ||
           (value >= 0x202a && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

/// Length of the SGR sequence at the front of `text`: ESC [ digits ; … m. 0 where there is none.
std::size_t sgr_length(std::string_view text) {
    if (!text.starts_with("\x1b[")) return 0;
    const std::size_t end = text.find_first_not_of("0123456789;:", 2);
    return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

void append_escape(std::string& shown, std::uint32_t value) {
    if (value == '\n') {
        shown += "\\n";
    } else if (value == '\r') {
        shown += "\\r";
    } else if (value < 0x100) {
        shown += fmt::format("\\x{:02x}", value);
    } else {
        shown += fmt::format("\\u{:04x}", value);
    }
}

}  // namespace

Result<Terminal> probe_terminal(const std::string& ansi,
                                const std::map<std::string, std::string>& environment) {
    if (ansi != "auto" && ansi != "never" && ansi != "always")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown value '{}' of --ansi", ansi))
            .help("use never, auto or always");
    const auto value = [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    };
    const bool wanted = value("NO_COLOR").empty() && value("TERM") != "dumb";
    Terminal terminal;
    terminal.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
    terminal.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
    terminal.out_colour =
        ansi == "always" || (ansi == "auto" && wanted && terminal.out_is_terminal);
    terminal.err_colour =
        ansi == "always" || (ansi == "auto" && wanted && terminal.err_is_terminal);
    return terminal;
}

void to_stdout(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void to_stderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }
bool flush_stdout() { return std::fflush(stdout) == 0 && std::ferror(stdout) == 0; }

std::string harmless(std::string_view text, Sgr sgr) {
    std::string shown;
    shown.reserve(text.size());
    while (!text.empty()) {
        const std::size_t colour = sgr == Sgr::Keep ? sgr_length(text) : 0;
        if (colour > 0) {
            shown += text.substr(0, colour);
            text.remove_prefix(colour);
            continue;
        }
        const CodePoint point = decode(text);
        const std::size_t size = point.size == 0 ? 1 : point.size;
        const bool control = (point.value < 0x20 && point.value != '\t') ||
                             (point.value >= 0x7f && point.value < 0xa0);
        if (point.size == 0)
            append_escape(shown, static_cast<unsigned char>(text[0]));
        else if (control || is_direction_mark(point.value))
            append_escape(shown, point.value);
        else
            shown += text.substr(0, size);
        text.remove_prefix(size);
    }
    return shown;
}

std::string harmless_lines(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        safe += harmless(text.substr(0, end));
        if (end == std::string_view::npos) break;
        safe += '\n';
        text.remove_prefix(end + 1);
    }
    return safe;
}

std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    for (const char c : text)
        if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80) ++width;
    return width;
}

std::string coloured(std::string_view text, const char* sgr, bool on) {
    return on ? fmt::format("\x1b[{}m{}\x1b[0m", sgr, text) : std::string(text);
}

}  // namespace davit::cli
