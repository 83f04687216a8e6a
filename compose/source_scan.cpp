#include "compose/source_scan.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::compose {
namespace {

/// Bytes of the UTF-8 character that begins `text`; 0 where none does. @source RFC 3629, section 4
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto continues = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            if (byte(i) < 0x80 || byte(i) > 0xBF) return false;
        }
        return true;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1, 2) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const bool too_long = first == 0xE0 && byte(1) < 0xA0;
        const bool surrogate = first == 0xED && byte(1) > 0x9F;
        return continues(1, 3) && !too_long && !surrogate ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const bool too_long = first == 0xF0 && byte(1) < 0x90;
        const bool beyond = first == 0xF4 && byte(1) > 0x8F;
        return continues(1, 4) && !too_long && !beyond ? 4 : 0;
    }
    return 0;
}

/// The offset behind the closing quotation mark; npos where there is none.
std::size_t end_of_quoted(std::string_view text, std::size_t start) {
    const char quote = text[start];
    for (std::size_t i = start + 1; i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\') {
            ++i;
        } else if (text[i] == quote) {
            if (quote == '"' || i + 1 >= text.size() || text[i + 1] != '\'') return i + 1;
            ++i;  // '' stands for one
        }
    }
    return std::string_view::npos;
}

}  // namespace

SourceScan::SourceScan(std::shared_ptr<const SourceFile> file) : file_(std::move(file)) {
    line_starts_.push_back(0);
    for (std::size_t i = 0; i < file_->text.size(); ++i) {
        if (file_->text[i] == '\n') line_starts_.push_back(i + 1);
    }
}

std::size_t SourceScan::offset(int line, int column) const {
    const auto row = static_cast<std::size_t>(std::max(line, 0));
    if (row >= line_starts_.size()) return file_->text.size();
    const std::size_t at = line_starts_[row] + static_cast<std::size_t>(std::max(column, 0));
    return std::min(at, file_->text.size());
}

SourcePos SourceScan::position(std::size_t offset, std::size_t length) const {
    const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
    const auto row = static_cast<std::size_t>(next - line_starts_.begin()) - 1;
    return {file_, static_cast<std::uint32_t>(row + 1),
            static_cast<std::uint32_t>(offset - line_starts_[row] + 1),
            static_cast<std::uint32_t>(std::max<std::size_t>(length, 1))};
}

SourcePos SourceScan::at(int line, int column, std::size_t length) const {
    return position(offset(line, column), length);
}

SourcePos SourceScan::word_at(int line, int column) const {
    const std::size_t start = offset(line, column);
    const std::size_t end = file_->text.find_first_of(" \t\r\n,]}:", start);
    return position(start, std::min(end, file_->text.size()) - start);
}

/// Behind `&anchor`, `!tag`, blanks, line breaks and comments.
std::size_t SourceScan::skip_properties(std::size_t offset) const {
    const std::string& text = file_->text;
    std::size_t at = offset;
    while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
        at = std::min(text.find_first_of(" \t\r\n,]}", at), text.size());
        while (at < text.size()) {
            at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
            if (at >= text.size() || text[at] != '#') break;
            at = std::min(text.find('\n', at), text.size());
        }
    }
    return at;
}

ScalarPlace SourceScan::scalar_at(int line, int column, std::string_view text) const {
    const std::size_t start = skip_properties(offset(line, column));
    const char first = start < file_->text.size() ? file_->text[start] : '\0';
    if (first == '"' || first == '\'') {
        const std::size_t end = end_of_quoted(file_->text, start);
        if (end == std::string_view::npos) return {position(start, 1), true, true};
        const std::size_t line_end = std::min(file_->text.find('\n', start), file_->text.size());
        return {position(start, std::min(end, line_end) - start), true, false};
    }
    if (first == '|' || first == '>') return {position(start, 1), true, false};
    // A plain scalar that goes over several lines is underlined to the end of its first one, which
    // is where the renderer stops.
    return {position(start, text.size()), false, false};
}

std::optional<SourcePos> SourceScan::tab_before(int line) const {
    const std::size_t lines =
        std::min(line_starts_.size(), static_cast<std::size_t>(std::max(line, 0)) + 1);
    for (std::size_t i = 0; i < lines; ++i) {
        const std::size_t start = line_starts_[i];
        const std::size_t word = file_->text.find_first_not_of(' ', start);
        if (word == std::string::npos || file_->text[word] != '\t') continue;
        const std::size_t text = file_->text.find_first_not_of(" \t", word);
        const bool blank = text == std::string::npos || file_->text[text] == '\n' ||
                           file_->text[text] == '\r' || file_->text[text] == '#';
        if (!blank) return position(word, 1);
    }
    return std::nullopt;
}

std::optional<BadByte> SourceScan::first_bad_byte() const {
    const std::string_view text = file_->text;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool control =
            (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F;
        if (control)
            return BadByte{position(i, 1), fmt::format("the control character 0x{:02x} must not "
                                                       "stand in a YAML file",
                                                       byte)};
        const std::size_t length = utf8_length(text.substr(i));
        if (length == 0)
            return BadByte{position(i, 1), fmt::format("the byte 0x{:02x} is not UTF-8", byte)};
        i += length;
    }
    return std::nullopt;
}

}  // namespace davit::compose
