#include "base/assert.h"

#include <cstdio>
#include <unistd.h>

namespace davit {

void assertion_failed(const char* what, const char* file, int line) noexcept {
    char text[512];
    const int length = std::snprintf(
        text, sizeof text, "davit: internal error: %s (%s:%d), please report\n", what, file, line);
    if (length > 0) (void)!::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
    ::_exit(70);
}

}  // namespace davit
