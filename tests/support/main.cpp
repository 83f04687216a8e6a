#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/skip.h"

#include <cstdlib>
#include <doctest/doctest.h>

namespace davit::testing {
int g_skipped = 0;
bool must_run() { return std::getenv("DAVIT_TESTS_MUST_RUN") != nullptr; }
}  // namespace davit::testing

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    const int status = context.run();
    if (context.shouldExit()) return status;
    return status == 0 && davit::testing::g_skipped > 0 ? 77
                                                        : status;  // 77: ctest's SKIP_RETURN_CODE
}
