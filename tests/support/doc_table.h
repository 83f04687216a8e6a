#pragma once

#include "base/file.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <string>

namespace davit::testing {

/// Checks that `file` has `rows` between the lines `begin` and `end`; with DAVIT_UPDATE_GOLDEN=1 it
/// writes them there.
inline void check_doc_table(const std::string& file, const std::string& begin,
                            const std::string& end, const std::string& rows) {
    Result<std::string> text = read_file(file);
    REQUIRE(text.ok());
    REQUIRE(text->find(begin) != std::string::npos);
    const std::size_t from = text->find(begin) + begin.size();
    const std::size_t to = text->find(end);
    REQUIRE(to != std::string::npos);
    if (std::getenv("DAVIT_UPDATE_GOLDEN") != nullptr) {
        text->replace(from, to - from, rows);
        REQUIRE(write_in_place(file, *text, 0644).ok());
        return;
    }
    CHECK_MESSAGE(text->substr(from, to - from) == rows,
                  "write it anew: DAVIT_UPDATE_GOLDEN=1 before the test program");
}

}  // namespace davit::testing
