#pragma once

#include "compose/document.h"

#include <string>

namespace davit::compose {

/// A canonical model as text that loads again to the same model: keys sorted, what is false, 0 or
/// empty left out. Where variables were replaced, each `$` is doubled, so that it is not taken for
/// one.
/// @source docker/compose cmd/compose/config.go
std::string model_as_yaml(const Node& model, bool interpolated);
std::string model_as_json(const Node& model, bool interpolated);

/// The value at a path such as "services.web.ports[0]", in YAML, and where each part of it was
/// written; nothing where there is none.
std::string explain_value(const Node& model, const std::string& path);

/// The value at a path; nullptr where there is none.
const Node* find_path(const Node& model, std::string_view path);

}  // namespace davit::compose
