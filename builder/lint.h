#pragma once

#include "base/diagnostic.h"
#include "builder/dockerfile.h"

namespace davit::builder {

/// Remarks about what is allowed in a Dockerfile and still most often not meant. Pure.
/// @source BuildKit, "Build checks"; the name of its rule ends each remark
void lint(const Dockerfile& file, Diagnostics& diagnostics);

}  // namespace davit::builder
