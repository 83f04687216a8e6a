#pragma once

#include "compose/interpolate.h"

#include <string>

namespace davit::cli {

/// What `config --variables` prints: a table of the variables with what the files say of them, or a
/// JSON object by their names. @source docker/compose cmd/compose/config.go runVariables
std::string variables_text(const compose::VariableUses& uses, bool json);

}  // namespace davit::cli
