#pragma once

#include "base/result.h"

#include <chrono>
#include <string>
#include <string_view>

namespace davit {

/// A duration as Compose writes it: "1m30s", "500ms", "1.5h", also plain "0".
/// Units: us, ms, s, m, h, d, w. Rounded to microseconds.
/// @errors InvalidInput @source Compose spec, "Specifying durations"
Result<std::chrono::microseconds> parse_duration(std::string_view text);

/// How long ago or for how long, as the Docker command line says it: "5 seconds", "About a minute",
/// "3 hours". @source docker/go-units HumanDuration
std::string human_duration(std::chrono::seconds duration);

/// `time` as RFC 3339 in UTC with nanoseconds: "2026-01-02T03:04:05.000000006Z".
std::string rfc3339(std::chrono::system_clock::time_point time);

/// The inverse of `rfc3339`; any number of fraction digits, "Z" only.
/// @errors InvalidInput
Result<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

}  // namespace davit
