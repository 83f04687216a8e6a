#pragma once

#include "base/diagnostic.h"
#include "compose/document.h"

namespace davit::compose {

/// Lays the document `over` on `base`: mappings are merged key by key, lists appended, single
/// values replaced; what an attribute does differently stands in the table of merge_rules.cpp.
/// `!reset` takes a value away, `!override` puts one in the place of what was there.
/// @source Compose spec 13-merge.md
void merge_document(Node& base, Node over, Diagnostics& diagnostics);

}  // namespace davit::compose
