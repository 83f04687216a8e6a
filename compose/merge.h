#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"
#include "compose/shape.h"

namespace davit::compose {

/// Merges a later document into what the earlier ones say; both in canonical form. `!reset` and
/// `!override` are carried out. @source Compose spec 13-merge.md
void merge_document(Node& base, Node over, Diagnostics& diagnostics);

/// As merge_document, for a value at `path` of `shape`: one service into another.
void merge_value(Node& base, Node over, const Shape& shape, const NodePath& path,
                 Diagnostics& diagnostics);

}  // namespace davit::compose
