#include "cli/template_lexer.h"

#include "base/strings.h"
#include "cli/template_literal.h"
#include "cli/template_tree.h"

#include <fmt/format.h>

namespace davit::cli {
namespace {

constexpr std::string_view kTemplateBlanks = " \t\r\n";

bool is_template_blank(char c) { return kTemplateBlanks.find(c) != std::string_view::npos; }

/// Bytes of more than one byte's letters belong to names, as with Go.
bool in_template_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

bool is_template_digit(char c) { return c >= '0' && c <= '9'; }

class TemplateLexer {
public:
    explicit TemplateLexer(std::string_view text) : text_(text) {}

    Result<std::vector<TemplateToken>> run() {
        while (at_ < text_.size()) {
            take_text();
            if (at_ < text_.size()) TRY(take_action());
        }
        add(TemplateToken::Kind::End, 0);
        return std::move(tokens_);
    }

private:
    std::string_view rest() const { return text_.substr(at_); }
    Error refused(std::size_t at, const std::string& why, const std::string& help = {}) const {
        return at_place(Error(ErrorKind::InvalidInput, why).help(help), text_, at);
    }
    void add(TemplateToken::Kind kind, std::size_t size) {
        tokens_.push_back({kind, std::string(text_.substr(at_, size)), {}, at_, at_ + size});
        at_ += size;
    }

    void take_text();
    Result<void> take_action();
    Result<bool> take_comment(std::size_t open);
    bool take_close();
    Result<void> take_token(std::size_t open);
    Result<void> take_quoted();
    Result<void> take_number();

    std::string_view text_;
    std::size_t at_ = 0;
    bool trim_next_ = false;  ///< The last action ended in "-}}".
    std::vector<TemplateToken> tokens_ = {};
};

void TemplateLexer::take_text() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find("{{", at_), text_.size());
    std::string_view text = text_.substr(begin, at_ - begin);
    if (trim_next_)
        text.remove_prefix(std::min(text.find_first_not_of(kTemplateBlanks), text.size()));
    trim_next_ = false;
    const std::string_view after = rest();
    if (after.size() > 3 && after[2] == '-' && is_template_blank(after[3]))
        text = text.substr(0, text.find_last_not_of(kTemplateBlanks) + 1);  // npos + 1 is 0
    if (!text.empty())
        tokens_.push_back({TemplateToken::Kind::Text, std::string(text), {}, begin, at_});
}

/// From "{{" to "}}".
Result<void> TemplateLexer::take_action() {
    const std::size_t open = at_;
    add(TemplateToken::Kind::Open, 2);
    if (rest().size() > 1 && rest()[0] == '-' && is_template_blank(rest()[1])) ++at_;
    if (TRY(take_comment(open))) return {};
    while (!take_close()) TRY(take_token(open));
    return {};
}

Result<bool> TemplateLexer::take_comment(std::size_t open) {
    const std::size_t begin = rest().find_first_not_of(kTemplateBlanks);
    if (begin == std::string_view::npos || !rest().substr(begin).starts_with("/*")) return false;
    const std::size_t end = text_.find("*/", at_ + begin + 2);
    if (end == std::string_view::npos)
        return refused(open, "a comment is not closed", "end it with '*/}}'");
    at_ = end + 2;
    tokens_.pop_back();  // its "{{"
    if (!take_close())
        return refused(at_, "something stands after a comment", "end it with '*/}}'");
    tokens_.pop_back();
    return true;
}

bool TemplateLexer::take_close() {
    if (rest().starts_with("}}")) {
        add(TemplateToken::Kind::Close, 2);
        return true;
    }
    if (rest().size() < 4 || !is_template_blank(rest()[0]) || !rest().substr(1).starts_with("-}}"))
        return false;
    add(TemplateToken::Kind::Close, 4);
    trim_next_ = true;
    return true;
}

Result<void> TemplateLexer::take_token(std::size_t open) {
    const std::string_view all = rest();
    if (all.empty()) return refused(open, "a '{{' has no '}}'");
    const char first = all.front();
    const auto name_end = [&](std::size_t from) {
        while (from < all.size() && in_template_name(all[from])) ++from;
        return from;
    };
    if (is_template_blank(first)) {
        if (tokens_.back().kind != TemplateToken::Kind::Space) add(TemplateToken::Kind::Space, 0);
        ++at_;
    } else if (first == '"' || first == '`' || first == '\'') {
        return take_quoted();
    } else if (is_template_digit(first) || first == '+' || first == '-' ||
               (first == '.' && all.size() > 1 && is_template_digit(all[1]))) {
        return take_number();
    } else if (first == '.') {
        const std::size_t end = name_end(1);
        add(end == 1 ? TemplateToken::Kind::Dot : TemplateToken::Kind::Field, end);
        if (end > 1) tokens_.back().text.erase(0, 1);
    } else if (first == '$') {
        add(TemplateToken::Kind::Variable, name_end(1));
    } else if (in_template_name(first)) {
        add(TemplateToken::Kind::Word, name_end(0));
    } else if (all.starts_with(":=")) {
        add(TemplateToken::Kind::Declare, 2);
    } else {
        const std::size_t kind = std::string_view("|,=()").find(first);
        constexpr TemplateToken::Kind kKinds[] = {
            TemplateToken::Kind::Pipe, TemplateToken::Kind::Comma, TemplateToken::Kind::Assign,
            TemplateToken::Kind::LeftParen, TemplateToken::Kind::RightParen};
        if (kind == std::string_view::npos)
            return refused(at_, fmt::format("'{}' has no meaning here", printable({&first, 1})),
                           "texts stand in quotes, functions before what they work on");
        add(kKinds[kind], 1);
    }
    return {};
}

Result<void> TemplateLexer::take_quoted() {
    const std::size_t size = quoted_size(rest());
    if (size == 0)
        return refused(at_, "a quote is not closed", "close it in the same line, before the '}}'");
    const Result<Json> value = quoted_value(rest().substr(0, size));
    if (!value) return at_place(value.error(), text_, at_);
    add(TemplateToken::Kind::Literal, size);
    tokens_.back().literal = *value;
    return {};
}

Result<void> TemplateLexer::take_number() {
    const std::size_t size = number_size(rest());
    const std::optional<Json> value = number_value(rest().substr(0, size));
    if (!value)
        return refused(at_, fmt::format("'{}' is not a number", printable(rest().substr(0, size))));
    add(TemplateToken::Kind::Literal, size);
    tokens_.back().literal = *value;
    return {};
}

}  // namespace

Result<std::vector<TemplateToken>> template_tokens(std::string_view text) {
    return TemplateLexer(text).run();
}

}  // namespace davit::cli
