#include "compose/dotenv.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace davit::compose {
namespace {

bool is_name_byte(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0 ||
           std::string_view("_.-[]").find(c) != std::string_view::npos;
}

class DotenvParser {
public:
    DotenvParser(const std::shared_ptr<const SourceFile>& file, const Lookup& outer,
                 Variables& variables, Diagnostics& diagnostics)
        : file_(file),
          text_(file->text),
          outer_(outer),
          variables_(variables),
          diagnostics_(diagnostics) {}

    void run() {
        // A file that is something else altogether is not told line by line.
        constexpr int kMostErrors = 20;
        while (at_ < text_.size() && errors_ < kMostErrors) statement();
    }

private:
    void statement();
    std::optional<std::string> value(const std::string& name);
    std::optional<std::string> quoted();
    std::string unescaped(std::string_view text) const;
    std::string interpolated(std::string_view text, std::size_t offset, bool exact);
    std::optional<std::string> lookup(const std::string& name) const;

    char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
    void skip_blanks() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    }
    void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1; }
    SourcePos position(std::size_t offset, std::size_t length) const;
    void error(std::size_t offset, std::size_t length, std::string message, std::string help) {
        ++errors_;
        diagnostics_.error(std::move(message), position(offset, length), std::move(help));
    }

    const std::shared_ptr<const SourceFile>& file_;
    std::string_view text_;
    const Lookup& outer_;
    Variables& variables_;
    Diagnostics& diagnostics_;
    std::size_t at_ = 0;
    int errors_ = 0;
    int warnings_ = 0;
};

SourcePos DotenvParser::position(std::size_t offset, std::size_t length) const {
    const std::string_view before = text_.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    return {file_, static_cast<std::uint32_t>(line),
            static_cast<std::uint32_t>(offset - line_start + 1),
            static_cast<std::uint32_t>(std::max<std::size_t>(length, 1))};
}

void DotenvParser::statement() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    if (at_ >= text_.size()) return;
    if (peek() == '#') return skip_line();
    constexpr std::string_view kExport = "export";
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(kExport) && rest.size() > kExport.size() &&
        (rest[kExport.size()] == ' ' || rest[kExport.size()] == '\t')) {
        at_ += kExport.size();
        skip_blanks();
    }

    const std::size_t start = at_;
    while (at_ < text_.size() && is_name_byte(text_[at_])) ++at_;
    const std::string name(text_.substr(start, at_ - start));
    const std::size_t name_end = at_;
    skip_blanks();
    const char next = peek();
    if (name.empty() || (next != '=' && next != ':' && next != '\n' && next != '\r')) {
        const bool space = !name.empty() && at_ > name_end;
        error(space ? start : at_, space ? name.size() : 1,
              space ? fmt::format("the name '{}' is followed by a blank and more text", name)
                    : fmt::format("a variable's name can't contain '{}'",
                                  printable(text_.substr(at_, 1))),
              "write NAME=value, or put a '#' before a comment");
        return skip_line();
    }
    if (next != '=' && next != ':') {
        if (std::optional<std::string> taken = outer_(name)) variables_[name] = *std::move(taken);
        return skip_line();
    }
    ++at_;
    skip_blanks();
    if (std::optional<std::string> text = value(name)) variables_[name] = *std::move(text);
    if (at_ < text_.size() && text_[at_ - 1] != '\n') skip_line();
}

/// The value that begins here; nothing where it is refused.
std::optional<std::string> DotenvParser::value(const std::string& name) {
    const std::size_t start = at_;
    if (peek() == '"' || peek() == '\'') {
        const bool literal = peek() == '\'';
        const std::optional<std::string> text = quoted();
        if (!text) {
            error(start, 1, fmt::format("the value of '{}' has no closing quotation mark", name),
                  "close it with the same quotation mark");
            at_ = text_.size();
            return std::nullopt;
        }
        return literal ? *text : interpolated(*text, start, false);
    }
    const std::size_t line_end = std::min(text_.find('\n', start), text_.size());
    std::string_view text = text_.substr(start, line_end - start);
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '#' && (text[i - 1] == ' ' || text[i - 1] == '\t')) {
            text = text.substr(0, i);
            break;
        }
    }
    at_ = start + text.size();
    return interpolated(trim(text), start, true);
}

/// The text between quotation marks, which may go over several lines; escapes resolved.
std::optional<std::string> DotenvParser::quoted() {
    const char quote = text_[at_];
    const std::size_t start = at_ + 1;
    for (std::size_t i = start; i < text_.size(); ++i) {
        if (text_[i] == '\\') {
            ++i;
        } else if (text_[i] == quote) {
            at_ = i + 1;
            const std::string_view inside = text_.substr(start, i - start);
            if (quote == '"') return unescaped(inside);
            std::string literal;
            for (std::size_t k = 0; k < inside.size(); ++k) {
                if (inside[k] == '\\' && k + 1 < inside.size() && inside[k + 1] == '\'') ++k;
                literal += inside[k];
            }
            return literal;
        }
    }
    return std::nullopt;
}

namespace {

/// The byte of \0 and up to three octal digits, `at` the 0; moves it to the last digit. Where there
/// is no digit or no such byte, the text as it stands.
std::string octal(std::string_view text, std::size_t& at) {
    unsigned byte = 0;
    std::size_t end = at + 1;
    while (end < text.size() && end <= at + 3 && text[end] >= '0' && text[end] <= '7')
        byte = byte * 8 + static_cast<unsigned>(text[end++] - '0');
    if (end == at + 1 || byte > 255) return "\\0";
    at = end - 1;
    return std::string(1, static_cast<char>(byte));
}

}  // namespace

/// Escapes of double quotes; `\$` becomes `$$`, which the interpolation that follows makes a
/// dollar.
std::string DotenvParser::unescaped(std::string_view text) const {
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        const char letter = text[++i];
        const std::size_t known = kLetters.find(letter);
        if (letter == '$') {
            out += "$$";
        } else if (known != std::string_view::npos) {
            out += kMeanings[known];
        } else if (letter == '0') {
            out += octal(text, i);
        } else {
            out += '\\';
            out += letter;
        }
    }
    return out;
}

std::optional<std::string> DotenvParser::lookup(const std::string& name) const {
    if (std::optional<std::string> value = outer_(name)) return value;
    const auto found = variables_.find(name);
    if (found == variables_.end()) return std::nullopt;
    return found->second;
}

std::string DotenvParser::interpolated(std::string_view text, std::size_t offset, bool exact) {
    std::vector<InterpolationRemark> remarks;
    std::string out = interpolate(
        text, [this](const std::string& name) { return lookup(name); }, remarks);
    constexpr int kMostRemarks = 50;
    for (const InterpolationRemark& remark : remarks) {
        if (remark.severity == Severity::Error)
            ++errors_;
        else if (++warnings_ > kMostRemarks)
            continue;
        const SourcePos where = exact ? position(offset + remark.offset, remark.length)
                                      : position(offset, text.size() + 2);
        diagnostics_.add({remark.severity, remark.message, where, remark.help, {}});
    }
    return out;
}

}  // namespace

void parse_dotenv(const std::shared_ptr<const SourceFile>& file, const Lookup& outer,
                  Variables& variables, Diagnostics& diagnostics) {
    DotenvParser(file, outer, variables, diagnostics).run();
}

}  // namespace davit::compose
