#include "builder/ignore.h"

#include "base/file.h"
#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace davit::builder {
namespace {

/// A line without its "!", as a clean relative path. Empty: the line says nothing.
std::string clean_pattern(std::string_view text) {
    std::string cleaned = clean_path(trim(text));
    while (cleaned.starts_with('/')) cleaned.erase(0, 1);
    if (cleaned == ".") cleaned.clear();
    return cleaned;
}

}  // namespace

Result<PathPattern> PathPattern::parse(std::string_view text) {
    PathPattern pattern;
    bool literal = true;
    const auto add = [&](Token token) {
        literal = literal && token.kind == Kind::Letter;
        if (literal) pattern.literal_ += token.letter;
        pattern.tokens_.push_back(std::move(token));
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '*' && at + 1 < text.size() && text[at + 1] == '*') {
            ++at;
            if (at + 1 < text.size() && text[at + 1] == '/') ++at;
            add({.kind = at + 1 >= text.size() ? Kind::All : Kind::Folders});
        } else if (c == '*') {
            add({.kind = Kind::Some});
        } else if (c == '?') {
            add({.kind = Kind::One});
        } else if (c == '[') {
            Token set{.kind = Kind::Set};
            std::size_t in = at + 1;
            set.negated = in < text.size() && text[in] == '^';
            if (set.negated) ++in;
            const std::size_t first = in;
            while (in < text.size() && (text[in] != ']' || in == first)) {
                if (text[in] == '\\' && in + 1 < text.size()) ++in;
                const char low = text[in++];
                char high = low;
                if (in + 1 < text.size() && text[in] == '-' && text[in + 1] != ']') {
                    high = text[in + 1];
                    in += 2;
                }
                set.ranges.emplace_back(low, high);
            }
            if (in >= text.size())
                return Error(ErrorKind::InvalidInput,
                             fmt::format("the set in '{}' is not closed", printable(text)))
                    .help("write ']' after it, or \\[ for the character");
            at = in;
            add(std::move(set));
        } else if (c == '\\' && at + 1 < text.size()) {
            add({.letter = text[++at]});
        } else {
            add({.letter = c});
        }
    }
    return pattern;
}

bool PathPattern::fits(const Token& token, char c) {
    if (token.kind == Kind::Letter) return c == token.letter;
    if (token.kind == Kind::One) return c != '/';
    const auto byte = static_cast<unsigned char>(c);
    const bool in = std::any_of(token.ranges.begin(), token.ranges.end(), [&](const auto& range) {
        return static_cast<unsigned char>(range.first) <= byte &&
               byte <= static_cast<unsigned char>(range.second);
    });
    return c != '/' && in != token.negated;
}

bool PathPattern::matches(std::string_view path) const {
    // Which beginnings of the path the tokens so far can have taken: no way of matching is tried
    // twice, however many stars there are.
    std::vector<bool> reached(path.size() + 1, false);
    reached[0] = true;
    for (const Token& token : tokens_) {
        std::vector<bool> next(path.size() + 1, false);
        bool open = false;  // a star that began earlier goes on
        for (std::size_t at = 0; at <= path.size(); ++at) {
            const char before = at == 0 ? '\0' : path[at - 1];
            switch (token.kind) {
                case Kind::Some:
                    if (before == '/') open = false;
                    open = open || reached[at];
                    next[at] = open;
                    break;
                case Kind::All:
                    open = open || reached[at];
                    next[at] = open;
                    break;
                case Kind::Folders:
                    next[at] = reached[at] || (open && before == '/');
                    open = open || reached[at];
                    break;
                default: next[at] = at > 0 && reached[at - 1] && fits(token, before);
            }
        }
        reached = std::move(next);
    }
    return reached[path.size()];
}

bool PathPattern::may_match_beneath(std::string_view path) const {
    const std::string folder = std::string(path) + "/";
    const std::size_t shared = std::min(folder.size(), literal_.size());
    return std::string_view(folder).substr(0, shared) ==
           std::string_view(literal_).substr(0, shared);
}

IgnoreFile IgnoreFile::parse(const std::shared_ptr<const SourceFile>& file,
                             Diagnostics& diagnostics) {
    IgnoreFile ignore;
    std::uint32_t number = 0;
    std::string_view text = file->text;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    for (const std::string& whole : split(text, '\n')) {
        ++number;
        if (whole.starts_with('#')) continue;
        std::string_view line = trim(whole);
        const bool exception = line.starts_with('!');
        if (exception) line.remove_prefix(1);
        const std::string cleaned = clean_pattern(line);
        const SourcePos where{file, number, 1,
                              static_cast<std::uint32_t>(std::max<std::size_t>(whole.size(), 1))};
        if (exception && trim(line).empty()) {
            diagnostics.error("'!' stands alone", where, "write the pattern behind it");
            continue;
        }
        if (cleaned.empty()) continue;
        auto pattern = PathPattern::parse(cleaned);
        if (!pattern) {
            diagnostics.error(pattern.error().to_string(), where, pattern.error().help());
            continue;
        }
        ignore.rules_.push_back({*std::move(pattern), exception});
    }
    return ignore;
}

Result<IgnoreFile> IgnoreFile::of_patterns(const std::vector<std::string>& patterns) {
    IgnoreFile ignore;
    for (const std::string& text : patterns) {
        const bool exception = text.starts_with('!');
        const std::string cleaned = clean_pattern(std::string_view(text).substr(exception ? 1 : 0));
        if (cleaned.empty()) continue;
        PathPattern pattern = TRY(PathPattern::parse(cleaned));
        ignore.rules_.push_back({std::move(pattern), exception});
    }
    return ignore;
}

bool IgnoreFile::excludes(std::string_view path) const {
    bool excluded = false;
    for (const Rule& rule : rules_) {
        if (rule.exception != excluded) continue;  // would change nothing
        bool fits = rule.pattern.matches(path);
        for (std::size_t slash = path.find('/'); !fits && slash != std::string_view::npos;
             slash = path.find('/', slash + 1))
            fits = rule.pattern.matches(path.substr(0, slash));
        if (fits) excluded = !rule.exception;
    }
    return excluded;
}

bool IgnoreFile::may_hold_exceptions(std::string_view path) const {
    return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
        return rule.exception && rule.pattern.may_match_beneath(path);
    });
}

}  // namespace davit::builder
