#pragma once

#include "stack/logs.h"

#include <optional>
#include <string_view>

namespace davit::stack {

/// Decodes one entry of a log file, without its line break:
///
///     {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}
///
/// Bytes that are not UTF-8 are kept as they are, which a JSON library would refuse. Nothing where
/// the line is no such entry, as when a writer was killed within it. `source` stays 0.
std::optional<LogLine> parse_log_entry(std::string_view line);

}  // namespace davit::stack
