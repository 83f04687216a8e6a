#include "builder/line_reader.h"

#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::builder {
namespace {

std::string_view trim_left(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

std::string_view trim_right(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool is_comment(std::string_view line) { return trim_left(line).starts_with('#'); }

}  // namespace

SourcePos Line::at(std::size_t offset, std::size_t length) const {
    offset = std::min(offset, text.size());
    const auto after = std::find_if(pieces.begin(), pieces.end(),
                                    [&](const Piece& piece) { return piece.offset > offset; });
    if (after == pieces.begin()) return {file, 1, 1, 1};
    const Piece& piece = *(after - 1);
    const std::size_t end = after == pieces.end() ? text.size() : after->offset;
    const std::size_t shown =
        std::clamp<std::size_t>(length, 1, std::max<std::size_t>(end - offset, 1));
    return {file, piece.line, piece.column + static_cast<std::uint32_t>(offset - piece.offset),
            static_cast<std::uint32_t>(shown)};
}

LineReader::LineReader(std::shared_ptr<const SourceFile> file, Diagnostics& diagnostics)
    : file_(std::move(file)), diagnostics_(diagnostics), rest_(file_->text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    read_directives();
}

std::optional<LineReader::Physical> LineReader::take() {
    if (rest_.empty()) return std::nullopt;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return Physical{line, ++number_};
}

void LineReader::read_directives() {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (;;) {
        const std::string_view rest = rest_;
        const std::uint32_t number = number_;
        const auto line = take();
        if (!line) return;
        std::string_view text = trim_left(line->text);
        const std::size_t equals = text.find('=');
        bool directive = text.starts_with('#') && equals != std::string_view::npos;
        std::string name;
        if (directive) {
            name = std::string(trim(text.substr(1, equals - 1)));
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            directive = !name.empty() && name.find_first_not_of(kLetters) == std::string::npos &&
                        (name == "syntax" || name == "escape" || name == "check");
        }
        if (!directive) {  // the first other line ends them
            rest_ = rest;
            number_ = number;
            return;
        }
        const SourcePos where{
            file_, line->number, 1,
            static_cast<std::uint32_t>(std::max<std::size_t>(line->text.size(), 1))};
        apply_directive(name, trim(text.substr(equals + 1)), where);
    }
}

void LineReader::apply_directive(std::string_view name, std::string_view value,
                                 const SourcePos& where) {
    if (std::find(directives_.begin(), directives_.end(), name) != directives_.end())
        diagnostics_.error(fmt::format("the directive '{}' stands here a second time", name), where,
                           "keep one of them");
    directives_.emplace_back(name);
    // `syntax` names an image that reads the file in BuildKit; davit reads all of it by itself.
    // `check` chooses BuildKit's remarks about style.
    if (name != "escape") return;
    if (value == "\\" || value == "`") {
        escape_ = value[0];
    } else {
        diagnostics_.error(fmt::format("the escape character '{}' is neither '\\' nor '`'", value),
                           where, "write '# escape=`', or take the line away");
    }
}

/// Adds a physical line; returns whether the instruction goes on in the next one.
bool LineReader::append(Line& line, Physical part) const {
    std::string_view text = part.text;
    std::uint32_t column = 1;
    if (line.pieces.empty()) {  // blanks at the beginning of an instruction mean nothing
        const std::size_t size = text.size();
        text = trim_left(text);
        column += static_cast<std::uint32_t>(size - text.size());
    }
    const std::string_view trimmed = trim_right(text);
    const bool goes_on = trimmed.ends_with(escape_) &&
                         !(trimmed.size() > 1 && trimmed[trimmed.size() - 2] == escape_);
    if (goes_on) text = trimmed.substr(0, trimmed.size() - 1);
    line.pieces.push_back({line.text.size(), part.number, column});
    line.text += text;
    return goes_on;
}

std::optional<Line> LineReader::next() {
    while (const auto first = take()) {
        if (is_comment(first->text) || trim(first->text).empty()) continue;
        Line line;
        line.file = file_;
        bool goes_on = append(line, *first);
        while (goes_on) {
            const auto more = take();
            if (!more) break;
            // Comments and empty lines within an instruction are passed over.
            if (is_comment(more->text) || trim(more->text).empty()) continue;
            goes_on = append(line, *more);
        }
        line.text = std::string(trim_right(line.text));
        if (!line.text.empty()) return line;
    }
    return std::nullopt;
}

std::optional<std::string> LineReader::read_heredoc(std::string_view name, bool strip_tabs) {
    std::string body;
    while (rest_.size() > 0) {
        const std::size_t end = rest_.find('\n');
        std::string_view line = rest_.substr(0, end == std::string_view::npos ? end : end + 1);
        rest_.remove_prefix(line.size());
        ++number_;
        if (strip_tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        std::string_view bare = line;
        if (bare.ends_with('\n')) bare.remove_suffix(1);
        if (bare.ends_with('\r')) bare.remove_suffix(1);
        if (bare == name) return body;
        body += line;
    }
    return std::nullopt;
}

}  // namespace davit::builder
