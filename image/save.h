#pragma once

#include "base/result.h"
#include "image/byte_sink.h"
#include "image/store.h"
#include "image/store_files.h"

#include <string>
#include <vector>

namespace davit::image {

enum class SaveFormat {
    Docker,  ///< As `docker save` 25 and later: an OCI layout with manifest.json, for any loader.
    Oci,     ///< Without it.
};

/// Writes images as one archive, each layer once and byte for byte as the store has it. The same
/// images give the same bytes. One that is named has that name in the archive, one given by id has
/// none. @errors NotFound, also for a layer whose blob is gone
Result<void> save(const Store& store, const std::vector<std::string>& images, SaveFormat format,
                  ByteSink& sink);

/// As `save`, of an image that is not in the store: its layers' blobs are.
Result<void> save_staged(const std::string& data_root, const StagedImage& image, SaveFormat format,
                         ByteSink& sink);

}  // namespace davit::image
