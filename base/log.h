#pragma once

#include "base/result.h"

#include <fmt/core.h>
#include <string>
#include <string_view>

/// Logs are for us and for post-mortems; what a user must read is printed by cli/, not logged.
/// One line an event: a sentence, then key=value. Never between clone and execve.
namespace davit::log {

enum class Level { Debug, Info, Warn, Error, Off };
enum class Format { Text, Json };

struct Options {
    Level level = Level::Warn;
    Format format = Format::Text;
    std::string file = {};  ///< Appended to; empty: standard error.
};

/// Sets logging up for this process; without it everything from Warn on goes to standard error.
/// @errors System where the file can't be opened
Result<void> configure(const Options& options);

/// @errors InvalidInput, naming what is allowed
Result<Level> parse_level(std::string_view text);
Result<Format> parse_format(std::string_view text);

bool enabled(Level level);
void write(Level level, std::string_view category, std::string_view text);

/// `category` is the folder that speaks: "runtime", "network", …
template <typename... Args>
void debug(std::string_view category, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(Level::Debug))
        write(Level::Debug, category, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void info(std::string_view category, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(Level::Info))
        write(Level::Info, category, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(std::string_view category, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(Level::Warn))
        write(Level::Warn, category, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void error(std::string_view category, fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(Level::Error))
        write(Level::Error, category, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace davit::log
