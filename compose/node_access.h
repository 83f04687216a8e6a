#pragma once

#include "compose/document.h"

#include <string>
#include <string_view>

/// What the stages that work on canonical trees ask of a node again and again.
namespace davit::compose {

/// The text at `key` of a mapping; empty where there is none.
std::string text_at(const Node& mapping, std::string_view key);

/// What to underline in a remark about an item of a list: a long form at its first key.
SourcePos place_of_item(const Node& item);

}  // namespace davit::compose
