#include "cli/template_parser.h"

#include "base/strings.h"
#include "cli/template_functions.h"
#include "cli/template_lexer.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

using TokenKind = TemplateToken::Kind;

constexpr std::size_t kDeepestTemplate = 64;

/// What a list of nodes ends at.
enum class Ending { Text, End, Else };

bool is_keyword(std::string_view word) {
    constexpr std::string_view kKeywords[] = {"if",    "else",     "end",    "range",    "with",
                                              "break", "continue", "define", "template", "block"};
    return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
}

/// Recursive descent; a function for each part of the grammar.
class TemplateParser {
public:
    TemplateParser(std::string_view text, std::vector<TemplateToken> tokens)
        : text_(text), tokens_(std::move(tokens)) {}

    Result<std::vector<TemplateNode>> run() {
        std::vector<TemplateNode> nodes;
        const TemplateToken* last = nullptr;
        const Ending ending = TRY(list(nodes, last));
        if (ending == Ending::Text) return nodes;
        return refused(*last,
                       ending == Ending::End
                           ? "there is an {{end}} without an {{if}}, {{with}} or {{range}}"
                           : "there is an {{else}} without an {{if}}, {{with}} or {{range}}");
    }

private:
    const TemplateToken& peek() const { return tokens_[next_]; }
    /// The last token is End, which is never passed.
    const TemplateToken& take() {
        return next_ + 1 < tokens_.size() ? tokens_[next_++] : tokens_[next_];
    }
    bool take_if(TokenKind kind) {
        if (peek().kind != kind) return false;
        take();
        return true;
    }
    void skip_space() { take_if(TokenKind::Space); }
    Error refused(const TemplateToken& token, const std::string& why,
                  const std::string& help = {}) const {
        return at_place(Error(ErrorKind::InvalidInput, why).help(help), text_, token.begin);
    }
    std::string written(std::size_t from) const {
        const std::size_t end = next_ > 0 ? tokens_[next_ - 1].end : 0;
        return std::string(trim(text_.substr(from, std::max(end, from) - from)));
    }

    Result<Ending> list(std::vector<TemplateNode>& nodes, const TemplateToken*& last);
    Result<Ending> scoped_list(std::vector<TemplateNode>& nodes, const TemplateToken*& last);
    Result<void> close(const char* what);
    Result<TemplateNode> control(const TemplateToken& keyword);
    Result<TemplateNode> jump(const TemplateToken& keyword);
    Result<std::optional<bool>> branch(TemplateNode& node, const TemplateToken& keyword,
                                       bool is_else);
    Result<TemplatePipeline> pipeline(const char* what, bool of_range);
    Result<void> declaration(TemplatePipeline& into, bool of_range);
    Result<void> commands(TemplatePipeline& into);
    Result<TemplateCommand> command();
    Result<TemplateOperand> operand();
    Result<TemplateOperand> term();
    Result<void> word_operand(const TemplateToken& token, TemplateOperand& into);
    Result<void> variable_operand(const TemplateToken& token);
    Result<void> group(const TemplateToken& token, TemplateOperand& into);

    std::string_view text_;
    std::vector<TemplateToken> tokens_;
    std::size_t next_ = 0;
    std::size_t depth_ = 0;
    std::size_t ranges_ = 0;  ///< That are open here: break and continue need one.
    std::vector<std::string> variables_ = {"$"};
};

/// Nodes up to an {{end}}, an {{else (whose rest is left) or the end of the template.
Result<Ending> TemplateParser::list(std::vector<TemplateNode>& nodes, const TemplateToken*& last) {
    for (;;) {
        const TemplateToken& token = take();
        last = &token;
        if (token.kind == TokenKind::End) return Ending::Text;
        if (token.kind == TokenKind::Text) {
            TemplateNode node;
            node.text = token.text;
            nodes.push_back(std::move(node));
            continue;
        }
        skip_space();  // after "{{"
        const TemplateToken& first = peek();
        if (first.kind != TokenKind::Word || !is_keyword(first.text)) {
            TemplateNode node;
            node.kind = TemplateNode::Kind::Print;
            node.at = first.begin;
            node.pipeline = TRY(pipeline("an action", false));
            TRY(close("an action"));
            nodes.push_back(std::move(node));
            continue;
        }
        last = &take();
        if (first.text == "else") return Ending::Else;
        if (first.text == "end") {
            TRY(close("{{end}}"));
            return Ending::End;
        }
        const bool jumps = first.text == "break" || first.text == "continue";
        nodes.push_back(TRY(jumps ? jump(first) : control(first)));
    }
}

/// A body; what it declares is gone after it.
Result<Ending> TemplateParser::scoped_list(std::vector<TemplateNode>& nodes,
                                           const TemplateToken*& last) {
    const std::size_t known = variables_.size();
    const Ending ending = TRY(list(nodes, last));
    variables_.resize(known);
    return ending;
}

Result<void> TemplateParser::close(const char* what) {
    skip_space();
    const TemplateToken& token = take();
    if (token.kind == TokenKind::Close) return {};
    return refused(token, fmt::format("{} ends before '{}'", what, printable(token.text)),
                   "close it with '}}'");
}

Result<TemplateNode> TemplateParser::jump(const TemplateToken& keyword) {
    if (ranges_ == 0)
        return refused(keyword,
                       fmt::format("there is a {{{{{}}}}} outside of a range", keyword.text));
    TRY(close(keyword.text == "break" ? "{{break}}" : "{{continue}}"));
    TemplateNode node;
    node.kind = keyword.text == "break" ? TemplateNode::Kind::Break : TemplateNode::Kind::Continue;
    return node;
}

/// {{if}}, {{with}} or {{range}}, with all of its branches.
Result<TemplateNode> TemplateParser::control(const TemplateToken& keyword) {
    TemplateNode node;
    node.at = keyword.begin;
    if (keyword.text == "if") {
        node.kind = TemplateNode::Kind::If;
    } else if (keyword.text == "with") {
        node.kind = TemplateNode::Kind::With;
    } else if (keyword.text == "range") {
        node.kind = TemplateNode::Kind::Range;
    } else {
        return refused(keyword, fmt::format("'{}' is not supported in templates", keyword.text),
                       "write its text where it is needed");
    }
    if (++depth_ > kDeepestTemplate)
        return refused(keyword,
                       fmt::format("blocks are nested more than {} deep", kDeepestTemplate));
    const std::size_t known = variables_.size();
    bool is_else = false;
    for (;;) {
        const std::optional<bool> more = TRY(branch(node, keyword, is_else));
        if (!more) break;
        is_else = *more;
    }
    variables_.resize(known);
    --depth_;
    return node;
}

/// One branch. Nothing where it was the last, else whether the next one is a plain {{else}}.
Result<std::optional<bool>> TemplateParser::branch(TemplateNode& node, const TemplateToken& keyword,
                                                   bool is_else) {
    TemplateBranch one;
    one.is_else = is_else;
    const bool loops = node.kind == TemplateNode::Kind::Range && !is_else;
    if (!is_else) {
        one.condition = TRY(pipeline(keyword.text.c_str(), loops));
        TRY(close(keyword.text.c_str()));
    }
    const TemplateToken* last = nullptr;
    if (loops) ++ranges_;
    const Ending ending = TRY(scoped_list(one.body, last));
    if (loops) --ranges_;
    node.branches.push_back(std::move(one));
    if (ending == Ending::End) return std::optional<bool>();
    if (ending == Ending::Text)
        return refused(keyword, fmt::format("'{}' has no {{{{end}}}}", keyword.text));
    if (is_else) return refused(*last, "an {{else}} follows an {{else}}");
    if (take_if(TokenKind::Close)) return std::optional<bool>(true);
    skip_space();
    if (take_if(TokenKind::Close)) return std::optional<bool>(true);
    const TemplateToken& next = take();
    if (next.kind != TokenKind::Word || next.text != keyword.text || loops)
        return refused(next,
                       fmt::format("'{}' can't stand after 'else' here", printable(next.text)),
                       "write {{else}}, or {{else if …}} after an {{if}}");
    return std::optional<bool>(false);
}

Result<TemplatePipeline> TemplateParser::pipeline(const char* what, bool of_range) {
    skip_space();
    TemplatePipeline made;
    made.at = peek().begin;
    TRY(declaration(made, of_range));
    const TemplateToken& first = peek();
    TRY(commands(made));
    if (made.commands.empty())
        return refused(first, std::string_view(what) == "an action"
                                  ? "an action is empty"
                                  : fmt::format("'{}' is not told what it is about", what));
    for (const std::string& name : made.variables)
        if (made.store == TemplatePipeline::Store::Declare) variables_.push_back(name);
    return made;
}

/// `$x :=`, `$x =` or, of a range, `$i, $x :=`; nothing where a value begins.
Result<void> TemplateParser::declaration(TemplatePipeline& into, bool of_range) {
    const std::size_t begin = next_;
    std::vector<const TemplateToken*> names;
    while (peek().kind == TokenKind::Variable) {
        names.push_back(&take());
        skip_space();
        if (!of_range || names.size() == 2 || !take_if(TokenKind::Comma)) break;
        skip_space();
    }
    const TokenKind kind = peek().kind;
    if (names.empty() || (kind != TokenKind::Declare && kind != TokenKind::Assign)) {
        next_ = begin;
        return {};
    }
    take();
    into.store = kind == TokenKind::Declare ? TemplatePipeline::Store::Declare
                                            : TemplatePipeline::Store::Assign;
    for (const TemplateToken* name : names) {
        if (kind == TokenKind::Assign) TRY(variable_operand(*name));
        into.variables.push_back(name->text);
    }
    return {};
}

Result<void> TemplateParser::commands(TemplatePipeline& into) {
    for (;;) {
        skip_space();
        const TokenKind kind = peek().kind;
        if (kind == TokenKind::Close || kind == TokenKind::RightParen || kind == TokenKind::End) {
            if (into.commands.empty()) return {};
            return refused(peek(), "nothing stands after a '|'", "name a function after it");
        }
        const TemplateToken& first = peek();
        TemplateCommand one = TRY(command());
        const bool calls = one.words.front().kind == TemplateOperand::Kind::Function;
        if (!into.commands.empty() && !calls && one.words.front().fields.empty())
            return refused(first, fmt::format("'{}' takes no value from a '|'", one.text),
                           "name a function after the '|'");
        into.commands.push_back(std::move(one));
        if (!take_if(TokenKind::Pipe)) return {};
    }
}

Result<TemplateCommand> TemplateParser::command() {
    TemplateCommand made;
    const std::size_t begin = peek().begin;
    for (;;) {
        made.words.push_back(TRY(operand()));
        made.text = written(begin);
        if (!take_if(TokenKind::Space)) return made;
        const TokenKind kind = peek().kind;
        if (kind == TokenKind::Close || kind == TokenKind::RightParen || kind == TokenKind::Pipe)
            return made;
    }
}

/// A term and the fields that are taken of it.
Result<TemplateOperand> TemplateParser::operand() {
    const TemplateToken& first = peek();
    TemplateOperand made = TRY(term());
    while (peek().kind == TokenKind::Field && first.kind != TokenKind::Dot) {
        using enum TemplateOperand::Kind;
        if (made.kind == Literal || made.kind == Nil || made.kind == Function)
            return refused(peek(), fmt::format("'{}' has no fields", written(first.begin)),
                           "put a call in parentheses: (index .Mounts 0).Source");
        made.fields.push_back(take().text);
    }
    made.at = first.begin;
    made.text = written(first.begin);
    const TokenKind next = peek().kind;
    if (next == TokenKind::Space || next == TokenKind::Close || next == TokenKind::Pipe ||
        next == TokenKind::RightParen)
        return made;
    return refused(
        peek(),
        fmt::format("'{}' stands right after '{}'", printable(peek().text), printable(made.text)),
        "put a blank between them");
}

Result<TemplateOperand> TemplateParser::term() {
    TemplateOperand made;
    const TemplateToken& token = take();
    switch (token.kind) {
        case TokenKind::Dot: break;
        case TokenKind::Field: made.fields.push_back(token.text); break;
        case TokenKind::Variable:
            TRY(variable_operand(token));
            made.kind = TemplateOperand::Kind::Variable;
            made.name = token.text;
            break;
        case TokenKind::Literal:
            made.kind = TemplateOperand::Kind::Literal;
            made.literal = token.literal;
            break;
        case TokenKind::Word: TRY(word_operand(token, made)); break;
        case TokenKind::LeftParen: TRY(group(token, made)); break;
        default:
            return refused(token, token.text.empty() ? std::string("something is missing here")
                                                     : fmt::format("'{}' can't stand here",
                                                                   printable(token.text)));
    }
    return made;
}

Result<void> TemplateParser::word_operand(const TemplateToken& token, TemplateOperand& into) {
    const std::string& word = token.text;
    if (word == "true" || word == "false") {
        into.kind = TemplateOperand::Kind::Literal;
        into.literal = word == "true";
        return {};
    }
    into.kind = word == "nil" ? TemplateOperand::Kind::Nil : TemplateOperand::Kind::Function;
    into.name = word;
    if (word == "nil" || is_template_function(word)) return {};
    if (is_keyword(word))
        return refused(token, fmt::format("'{}' can't stand here", word),
                       fmt::format("begin an action with it: {{{{{} …}}}}", word));
    const auto near = nearest(word, template_function_names());
    return refused(token, fmt::format("templates have no function '{}'", printable(word)),
                   near ? fmt::format("the nearest function is '{}'", *near)
                        : fmt::format("fields begin with a dot: .{}", printable(word)));
}

Result<void> TemplateParser::variable_operand(const TemplateToken& token) {
    if (std::find(variables_.begin(), variables_.end(), token.text) != variables_.end()) return {};
    return refused(token, fmt::format("there is no variable '{}' here", printable(token.text)),
                   fmt::format("make it first: {{{{{} := …}}}}", printable(token.text)));
}

Result<void> TemplateParser::group(const TemplateToken& token, TemplateOperand& into) {
    if (++depth_ > kDeepestTemplate)
        return refused(token,
                       fmt::format("parentheses are nested more than {} deep", kDeepestTemplate));
    into.kind = TemplateOperand::Kind::Group;
    into.group = std::make_unique<TemplatePipeline>(TRY(pipeline("(", false)));
    skip_space();
    if (!take_if(TokenKind::RightParen)) return refused(token, "a '(' has no ')'");
    --depth_;
    return {};
}

}  // namespace

Result<std::vector<TemplateNode>> parse_template(std::string_view text) {
    return TemplateParser(text, TRY(template_tokens(text))).run();
}

}  // namespace davit::cli
