#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace davit {

/// `text` without blanks, tabs and line breaks at both ends.
std::string_view trim(std::string_view text);

/// `text` with its ASCII letters small, whatever the locale.
std::string lowered(std::string_view text);

/// The parts of `text` between `separator`s; one empty part for an empty text.
std::vector<std::string> split(std::string_view text, char separator);

/// The candidate that a person most likely meant by `word`; nothing where none is close (more than
/// a third of its letters would have to change).
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// The whole of `text` as a decimal number; nothing where it is anything else or too large.
std::optional<long long> parse_integer(std::string_view text);

/// `text` with control characters shown as escapes, so that it can't steer a terminal.
std::string printable(std::string_view text);

/// `word` as a shell would need it written: unchanged where it is plain, else in single quotes.
std::string shell_quoted(std::string_view word);

}  // namespace davit
