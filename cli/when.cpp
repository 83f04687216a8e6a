#include "cli/when.h"

#include "base/duration.h"
#include "base/strings.h"

#include <fmt/format.h>

namespace davit::cli {

using TimePoint = std::chrono::system_clock::time_point;

Result<std::optional<TimePoint>> parse_when(const std::string& text, const char* flag) {
    if (text.empty()) return std::optional<TimePoint>();
    if (const auto time = parse_rfc3339(text)) return std::optional<TimePoint>(*time);
    if (const auto ago = parse_duration(text))
        return std::optional<TimePoint>(std::chrono::system_clock::now() - *ago);
    if (const auto seconds = parse_integer(text); seconds && *seconds >= 0)
        return std::optional<TimePoint>(TimePoint(std::chrono::seconds(*seconds)));
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' of {} is neither a time nor a duration", printable(text), flag))
        .help("write it as 2026-01-02T03:04:05Z or 10m");
}

}  // namespace davit::cli
