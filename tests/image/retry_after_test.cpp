#include "image/retry_after.h"

#include <doctest/doctest.h>

using namespace davit::image;

namespace {

HttpResponse answer(const char* retry_after, const char* date = "") {
    HttpResponse response;
    response.headers["retry-after"] = retry_after;
    if (*date != '\0') response.headers["date"] = date;
    return response;
}

}  // namespace

TEST_CASE("a registry says in seconds or by a date how long it is to be left alone") {
    using std::chrono::seconds;
    constexpr std::time_t kNow = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
    CHECK(wait_asked(answer("120"), kNow) == seconds(120));
    CHECK(wait_asked(answer("-5"), kNow) == seconds(0));
    CHECK(wait_asked(answer("Sun, 06 Nov 1994 08:50:37 GMT"), kNow) == seconds(60));
    CHECK(wait_asked(answer("Sunday, 06-Nov-94 08:50:37 GMT"), kNow) == seconds(60));
    CHECK(wait_asked(answer("Sun Nov  6 08:50:37 1994"), kNow) == seconds(60));
    CHECK(wait_asked(answer("Sun, 06 Nov 1994 08:00:00 GMT"), kNow) == seconds(0));
    // Its own clock counts, not ours.
    CHECK(wait_asked(answer("Mon, 30 Nov 2026 06:00:07 GMT", "Mon, 30 Nov 2026 06:00:00 GMT"),
                     kNow) == seconds(7));
    for (const char* words : {"", "soon", "Sun, 06 Nov 1994 08:50:37", "06 Nov 1994"})
        CHECK_FALSE(wait_asked(answer(words), kNow).has_value());
}
