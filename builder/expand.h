#pragma once

#include "base/result.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace davit::builder {

/// What variables are set to; nothing where one is not set.
using Lookup = std::function<std::optional<std::string>(const std::string&)>;

/// How a word of a Dockerfile is read.
struct ExpandOptions {
    char escape = '\\';
    Lookup lookup = {};
    std::set<std::string>* unset = nullptr;  ///< Where names of variables that aren't set go.
    bool quotes = true;  ///< False: quotes are letters like others, as in a here-document.
};

/// `word` without its quotes, with `$x`, `${x}`, `${x:-w}`, `${x-w}`, `${x:+w}`, `${x+w}`,
/// `${x:?m}`, `${x?m}`, `${x#p}`, `${x##p}`, `${x%p}`, `${x%%p}`, `${x/p/w}` and `${x//p/w}`
/// replaced. Single quotes keep everything; in double quotes the escape character does something
/// only before `"`, `$` and itself. Pure.
/// @errors InvalidInput for a quote or a brace that isn't closed, and where `${x:?m}` says so
/// @source Dockerfile reference, "Environment replacement"; BuildKit frontend/dockerfile/shell
Result<std::string> expand_word(std::string_view word, const ExpandOptions& options);

/// As `expand_word`, and split into words at blanks, also at those that a variable brought.
Result<std::vector<std::string>> expand_words(std::string_view text, const ExpandOptions& options);

}  // namespace davit::builder
