#include "cli/when.h"

#include "base/duration.h"
#include "base/strings.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

namespace davit::cli {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

/// Whether `text` looks like `shape`, where 'd' stands for a digit.
bool has_shape(std::string_view text, std::string_view shape) {
    return text.size() == shape.size() &&
           std::equal(text.begin(), text.end(), shape.begin(), [](char c, char wanted) {
               return wanted == 'd' ? c >= '0' && c <= '9' : c == wanted;
           });
}

/// The time that a clock which shows UTC's `time` shows in the zone of TZ.
TimePoint in_local_zone(TimePoint time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const std::time_t seconds = whole.time_since_epoch().count();
    std::tm clock{};
    ::gmtime_r(&seconds, &clock);
    clock.tm_isdst = -1;  // whatever holds on that day
    return TimePoint(std::chrono::seconds(std::mktime(&clock))) + (time - whole);
}

/// A day, or a time to the hour, the minute, the second or a part of it, with a zone or in that of
/// TZ. @source moby api/types/time GetTimestamp
std::optional<TimePoint> parse_clock(std::string_view text) {
    constexpr std::size_t kDay = 10;
    if (!has_shape(text.substr(0, kDay), "dddd-dd-dd")) return std::nullopt;
    const std::size_t zone_at = std::min(text.find_first_of("Zz+-", kDay), text.size());
    const std::string_view zone = text.substr(zone_at);
    const std::string_view clock = text.substr(kDay, zone_at - kDay);
    std::string whole(text.substr(0, zone_at));
    if (clock.empty())
        whole += "T00:00:00";
    else if (has_shape(clock, "Tdd"))
        whole += ":00:00";
    else if (has_shape(clock, "Tdd:dd"))
        whole += ":00";
    else if (!has_shape(clock.substr(0, clock.find('.')), "Tdd:dd:dd"))
        return std::nullopt;
    whole += zone.empty() || zone == "z" ? "Z" : zone;
    const auto time = parse_rfc3339(whole);
    if (!time) return std::nullopt;
    return zone.empty() ? in_local_zone(*time) : *time;
}

/// Seconds since 1970, also with a fraction.
std::optional<TimePoint> parse_epoch(const std::string& text) {
    constexpr long long kFarthest = 9'000'000'000;  // of what nanoseconds can count
    const std::size_t dot = std::min(text.find('.'), text.size());
    const auto seconds = parse_integer(text.substr(0, dot));
    std::string fraction = dot < text.size() ? text.substr(dot + 1) : "0";
    fraction.resize(std::max<std::size_t>(fraction.size(), 9), '0');
    const auto nanos = parse_integer(std::string_view(fraction).substr(0, 9));
    if (!seconds || *seconds < 0 || *seconds > kFarthest || !nanos || *nanos < 0)
        return std::nullopt;
    return TimePoint(std::chrono::seconds(*seconds) + std::chrono::nanoseconds(*nanos));
}

}  // namespace

Result<std::optional<TimePoint>> parse_when(const std::string& text, const char* flag) {
    if (text.empty()) return std::optional<TimePoint>();
    if (const auto time = parse_clock(text)) return time;
    if (const auto ago = parse_duration(text))
        return std::optional<TimePoint>(std::chrono::system_clock::now() - *ago);
    if (const auto time = parse_epoch(text)) return time;
    return Error(ErrorKind::InvalidInput,
                 fmt::format("'{}' of {} is neither a time nor a duration", printable(text), flag))
        .help("write it as 2026-01-02T03:04:05Z, as 2026-01-02T03:04 in your own zone, or 10m");
}

}  // namespace davit::cli
