#include "image/retry_after.h"

#include "base/strings.h"

#include <algorithm>

namespace davit::image {
namespace {

/// The three forms of a date; the program has the locale "C", in which names are English.
std::optional<std::time_t> parse_date(const std::string& text) {
    for (const char* form :
         {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm parts{};
        const char* const end = ::strptime(text.c_str(), form, &parts);
        if (end != nullptr && *end == '\0') return ::timegm(&parts);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::seconds> wait_asked(const HttpResponse& response, std::time_t now) {
    const std::string text = response.header("retry-after");
    if (const auto seconds = parse_integer(text))
        return std::chrono::seconds(std::max(0LL, *seconds));
    const std::optional<std::time_t> until = parse_date(text);
    if (!until) return std::nullopt;
    const std::time_t here = parse_date(response.header("date")).value_or(now);
    return std::chrono::seconds(std::max<std::time_t>(0, *until - here));
}

}  // namespace davit::image
