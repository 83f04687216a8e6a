#pragma once

#include "base/json.h"
#include "base/result.h"
#include "runtime/spec.h"

#include <optional>
#include <string>
#include <vector>

/// What the decoders of a configuration share. They throw what the JSON library throws where a type
/// is wrong, for decode_json.
namespace davit::runtime {

inline Error invalid_spec(std::string message) {
    return Error(ErrorKind::InvalidInput, std::move(message));
}

/// The object at `key`; an empty one where it is missing or null.
const Json& object_at(const Json& json, const char* key);
/// The array at `key`; an empty one where it is missing or null.
const Json& array_at(const Json& json, const char* key);
std::vector<std::string> strings_at(const Json& json, const char* key);

template <typename T>
std::optional<T> number_at(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
}

/// Decodes `linux.memoryPolicy`; nothing where it is empty.
Result<std::optional<SpecMemoryPolicy>> parse_memory_policy(const Json& json);

/// Decodes `process` into `spec`.
Result<void> parse_process(const Json& process, Spec& spec);

}  // namespace davit::runtime
