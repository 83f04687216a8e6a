#include "base/duration.h"

#include "base/strings.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <fmt/format.h>
#include <optional>

namespace davit {
namespace {

/// Microseconds of one `unit`; 0 where it is none.
double unit_us(std::string_view unit) {
    if (unit == "us" || unit == "µs" || unit == "μs") return 1;  // both letters that look alike
    if (unit == "ms") return 1e3;
    if (unit == "s") return 1e6;
    if (unit == "m") return 60e6;
    if (unit == "h") return 3600e6;
    if (unit == "d") return 24 * 3600e6;
    if (unit == "w") return 7 * 24 * 3600e6;
    return 0;
}

/// What "Z" or "+02:00" at the end of a time is ahead of UTC, in seconds.
std::optional<std::int64_t> offset_of(std::string_view text) {
    if (text == "Z") return 0;
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return std::nullopt;
    const auto hours = parse_integer(text.substr(1, 2));
    const auto minutes = parse_integer(text.substr(4, 2));
    if (!hours || !minutes || *hours < 0 || *hours > 23 || *minutes < 0 || *minutes > 59)
        return std::nullopt;
    const std::int64_t seconds = *hours * 3600 + *minutes * 60;
    return text[0] == '-' ? -seconds : seconds;
}

}  // namespace

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
    const auto refused = [&](std::string_view why) {
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a duration: {}", text, why))
            .help("write numbers with units, such as 1m30s or 500ms");
    };
    if (text == "0") return std::chrono::microseconds(0);
    if (text.empty()) return refused("it is empty");
    double total = 0;
    const char* at = text.data();
    const char* end = text.data() + text.size();
    while (at != end) {
        double number = 0;
        const auto [stop, code] = std::from_chars(at, end, number, std::chars_format::fixed);
        if (code != std::errc() || !std::isfinite(number) || number < 0)
            return refused("it has no number before a unit");
        const char* unit_end = stop;
        while (unit_end != end && (std::isalpha(static_cast<unsigned char>(*unit_end)) != 0 ||
                                   (static_cast<unsigned char>(*unit_end) & 0x80U) != 0))
            ++unit_end;
        const double factor =
            unit_us(std::string_view(stop, static_cast<std::size_t>(unit_end - stop)));
        if (factor == 0) return refused("a number has no unit of us, ms, s, m, h, d, w");
        total += number * factor;
        at = unit_end;
    }
    if (total >= 9e18) return refused("it is too long");
    return std::chrono::microseconds(std::llround(total));
}

std::string human_duration(std::chrono::seconds duration) {
    const auto seconds = duration.count();
    const auto minutes = seconds / 60;
    const auto hours = std::llround(static_cast<double>(seconds) / 3600.0);
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", hours / 24 / 365);
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
    const auto since_epoch = time.time_since_epoch();
    const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
    const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch - whole);
    const std::time_t seconds = whole.count();
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       nanos.count());
}

Result<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
    const std::string copy(text);
    std::tm utc{};
    const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
    long long nanos = 0;
    if (rest != nullptr && *rest == '.') {
        ++rest;
        int digits = 0;
        for (; std::isdigit(static_cast<unsigned char>(*rest)) != 0; ++digits, ++rest)
            if (digits < 9) nanos = nanos * 10 + (*rest - '0');
        for (; digits < 9; ++digits) nanos *= 10;
    }
    const auto offset = rest == nullptr ? std::nullopt : offset_of(rest);
    if (!offset)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is not a time", text))
            .help("write it as 2026-01-02T03:04:05Z");
    const std::chrono::seconds seconds(::timegm(&utc) - *offset);
    constexpr std::chrono::seconds kFarthest(9'000'000'000);  // of what nanoseconds can count
    if (seconds > kFarthest || seconds < -kFarthest)
        return Error(ErrorKind::InvalidInput, fmt::format("'{}' is too far away", text))
            .help("name a time between 1685 and 2255");
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            seconds + std::chrono::nanoseconds(nanos)));
}

}  // namespace davit
