#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// Defined by every target, called by libFuzzer or by replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace davit::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// States what must hold for every input. Where it doesn't, the input is a finding.
inline void require(bool holds, const char* what, const std::string& detail = {}) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: broken: %s\n%s\n", what, detail.c_str());
    std::abort();
}

/// The first line in which two texts differ, for `detail`.
inline std::string difference(std::string_view one, std::string_view other) {
    std::size_t at = 0;
    while (at < one.size() && at < other.size() && one[at] == other[at]) ++at;
    const std::size_t start = at == 0 ? 0 : one.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    const auto line = [&](std::string_view text) {
        return std::string(text.substr(start, text.find('\n', at) - start));
    };
    return "- " + line(one) + "\n+ " + line(other);
}

}  // namespace davit::fuzz
