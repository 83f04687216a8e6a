#include "cli/when.h"

#include "base/duration.h"

#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>

using namespace davit;
using namespace davit::cli;

namespace {

/// Another zone for as long as it lives.
class Zone {
public:
    explicit Zone(const char* name) {
        if (const char* now = std::getenv("TZ")) before_ = now;
        set(name);
    }
    ~Zone() { before_ ? set(before_->c_str()) : unset(); }
    Zone(const Zone&) = delete;
    Zone& operator=(const Zone&) = delete;

private:
    static void set(const char* name) {
        ::setenv("TZ", name, 1);
        ::tzset();
    }
    static void unset() {
        ::unsetenv("TZ");
        ::tzset();
    }
    std::optional<std::string> before_ = {};
};

std::string when(const std::string& text) {
    const auto time = parse_when(text, "--since");
    if (!time) return "error: " + time.error().to_string();
    return *time ? rfc3339(**time) : "nothing";
}

}  // namespace

TEST_CASE("times without a zone are in that of TZ") {
    const Zone zone("EST5EDT,M3.2.0,M11.1.0");
    struct Case {
        const char* text;
        const char* utc;
    };
    const Case cases[] = {
        {"2026-12-01", "2026-12-01T05:00:00.000000000Z"},
        {"2026-12-01T02", "2026-12-01T07:00:00.000000000Z"},
        {"2026-12-01T02:50", "2026-12-01T07:50:00.000000000Z"},
        {"2026-12-01T02:00:00", "2026-12-01T07:00:00.000000000Z"},
        {"2026-12-01T02:00:00.25", "2026-12-01T07:00:00.250000000Z"},
        {"2026-07-01T02:00:00", "2026-07-01T06:00:00.000000000Z"},  // summer
        {"1960-01-01T00:00:00.5", "1960-01-01T05:00:00.500000000Z"},
        {"2026-12-01T02:00:00Z", "2026-12-01T02:00:00.000000000Z"},
        {"2026-12-01T02:00:00.125+02:00", "2026-12-01T00:00:00.125000000Z"},
        {"2026-12-01T02:50-03:00", "2026-12-01T05:50:00.000000000Z"},
        {"2026-12-01Z", "2026-12-01T00:00:00.000000000Z"},
        {"1700000000", "2023-11-14T22:13:20.000000000Z"},
        {"1700000000.5", "2023-11-14T22:13:20.500000000Z"},
        {"", "nothing"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        CHECK(when(c.text) == c.utc);
    }
}

TEST_CASE("what is neither a time nor a duration is refused") {
    for (const char* text :
         {"2026-13-01", "2026-12-01T25:00", "2026-12-1", "2026-12-01 02:00", "2026-12-01T02:50:0",
          "2026-12-01T02:00:00.x", "yesterday", "-5", "1.x", "99999999999"}) {
        CAPTURE(text);
        CHECK(when(text) ==
              fmt::format("error: '{}' of --since is neither a time nor a duration", text));
    }
    const auto ago = parse_when("10m", "--since");
    REQUIRE(ago);
    REQUIRE(*ago);
    const auto gone = std::chrono::system_clock::now() - **ago;
    CHECK(gone >= std::chrono::minutes(10));
    CHECK(gone < std::chrono::minutes(11));
}
