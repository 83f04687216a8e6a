#pragma once

#include "compose/document.h"

#include <string>
#include <vector>

namespace davit::compose {

/// How one attribute is merged.
enum class MergeRule {
    ByKind,         ///< Mappings key by key, lists appended, single values replaced.
    Replace,        ///< The later one stands, also where it is null.
    KeyValues,      ///< `[A=1]` and `{A: 1}` are the same thing; merged key by key.
    Dependencies,   ///< `[db]` is `{db: {condition: service_started}}`; merged key by key.
    StringOrList,   ///< `a` is `[a]`; lists appended.
    UniqueTargets,  ///< Lists appended, an item replaces an earlier one with the same target.
    SameDriver,     ///< Key by key, but a different `driver` replaces the whole.
};

/// The rule for the value at `path`: {"services", "web", "command"}.
MergeRule merge_rule(const std::vector<std::string>& path);

/// `[A=1, B]` as `{A: "1", B: null}`. What is no such list stays as it is.
void make_key_values(Node& node);
/// `a` as `[a]`. What is a list stays as it is.
void make_list(Node& node);
/// `[db]` as `{db: {condition: service_started}}`. What is no such list stays as it is.
void make_dependencies(Node& node);
/// Of several mounts with one target keeps the last, in the place of the first.
void keep_last_of_each_target(Node& list);

}  // namespace davit::compose
