#include "base/diagnostic.h"

#include <algorithm>
#include <fmt/core.h>
#include <string_view>
#include <tuple>

namespace davit {
namespace {

/// The text of line `number` (from 1), without its line break.
std::string_view line_of(std::string_view text, std::uint32_t number) {
    for (; number > 1; --number) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find('\n'));
}

std::string excerpt(const SourcePos& pos) {
    if (!pos) return {};
    // Nobody reads a line of a thousand letters: what stands around the place is enough.
    constexpr std::size_t kShown = 160;
    constexpr std::size_t kBefore = 60;
    std::string_view line = line_of(pos.file->text, pos.line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::size_t start = std::min<std::size_t>(pos.column - 1, line.size());
    if (line.size() > kShown && start > kBefore) {
        line.remove_prefix(start - kBefore);
        start = kBefore;
    }
    line = line.substr(0, kShown);
    const std::size_t width =
        std::clamp<std::size_t>(pos.length, 1, std::max<std::size_t>(line.size() - start, 1));
    std::string under;
    for (const char c : line.substr(0, start)) under += c == '\t' ? '\t' : ' ';  // tabs line up
    under += '^' + std::string(width - 1, '~');
    return fmt::format("{:>5} | {}\n      | {}\n", pos.line, line, under);
}

std::string headline(std::string_view label, const SourcePos& where, std::string_view message) {
    const std::string place = to_string(where);
    return fmt::format("{}{}{}: {}\n", place, place.empty() ? "" : ": ", label, message);
}

}  // namespace

std::string render(const Diagnostic& diagnostic) {
    const char* label = diagnostic.severity == Severity::Error ? "error" : "warning";
    std::string text =
        headline(label, diagnostic.where, diagnostic.message) + excerpt(diagnostic.where);
    for (const auto& [message, where] : diagnostic.notes)
        text += headline("note", where, message) + excerpt(where);
    if (!diagnostic.help.empty()) text += fmt::format("  help: {}\n", diagnostic.help);
    return text;
}

bool Diagnostics::ok() const {
    return std::none_of(list_.begin(), list_.end(),
                        [](const Diagnostic& d) { return d.severity == Severity::Error; });
}

void Diagnostics::sort_by_place() {
    const auto place = [](const Diagnostic& d) {
        return std::tuple(d.where.file ? d.where.file->path : std::string(), d.where.line,
                          d.where.column);
    };
    std::stable_sort(list_.begin(), list_.end(),
                     [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
}

}  // namespace davit
