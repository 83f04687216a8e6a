#pragma once

#include "base/result.h"
#include "image/registry.h"
#include "image/store.h"

#include <cstdint>
#include <functional>
#include <string>

namespace davit::image {

struct Pushed {
    std::string digest = {};  ///< "sha256:…" of the manifest.
    std::int64_t size = 0;    ///< Of it.
};

/// What became of one layer: 12 digits of its digest, and "Pushed", "Layer already exists",
/// "Mounted from …", or "Skipped foreign layer". Never called at the same time from two threads.
using OnPushEvent = std::function<void(const std::string& layer, const std::string& word)>;

/// Gives the image `name` (with its tag) to the registry that the name says, byte for byte as the
/// store has it: layers first, those that it has already or that come from elsewhere (`urls`) not,
/// the manifest last.
/// @errors NotFound where the store has no image of that name, or a layer without its blob;
/// PermissionDenied; System
Result<Pushed> push(const Store& store, const RegistrySettings& settings, const std::string& name,
                    const OnPushEvent& on_event);

}  // namespace davit::image
