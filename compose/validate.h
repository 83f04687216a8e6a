#pragma once

#include "base/diagnostic.h"
#include "compose/project.h"

namespace davit::compose {

/// What can be wrong between the parts of a project although each is well-formed: references to
/// nothing, cycles, and two things that claim the same name, path or port.
void validate(const Project& project, const SourceMap& places, Diagnostics& diagnostics);

}  // namespace davit::compose
