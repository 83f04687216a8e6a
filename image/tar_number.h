#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace davit::image {

/// The number in a field of a tar header: octal digits, or base 256 where the first bit is set
/// (GNU); 0 where the field is empty. Nothing for a negative one, one that is too large, and for
/// what is no number.
std::optional<std::int64_t> tar_number(std::string_view field);

}  // namespace davit::image
