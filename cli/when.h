#pragma once

#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>

namespace davit::cli {

/// "2026-01-02T03:04:05Z", "10m" (that long ago) or seconds since 1970; nothing for "". `flag` is
/// named in errors. @errors InvalidInput @source docker logs --since
Result<std::optional<std::chrono::system_clock::time_point>> parse_when(const std::string& text,
                                                                        const char* flag);

}  // namespace davit::cli
