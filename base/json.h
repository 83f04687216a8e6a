#pragma once

#include "base/file.h"
#include "base/result.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace davit {

/// The one JSON type. Objects keep the order in which they were filled, so that what we write is
/// the same byte for byte on every run.
using Json = nlohmann::ordered_json;

/// Parses `text`, at most 64 levels deep. `what` names it in errors: "record '/…/record.json'".
/// @errors InvalidInput with line and column
Result<Json> parse_json(std::string_view text, std::string_view what);

/// Reads and parses a JSON file. @errors NotFound, InvalidInput, System
Result<Json> read_json(const std::string& path);

/// Runs `decode` on `json`, where a missing field or a wrong type ends in an Error that names
/// `what` instead of an exception.
template <typename Decode>
auto decode_json(const Json& json, std::string_view what, Decode decode)
    -> Result<decltype(decode(json))> {
    try {
        return decode(json);
    } catch (const nlohmann::json::exception& problem) {
        return Error(ErrorKind::InvalidInput, fmt::format("{}: {}", what, problem.what()));
    }
}

/// A record on disk: an object whose "version" is at most `newest`.
/// @errors Unsupported where it was written by a newer davit
Result<Json> read_record(const std::string& path, int newest);

/// Writes `json` atomically (see write_atomically), indented, with a final line break.
Result<void> write_json(const std::string& path, const Json& json, Sync sync, mode_t mode = 0600);

/// The string at `key`, or `otherwise` where it is missing or null.
std::string string_or(const Json& json, const char* key, std::string_view otherwise = {});

/// The whole number at `key`, or `otherwise` where it is missing or null.
long long integer_or(const Json& json, const char* key, long long otherwise = 0);

}  // namespace davit
