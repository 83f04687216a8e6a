#pragma once

namespace davit {

/// Ends the process with exit status 70 (EX_SOFTWARE) and a message to report. Never for bad input.
[[noreturn]] void assertion_failed(const char* what, const char* file, int line) noexcept;

}  // namespace davit

/// States what must be true if davit itself is right. Always on.
#define DAVIT_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : davit::assertion_failed(#condition, __FILE__, __LINE__))
