#pragma once

#include "builder/build.h"
#include "stack/operations.h"

#include <functional>

namespace davit::stack {

/// Brings a base image into the store: one that is missing or, where that is asked for, any. Called
/// by one thread at a time.
using BringImage = std::function<Result<void>(const std::string& name)>;

/// Builds an image on this host: steps are containers of its runtime, on a network of their own.
/// @errors as builder::build
Result<builder::BuildResult> build_image(
    const Environment& environment, const builder::BuildRequest& request,
    const std::function<void(const builder::BuildEvent&)>& on_event,
    const std::function<bool()>& cancelled, const BringImage& bring, Diagnostics& diagnostics);

}  // namespace davit::stack
