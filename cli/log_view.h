#pragma once

#include "stack/logs.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace davit::cli {

struct LogViewOptions {
    bool prefix = true;
    bool colour = false;    ///< Of the prefixes.
    bool terminal = false;  ///< Shown on one: lines must not be able to steer it.
    bool timestamps = false;
};

/// Turns log entries of several containers into text:
///
///     web-1  | GET / 200
///     db-1   | ready
///
/// Every physical line gets its prefix, so that no container can speak in another one's name. Parts
/// of one long line are put together again. Pure.
class LogView {
public:
    LogView(std::vector<std::string> names, LogViewOptions options);

    /// The text to print for `line`; empty while the end of its line is still to come.
    std::string add(const stack::LogLine& line);
    /// What is left of lines that never ended.
    std::string flush();

private:
    using Key = std::pair<std::size_t, stack::LogLine::Stream>;
    struct Part {
        std::string text = {};
        std::chrono::system_clock::time_point time = {};
    };

    std::string finished(std::size_t source, const Part& part) const;
    std::string one_line(std::size_t source, const Part& part, std::string_view line) const;

    std::vector<std::string> prefixes_ = {};
    LogViewOptions options_ = {};
    std::map<Key, Part> parts_ = {};
};

/// A container's name as a prefix shows it: without its project's.
std::string short_name(const std::string& name, const std::string& project);

}  // namespace davit::cli
