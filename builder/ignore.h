#pragma once

#include "base/diagnostic.h"
#include "base/result.h"
#include "base/source.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace davit::builder {

/// One pattern, as .dockerignore and `--exclude` have it: `*` and `?` do not cross '/', `**` does,
/// `[a-z]` and `[^a]` are sets, `\x` is x itself.
class PathPattern {
public:
    /// @errors InvalidInput for a set that isn't closed
    static Result<PathPattern> parse(std::string_view text);

    /// Whether it matches all of `path` (relative, clean, '/' between names).
    bool matches(std::string_view path) const;

    /// Whether something beneath the folder `path` may match.
    bool may_match_beneath(std::string_view path) const;

private:
    enum class Kind : std::uint8_t {
        Letter,
        One,      ///< ?
        Some,     ///< *
        All,      ///< ** at the end: everything from here on
        Folders,  ///< ** before more: any number of whole folders, none included
        Set,      ///< [a-z]
    };
    struct Token {
        Kind kind = Kind::Letter;
        char letter = 0;
        bool negated = false;
        std::vector<std::pair<char, char>> ranges = {};
    };
    static bool fits(const Token& token, char c);

    std::vector<Token> tokens_;
    std::string literal_;  ///< What stands before the first wildcard.
};

/// What of a build context is left out. @source Dockerfile reference, ".dockerignore file";
/// moby/patternmatcher
class IgnoreFile {
public:
    /// Reads the lines of a .dockerignore. Mistakes go to `diagnostics`, with their places.
    static IgnoreFile parse(const std::shared_ptr<const SourceFile>& file,
                            Diagnostics& diagnostics);
    /// Patterns of `--exclude`.
    static Result<IgnoreFile> of_patterns(const std::vector<std::string>& patterns);

    /// Whether `path` is left out: the last line that fits it or a folder above it decides.
    bool excludes(std::string_view path) const;

    /// Whether something beneath the left-out folder `path` may be taken in again by a `!` line.
    bool may_hold_exceptions(std::string_view path) const;

    bool empty() const { return rules_.empty(); }

private:
    struct Rule {
        PathPattern pattern;
        bool exception = false;
    };
    std::vector<Rule> rules_;
};

}  // namespace davit::builder
