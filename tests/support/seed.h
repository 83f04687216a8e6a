#pragma once

#include "base/strings.h"

#include <chrono>
#include <cstdlib>
#include <random>

namespace davit::testing {

/// A number from the environment, or `usual`.
inline long number_from(const char* variable, long usual) {
    const char* given = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
    const auto number = given == nullptr ? std::nullopt : parse_integer(given);
    return number ? static_cast<long>(*number) : usual;
}

/// DAVIT_TEST_SEED, or another one each time. A test that uses it prints it.
inline unsigned seed_of_this_run() {
    const long given = number_from("DAVIT_TEST_SEED", -1);
    return given >= 0 ? static_cast<unsigned>(given) : std::random_device()();
}

/// When a test that could go on for ever ends.
inline std::chrono::steady_clock::time_point end_after(long seconds) {
    return std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
}

}  // namespace davit::testing
