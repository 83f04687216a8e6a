#include "base/bytes.h"
#include "fuzz/one_service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace davit;  // NOLINT(google-build-using-namespace)
    const std::string_view text = fuzz::as_text(data, size);
    if (const auto bytes = parse_bytes(text)) {
        fuzz::require(*bytes >= 0, "a size is not negative", std::string(text));
        fuzz::require(!format_bytes(*bytes).empty(), "every size can be printed");
    }
    for (const char* key : {"mem_limit", "memswap_limit", "shm_size"})
        fuzz::check_service("    " + std::string(key) + ": " + fuzz::quoted(text) + "\n");
    return 0;
}
