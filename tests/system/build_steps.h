#pragma once

#include "tests/support/sandbox.h"

#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

namespace davit::testing {

/// How often `part` is in `text`.
inline int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

/// `davit build .` in the project folder; fails the test unless it works. Returns what was printed.
inline std::string build_folder(const Sandbox& box, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"build", "."};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = box.davit(arguments);
    REQUIRE_MESSAGE(outcome.status == 0, outcome.out, outcome.err);
    return outcome.err;
}

/// The same, as local/built:1.
inline std::string build(const Sandbox& box, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-t", "local/built:1"});
    return build_folder(box, more);
}

/// What `command` prints in a container of local/built:1.
inline std::string in_image(const Sandbox& box, const std::string& command) {
    box.compose("services:\n  a:\n    image: local/built:1\n    entrypoint: [sleep, '1000']\n");
    box.davit_ok({"up", "-d"});
    const std::string out = box.davit_ok({"exec", "a", "sh", "-c", command});
    box.davit_ok({"down", "-t", "0"});
    return out;
}

}  // namespace davit::testing
