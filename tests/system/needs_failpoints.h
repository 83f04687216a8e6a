#pragma once

#include "tests/support/skip.h"

namespace davit::testing {

#ifdef NDEBUG
inline constexpr bool kHasFailpoints = false;
#else
inline constexpr bool kHasFailpoints = true;
#endif

/// Ends this test case as skipped in a release build, which has no failpoints (base/failpoint.h).
#define NEEDS_FAILPOINTS() \
    if (!kHasFailpoints) SKIP_ON_THIS_MACHINE("a release build has no failpoints")

}  // namespace davit::testing
