#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// How Go writes values in templates. @source Go specification, "Lexical elements"
namespace davit::cli {

/// How long the quoted literal at the beginning of `text` is, quotes included; 0 where it isn't
/// closed. Only what stands in backquotes may go over several lines.
std::size_t quoted_size(std::string_view text);

/// The value of "a\n", `a\n` or 'a', which is a number. @errors InvalidInput
Result<Json> quoted_value(std::string_view literal);

/// How much of the beginning of `text` looks like a number.
std::size_t number_size(std::string_view text);

/// The value of 1, -2, 0x1f, 1_000 or 1.5e3.
std::optional<Json> number_value(std::string_view literal);

/// `code` as UTF-8; the replacement character where it is no character's.
std::string utf8_of(std::uint32_t code);

}  // namespace davit::cli
