#include "tests/system/verify.h"

#include <cstdio>

/// verify [RUN ROOT [DATA ROOT]]: says what is wrong with what davit has left on this machine, and
/// exits with 1 where there is anything.
int main(int argc, char** argv) {
    const auto wrong = davit::testing::verify(argc > 1 ? argv[1] : "/run/davit",
                                              argc > 2 ? argv[2] : "/var/lib/davit");
    for (const std::string& line : wrong) std::printf("%s\n", line.c_str());
    return wrong.empty() ? 0 : 1;
}
