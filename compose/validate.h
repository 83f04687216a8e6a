#pragma once

#include "base/diagnostic.h"
#include "compose/project.h"

namespace davit::compose {

/// What can be wrong between the parts of a project although each is well-formed, and only shows
/// when it is run: two things that claim the same name or port. References are
/// check_consistency()'s.
void validate(const Project& project, const SourceMap& places, Diagnostics& diagnostics);

}  // namespace davit::compose
