#pragma once

#include "base/json.h"
#include "compose/project.h"
#include "stack/records.h"

/// Parts of records that have a file of their own; records.cpp includes it, and nobody else.
namespace davit::stack {

/// The value at `key`, or `otherwise` where it is missing or null. A wrong type throws, which
/// decode_json turns into an Error.
template <typename T>
T value_or(const Json& json, const char* key, T otherwise) {
    const auto found = json.find(key);
    return found == json.end() || found->is_null() ? otherwise : found->get<T>();
}

Json privileges_json(const compose::Privileges& privileges);
compose::Privileges privileges_of(const Json& json);

Json mounts_json(const std::vector<MountRecord>& mounts);
std::vector<MountRecord> mounts_of(const Json& json);

Json hooks_json(const std::vector<compose::Hook>& hooks);
std::vector<compose::Hook> hooks_of(const Json& json);

}  // namespace davit::stack
