#include "base/duration.h"
#include "fuzz/one_service.h"

#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const std::string_view text = fuzz::as_text(data, size);
    if (const auto duration = parse_duration(text)) {
        fuzz::require(duration->count() >= 0, "a duration is not negative");
        (void)human_duration(std::chrono::duration_cast<std::chrono::seconds>(*duration));
    }
    if (const auto time = parse_rfc3339(text))
        fuzz::require(parse_rfc3339(rfc3339(*time)).ok(), "a printed time is read again",
                      rfc3339(*time));
    fuzz::check_service("    stop_grace_period: " + fuzz::quoted(text) + "\n");

    std::int64_t nanoseconds = 0;
    std::memcpy(&nanoseconds, data, std::min(size, sizeof nanoseconds));
    const std::string printed = compose::go_duration(nanoseconds);
    fuzz::require(!printed.empty() && printed.back() == 's', "a Go duration ends in s", printed);
    return 0;
}
