#pragma once

#include "compose/schema.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Single values out of nodes. Each says what it expected and what it found, and returns nothing,
/// where a value is of another kind.
namespace davit::compose {

/// Text. A plain number or boolean is refused, as Docker Compose does; null and "" too.
std::optional<std::string> decode_string(DecodeContext& context, const Field& field);
/// As decode_string, "" allowed.
std::optional<std::string> decode_text(DecodeContext& context, const Field& field);
std::optional<bool> decode_boolean(DecodeContext& context, const Field& field);

/// A whole number within [least, most].
std::optional<std::int64_t> decode_integer(DecodeContext& context, const Field& field,
                                           std::int64_t least, std::int64_t most);
/// A finite number that is not negative.
std::optional<double> decode_number(DecodeContext& context, const Field& field);
/// "512m", or a whole number of bytes. @source Compose spec 11-extension.md
std::optional<std::int64_t> decode_bytes(DecodeContext& context, const Field& field);
/// "1m30s". @source Compose spec 11-extension.md
std::optional<std::chrono::microseconds> decode_duration(DecodeContext& context,
                                                         const Field& field);

std::vector<std::string> decode_string_list(DecodeContext& context, const Field& field);

/// A name with a value, or without one.
struct KeyValue {
    std::string name = {};
    std::optional<std::string> value = {};
};
/// `{A: 1}` or `[A=1, B]`: both forms of environment, labels and the like.
std::vector<KeyValue> decode_key_values(DecodeContext& context, const Field& field);
/// As decode_key_values; a missing value is "".
std::map<std::string, std::string> decode_labels(DecodeContext& context, const Field& field);

/// An absolute path on the host: `~` is the home folder, a relative path stands below the project
/// folder. @source compose-go paths/resolve.go
std::optional<std::string> resolve_host_path(DecodeContext& context, const std::string& path,
                                             const SourcePos& where);

/// Whether `name` may name a container, volume or network: [a-zA-Z0-9][a-zA-Z0-9_.-]*.
bool is_resource_name(const std::string& name);
/// A `name:`, checked.
std::optional<std::string> decode_resource_name(DecodeContext& context, const Field& field);

}  // namespace davit::compose
