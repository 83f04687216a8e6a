#pragma once

#include "base/result.h"
#include "image/platform.h"
#include "image/registry.h"

#include <string>
#include <vector>

namespace davit::image {

struct RemoteLayer {
    Blob blob = {};
    std::string diff_id = {};
    std::vector<std::string> urls = {};  ///< Of a foreign layer: it is not in the registry.
};

/// An image as a registry describes it, checked as far as words go.
struct RemoteImage {
    std::string digest = {};    ///< "sha256:…" that the reference stands for.
    std::string manifest = {};  ///< Bytes, as they came.
    std::string config = {};
    std::vector<RemoteLayer> layers = {};
    std::string host = {};
};

/// Gets manifest and configuration; of an index the one for `platform`.
/// @errors Unsupported for what is no image or of an old kind; InvalidInput
Result<RemoteImage> fetch_image(Registry& registry, const std::string& path,
                                const std::string& reference, const Platform& platform);

}  // namespace davit::image
