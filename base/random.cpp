#include "base/random.h"

#include "base/assert.h"

#include <sys/random.h>
#include <vector>

namespace davit {

std::string random_hex(std::size_t bytes) {
    std::vector<unsigned char> raw(bytes);
    // Up to 256 bytes come whole and uninterrupted once the pool is ready; see getrandom(2).
    DAVIT_ASSERT(bytes <= 256);
    DAVIT_ASSERT(::getrandom(raw.data(), raw.size(), 0) == static_cast<ssize_t>(raw.size()));
    std::string text;
    for (const unsigned char byte : raw) {
        text += "0123456789abcdef"[byte >> 4U];
        text += "0123456789abcdef"[byte & 15U];
    }
    return text;
}

}  // namespace davit
