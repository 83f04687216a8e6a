#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/own_world.h"
#include "tests/support/skip.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>

namespace davit::testing {
int g_skipped = 0;
bool must_run() { return std::getenv("DAVIT_TESTS_MUST_RUN") != nullptr; }
}  // namespace davit::testing

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    bool listing = false;
    for (int i = 1; i < argc; ++i) listing = listing || std::strncmp(argv[i], "--list", 6) == 0;
    // Everything that the tests run, davit included, is born in these namespaces.
    if (!listing && !davit::testing::enter_own_world()) {
        std::puts("skipped: system tests need root, network and mount namespaces");
        return davit::testing::must_run() ? 1 : 77;
    }
    const int status = context.run();
    if (context.shouldExit()) return status;
    return status == 0 && davit::testing::g_skipped > 0 ? 77 : status;
}
