#pragma once

#include "base/json.h"

#include <string>
#include <string_view>
#include <vector>

/// Values as Go's package fmt prints them. A null pointer, like a JSON null, is Go's nil.
namespace davit::cli {

/// %v: map[a:1 b:[x y]], with the keys in their order; nil is "<nil>".
std::string go_text(const Json* value);

/// "string", "int", "float64", "bool", "list", "map" or "nil".
const char* go_type(const Json* value);

/// %q: in quotes, with escapes.
std::string go_quoted(std::string_view text);

/// Sprint: a blank between two values that are no strings.
std::string go_print(const std::vector<const Json*>& values);

/// Sprintln: a blank between all, and a line break.
std::string go_println(const std::vector<const Json*>& values);

/// Sprintf. What doesn't fit is told in the text, as Go does: "%!d(string=x)".
/// @source Go fmt
std::string go_printf(std::string_view format, const std::vector<const Json*>& values);

/// The entries of an object in the order of their keys.
std::vector<std::pair<std::string, const Json*>> sorted_entries(const Json& object);

}  // namespace davit::cli
