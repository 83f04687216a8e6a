#pragma once

#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>

namespace davit::cli {

/// "2026-01-02T03:04:05Z", "10m" (that long ago) or seconds since 1970; nothing for "". A time may
/// end after its day, hour, minute or a fraction of a second; without a zone it is in that of TZ.
/// `flag` is named in errors. @errors InvalidInput @source docker logs --since
Result<std::optional<std::chrono::system_clock::time_point>> parse_when(const std::string& text,
                                                                        const char* flag);

}  // namespace davit::cli
