#pragma once

#include <string>
#include <zstd.h>

namespace davit::testing {

/// One zstd frame.
inline std::string zstd(const std::string& text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
    return packed;
}

}  // namespace davit::testing
