#include "base/bytes.h"
#include "base/digest.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/sha512.h"
#include "base/strings.h"

#include <doctest/doctest.h>

using namespace davit;

TEST_CASE("sizes are read as Compose writes them") {
    struct Case {
        const char* text;
        std::int64_t bytes;  ///< -1: refused.
    };
    const Case cases[] = {
        {"0", 0},       {"1048576", 1048576}, {"512m", 512 << 20}, {"1k", 1024}, {"1KB", 1024},
        {"1KiB", 1024}, {"1.5g", 1610612736}, {"10 mb", 10 << 20}, {"7b", 7},    {"", -1},
        {"m", -1},      {"1x", -1},           {"-1m", -1},         {"1mm", -1},  {"99999999p", -1}};
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_bytes(c.text);
        REQUIRE(parsed.ok() == (c.bytes >= 0));
        if (parsed) CHECK(*parsed == c.bytes);
    }
    CHECK(format_bytes(24900000) == "24.9MB");
    CHECK(format_bytes(999) == "999B");
}

TEST_CASE("durations are read as Compose writes them") {
    struct Case {
        const char* text;
        long long us;  ///< -1: refused.
    };
    const Case cases[] = {
        {"0", 0},   {"10s", 10000000}, {"1m30s", 90000000}, {"500ms", 500000}, {"1.5h", 5400000000},
        {"5us", 5}, {"5µs", 5},        {"1d", 86400000000}, {"", -1},          {"10", -1},
        {"s", -1},  {"1x", -1},        {"-1s", -1}};
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const auto parsed = parse_duration(c.text);
        REQUIRE(parsed.ok() == (c.us >= 0));
        if (parsed) CHECK(parsed->count() == c.us);
    }
}

TEST_CASE("times survive being written and read") {
    const auto now = std::chrono::system_clock::now();
    const auto read = parse_rfc3339(rfc3339(now));
    REQUIRE(read.ok());
    CHECK(*read == now);
    CHECK(rfc3339(*parse_rfc3339("2026-01-02T03:04:05Z")) == "2026-01-02T03:04:05.000000000Z");
    CHECK(rfc3339(*parse_rfc3339("2026-01-02T03:04:05.5Z")) == "2026-01-02T03:04:05.500000000Z");
    CHECK_FALSE(parse_rfc3339("2026-01-02").ok());
    CHECK(rfc3339(*parse_rfc3339("2026-01-02T03:04:05.25+01:30")) ==
          "2026-01-02T01:34:05.250000000Z");
    CHECK(rfc3339(*parse_rfc3339("2026-01-02T03:04:05-01:00")) == "2026-01-02T04:04:05.000000000Z");
    for (const char* text : {"2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+24:00",
                             "2026-01-02T03:04:05+01:00Z", "2026-01-02T03:04:05"})
        CHECK_FALSE(parse_rfc3339(text).ok());
}

TEST_CASE("how long ago is said as Docker says it") {
    using std::chrono::seconds;
    CHECK(human_duration(seconds(0)) == "Less than a second");
    CHECK(human_duration(seconds(4)) == "4 seconds");
    CHECK(human_duration(seconds(75)) == "About a minute");
    CHECK(human_duration(seconds(600)) == "10 minutes");
    CHECK(human_duration(seconds(3600)) == "About an hour");
    CHECK(human_duration(seconds(86400 * 3)) == "3 days");
}

TEST_CASE("the nearest word is close or there is none") {
    const std::vector<std::string> known = {"image", "ports", "environment"};
    CHECK(nearest("imgae", known) == "image");
    CHECK(nearest("port", known) == "ports");
    CHECK(nearest("enviroment", known) == "environment");
    CHECK_FALSE(nearest("zebra", known).has_value());
}

TEST_CASE("control characters can't steer a terminal") {
    CHECK(printable("a\x1b[2Jb\n\t\x7f") == "a\\x1b[2Jb\\n\\t\\x7f");
    CHECK(shell_quoted("plain-1.2/x") == "plain-1.2/x");
    CHECK(shell_quoted("it's") == "'it'\\''s'");
    CHECK(shell_quoted("") == "''");
}

TEST_CASE("numbers are whole or refused") {
    CHECK(parse_integer("42") == 42);
    CHECK(parse_integer("-1") == -1);
    CHECK_FALSE(parse_integer("4 2").has_value());
    CHECK_FALSE(parse_integer("").has_value());
    CHECK_FALSE(parse_integer("99999999999999999999").has_value());
}

TEST_CASE("JSON errors name the place and deep nesting is refused") {
    const auto broken = parse_json("{\n  \"a\": }", "record 'x'");
    REQUIRE_FALSE(broken.ok());
    CHECK(broken.error().to_string() == "record 'x' is not valid JSON at line 2, column 8");
    CHECK_FALSE(parse_json(std::string(100, '[') + std::string(100, ']'), "x").ok());
    CHECK(parse_json("[[1]]", "x").ok());
    const auto huge = parse_json("{\"a\": 1e999}", "record 'x'");
    REQUIRE_FALSE(huge.ok());
    CHECK(huge.error().to_string().starts_with("record 'x' can't be read"));
    const auto wrong = decode_json(*parse_json("{\"a\":1}", "x"), "record 'x'",
                                   [](const Json& json) { return json.at("b").get<int>(); });
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.error().kind() == ErrorKind::InvalidInput);
}

TEST_CASE("a digest in pieces is the digest of the whole") {
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 pieces;
    pieces.update("a");
    pieces.update("bc");
    CHECK(std::move(pieces).hex() == sha256_hex("abc"));
    Sha512 longer;
    longer.update("a");
    longer.update("bc");
    CHECK(
        std::move(longer).hex() ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
        "ebbd454d4423643ce80e2a9ac94fa54ca49f");
}
