#pragma once

#include "base/file.h"

#include <string>
#include <vector>

namespace davit::testing {

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// What is in a file; "" where it can't be read.
inline std::string file_text(const std::string& path) {
    const Result<std::string> text = read_file(path);
    return text ? *text : std::string();
}

/// The words that run a script.
inline std::vector<std::string> sh(const std::string& script) { return {"sh", "-c", script}; }

}  // namespace davit::testing
