#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace davit {

/// A size as Compose writes it: "512m", "1.5gb", "1048576". Units b, k, m, g, t, p (with or without
/// b or ib, any case) count in powers of 1024; no unit means bytes.
/// @errors InvalidInput @source Compose spec, "Specifying byte values"; docker/go-units RAMInBytes
Result<std::int64_t> parse_bytes(std::string_view text);

/// A size for people, in powers of 1000 with three digits, as the Docker command line prints image
/// sizes: "24.9MB".
std::string format_bytes(std::int64_t bytes);

}  // namespace davit
