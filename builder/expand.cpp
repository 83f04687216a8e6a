#include "builder/expand.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>

namespace davit::builder {
namespace {

constexpr int kDeepest = 64;  ///< ${a:-${b:-…}}
/// Of what variables bring to one word. No program could be given more in one variable.
constexpr std::size_t kLongestValue = std::size_t{256} << 10U;

bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool in_name(char c) { return starts_name(c) || (c >= '0' && c <= '9'); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Error bad_word(std::string message, std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message)).help(std::move(help));
}

struct GlobToken {
    enum class Kind : std::uint8_t { Letter, One, Some };
    Kind kind = Kind::Letter;
    char letter = 0;
};

std::vector<GlobToken> glob_tokens(std::string_view pattern) {
    std::vector<GlobToken> tokens;
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] == '\\' && at + 1 < pattern.size()) {
            tokens.push_back({.letter = pattern[++at]});
        } else if (pattern[at] == '*') {
            tokens.push_back({.kind = GlobToken::Kind::Some});
        } else if (pattern[at] == '?') {
            tokens.push_back({.kind = GlobToken::Kind::One});
        } else {
            tokens.push_back({.letter = pattern[at]});
        }
    }
    return tokens;
}

/// For each length whether the beginning of `text` of that length matches. No way of matching is
/// tried twice, however many stars there are.
std::vector<bool> matching_lengths(const std::vector<GlobToken>& tokens, std::string_view text) {
    std::vector<bool> reached(text.size() + 1, false);
    reached[0] = true;
    for (const GlobToken& token : tokens) {
        std::vector<bool> next(text.size() + 1, false);
        bool open = false;
        for (std::size_t at = 0; at <= text.size(); ++at) {
            if (token.kind == GlobToken::Kind::Some) {
                open = open || reached[at];
                next[at] = open;
            } else {
                next[at] = at > 0 && reached[at - 1] &&
                           (token.kind == GlobToken::Kind::One || token.letter == text[at - 1]);
            }
        }
        reached = std::move(next);
    }
    return reached;
}

std::optional<std::size_t> shortest(const std::vector<bool>& lengths) {
    const auto found = std::find(lengths.begin(), lengths.end(), true);
    if (found == lengths.end()) return std::nullopt;
    return static_cast<std::size_t>(found - lengths.begin());
}

std::optional<std::size_t> longest_of(const std::vector<bool>& lengths) {
    const auto found = std::find(lengths.rbegin(), lengths.rend(), true);
    if (found == lengths.rend()) return std::nullopt;
    return lengths.size() - 1 - static_cast<std::size_t>(found - lengths.rbegin());
}

/// Takes the shortest or longest beginning of `value` that `pattern` matches away.
std::string without_prefix(const std::string& value, std::string_view pattern, bool longest) {
    const std::vector<bool> lengths = matching_lengths(glob_tokens(pattern), value);
    return value.substr((longest ? longest_of(lengths) : shortest(lengths)).value_or(0));
}

std::string without_suffix(const std::string& value, std::string_view pattern, bool longest) {
    std::vector<GlobToken> tokens = glob_tokens(pattern);
    std::reverse(tokens.begin(), tokens.end());
    const std::string reversed(value.rbegin(), value.rend());
    const std::vector<bool> lengths = matching_lengths(tokens, reversed);
    return value.substr(
        0, value.size() - (longest ? longest_of(lengths) : shortest(lengths)).value_or(0));
}

/// Replaces the first match of `pattern`, or all of them; each the longest at its place.
std::string replaced(const std::string& value, std::string_view pattern,
                     const std::string& replacement, bool all) {
    const std::vector<GlobToken> tokens = glob_tokens(pattern);
    std::string text;
    bool done = pattern.empty();
    for (std::size_t at = 0; at < value.size();) {
        std::size_t found = 0;
        if (!done)
            found = longest_of(matching_lengths(tokens, std::string_view(value).substr(at)))
                        .value_or(0);
        if (found == 0) {
            text += value[at++];
            continue;
        }
        text += replacement;
        at += found;
        done = !all;
    }
    return text;
}

class Expander {
public:
    Expander(std::string_view text, const ExpandOptions& options)
        : text_(text), options_(options) {}

    Result<void> run() {
        TRY(until('\0', 0));
        end_word();
        return {};
    }
    std::string joined() { return std::move(all_); }
    std::vector<std::string> words() { return std::move(words_); }

private:
    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }

    /// Adds what can't be split.
    void add(std::string_view text) {
        all_ += text;
        word_ += text;
        open_ = true;
    }
    /// Adds what a variable or the text itself brings: blanks end words.
    void add_split(std::string_view text) {
        for (const char c : text) {
            all_ += c;
            if (is_blank(c)) {
                end_word();
            } else {
                word_ += c;
                open_ = true;
            }
        }
    }
    void end_word() {
        if (open_) words_.push_back(std::move(word_));
        word_.clear();
        open_ = false;
    }

    Result<void> until(char stop, int depth) {
        while (!at_end() && (stop == '\0' || peek() != stop)) {
            const char c = text_[at_];
            if (c == '\'' && options_.quotes) {
                TRY(single_quoted());
            } else if (c == '"' && options_.quotes) {
                TRY(double_quoted(depth));
            } else if (c == '$') {
                const std::string value = TRY(bounded_variable(depth));
                add_split(value);
            } else if (c == options_.escape) {
                if (++at_ >= text_.size()) break;
                add(text_.substr(at_++, 1));
            } else {
                add_split(text_.substr(at_++, 1));
            }
        }
        return {};
    }

    Result<void> single_quoted() {
        const std::size_t end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos)
            return bad_word("a single quote is not closed",
                            "close it, or write \\' for the character");
        add(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return {};
    }

    Result<void> double_quoted(int depth) {
        ++at_;
        add("");
        while (!at_end() && peek() != '"') {
            const char c = text_[at_];
            if (c == '$') {
                const std::string value = TRY(bounded_variable(depth));
                add(value);
            } else if (c == options_.escape && at_ + 1 < text_.size() &&
                       (text_[at_ + 1] == '"' || text_[at_ + 1] == '$' ||
                        text_[at_ + 1] == options_.escape)) {
                add(text_.substr(at_ + 1, 1));
                at_ += 2;
            } else {
                add(text_.substr(at_++, 1));
            }
        }
        if (at_end())
            return bad_word("a double quote is not closed",
                            "close it, or write \\\" for the character");
        ++at_;
        return {};
    }

    std::optional<std::string> value_of(const std::string& name) const {
        auto value = options_.lookup ? options_.lookup(name) : std::nullopt;
        if (!value && options_.unset != nullptr) options_.unset->insert(name);
        return value;
    }

    /// ENV A=$A$A, forty times, would ask for more memory than there is.
    Result<std::string> bounded_variable(int depth) {
        std::string value = TRY(variable(depth));
        brought_ += value.size();
        if (brought_ > kLongestValue)
            return bad_word(
                fmt::format("the variables in it have more than {} KiB", kLongestValue >> 10U),
                "keep what is so long in a file");
        return value;
    }

    Result<std::string> variable(int depth) {
        if (depth > kDeepest)
            return bad_word(
                fmt::format("variables stand more than {} deep in each other", kDeepest),
                "take some of them apart with ARG");
        ++at_;
        if (peek() == '{') return braced(depth);
        const std::string name = take_name();
        if (name.empty()) return std::string("$");
        return value_of(name).value_or("");
    }

    std::string take_name() {
        const std::size_t begin = at_;
        if (starts_name(peek())) {
            while (!at_end() && in_name(peek())) ++at_;
        } else if (!at_end() &&
                   std::string_view("0123456789@*#?-$!").find(peek()) != std::string_view::npos) {
            ++at_;  // positional and special parameters: never set here
        }
        return std::string(text_.substr(begin, at_ - begin));
    }

    static Error not_closed() {
        return bad_word("a '${' is not closed", "write '}' after the name of the variable");
    }

    Result<std::string> braced(int depth) {
        ++at_;
        const std::string name = take_name();
        if (at_end()) return not_closed();
        if (name.empty())
            return bad_word("'${' has no name of a variable after it",
                            "write ${NAME}, or \\$ for the character");
        if (peek() == '}') {
            ++at_;
            return value_of(name).value_or("");
        }
        return modified(name, depth);
    }

    /// The word after a modifier, up to the closing brace.
    Result<std::string> inner(char stop, int depth) {
        Expander nested(text_, options_);
        nested.at_ = at_;
        TRY(nested.until(stop, depth + 1));
        at_ = nested.at_;
        if (at_end()) return not_closed();
        ++at_;
        return nested.joined();
    }

    /// As `inner`, for a pattern: escapes stay for the matcher.
    Result<std::string> pattern(char stop, int depth) {
        std::string text;
        while (!at_end() && peek() != stop && peek() != '}') {
            const char c = text_[at_];
            if (c == '$') {
                text += TRY(bounded_variable(depth + 1));
            } else if (c == options_.escape && at_ + 1 < text_.size()) {
                text += '\\';
                text += text_[at_ + 1];
                at_ += 2;
            } else {
                text += c;
                ++at_;
            }
        }
        if (at_end()) return not_closed();
        return text;
    }

    Result<std::string> modified(const std::string& name, int depth) {
        char modifier = text_[at_++];
        const bool colon = modifier == ':';
        if (colon) {
            if (at_end()) return not_closed();
            modifier = text_[at_++];
        }
        if (modifier == '-' || modifier == '+' || modifier == '?')
            return conditional(name, modifier, colon, depth);
        const bool known = modifier == '#' || modifier == '%' || modifier == '/';
        if (colon || !known)
            return bad_word(
                fmt::format("'{}{}' is no modifier of a variable", colon ? ":" : "", modifier),
                "known are :- - :+ + :? ? # ## % %% / and //");
        const bool twice = peek() == modifier;
        if (twice) ++at_;
        return stripped(name, modifier, twice, depth);
    }

    Result<std::string> conditional(const std::string& name, char modifier, bool colon, int depth) {
        const std::string word = TRY(inner('}', depth));
        const auto value = modifier == '-' || modifier == '+' ? silent(name) : value_of(name);
        const bool set = value && !(colon && value->empty());
        if (modifier == '+') return set ? word : std::string();
        if (set) return *value;
        if (modifier == '-') return word;
        return Error(ErrorKind::InvalidInput,
                     fmt::format(
                         "{}: {}", name,
                         word.empty() ? (colon ? "is not set or empty" : "is not set") : word))
            .help(fmt::format("give it with --build-arg {}=…, or in the file with ARG", name));
    }

    /// A variable that may be missing on purpose.
    std::optional<std::string> silent(const std::string& name) const {
        return options_.lookup ? options_.lookup(name) : std::nullopt;
    }

    Result<std::string> stripped(const std::string& name, char modifier, bool twice, int depth) {
        const std::string glob = TRY(pattern(modifier == '/' ? '/' : '}', depth));
        std::string replacement;
        const bool more = peek() == '/' && modifier == '/';
        ++at_;
        if (more) replacement = TRY(inner('}', depth));
        const std::string value = value_of(name).value_or("");
        // The work is the value's length, for `/` its square, times the pattern's.
        constexpr std::size_t kMostWork = 100U << 20U;
        const std::size_t work = value.size() * (modifier == '/' ? value.size() : 1);
        const bool grows = modifier == '/' && value.size() * replacement.size() > kMostWork;
        if (work > kMostWork || work * glob.size() > kMostWork || grows)
            return bad_word(fmt::format("'{}' is too long to be searched for this pattern", name),
                            "do it in a RUN");
        if (modifier == '#') return without_prefix(value, glob, twice);
        if (modifier == '%') return without_suffix(value, glob, twice);
        return replaced(value, glob, replacement, twice);
    }

    std::string_view text_;
    const ExpandOptions& options_;
    std::size_t at_ = 0;
    std::size_t brought_ = 0;  ///< Bytes that variables stand for.
    std::string all_;
    std::string word_;
    bool open_ = false;  ///< A word has begun; it may be empty, as "" is.
    std::vector<std::string> words_;
};

}  // namespace

Result<std::string> expand_word(std::string_view word, const ExpandOptions& options) {
    Expander expander(word, options);
    TRY(expander.run());
    return expander.joined();
}

Result<std::vector<std::string>> expand_words(std::string_view text, const ExpandOptions& options) {
    Expander expander(text, options);
    TRY(expander.run());
    return expander.words();
}

}  // namespace davit::builder
