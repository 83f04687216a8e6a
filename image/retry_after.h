#pragma once

#include "image/http.h"

#include <chrono>
#include <ctime>
#include <optional>

namespace davit::image {

/// How long the answer asks to be left alone (Retry-After: seconds, or a date, which is compared
/// with the server's own where it gives one, else with `now`). Nothing where it doesn't say, or not
/// in words that are known. @source RFC 9110 §5.6.7, §10.2.3
std::optional<std::chrono::seconds> wait_asked(const HttpResponse& response, std::time_t now);

}  // namespace davit::image
