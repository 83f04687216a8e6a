#include "tests/compose/support.h"
#include "tests/support/skip.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

namespace davit::compose {

/// Every YAML file below the folder that DAVIT_CORPUS names: the loader must come to an end with a
/// project or with errors, each with a place in a file.
TEST_CASE("the loader survives every compose file of a corpus") {
    const char* corpus = std::getenv("DAVIT_CORPUS");
    if (corpus == nullptr) {
        // Also where other tests must run: real files of strangers are no part of the project.
        MESSAGE("skipped: no folder with compose files: DAVIT_CORPUS is not set");
        ++davit::testing::g_skipped;
        return;
    }
    int accepted = 0;
    int refused = 0;
    auto slowest = std::chrono::steady_clock::duration::zero();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus)) {
        const std::string extension = entry.path().extension();
        if (!entry.is_regular_file() || (extension != ".yaml" && extension != ".yml")) continue;
        CAPTURE(entry.path().string());
        LoadOptions options;
        options.working_dir = entry.path().parent_path();
        options.files = {entry.path().string()};
        options.environment = {{"HOME", "/home/tester"}};
        Diagnostics diagnostics;
        const auto before = std::chrono::steady_clock::now();
        const bool loaded = load_project(options, diagnostics).has_value();
        slowest = std::max(slowest, std::chrono::steady_clock::now() - before);
        loaded ? ++accepted : ++refused;
        CHECK(loaded == diagnostics.ok());
        for (const Diagnostic& diagnostic : diagnostics.list()) CHECK(!render(diagnostic).empty());
    }
    MESSAGE("accepted " << accepted << ", refused " << refused << ", slowest "
                        << std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count()
                        << " ms");
    CHECK(accepted + refused > 0);
}

}  // namespace davit::compose
