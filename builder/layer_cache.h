#pragma once

#include "base/json.h"
#include "base/result.h"
#include "image/layer_pack.h"

#include <optional>
#include <string>
#include <vector>

namespace davit::builder {

/// What a step has made.
struct StepRecord {
    std::string diff_id = {};  ///< 64 hex digits; empty: it changed no file.
    std::string created = {};  ///< RFC 3339
};

/// The layers that steps have made, by what they were made of:
///
///     DATA ROOT/build/keys/<sha256>.json    a step's record
///     DATA ROOT/layers/<diff id>/           the layer, as the layers of images are kept
///
/// A record whose layer is gone counts for nothing.
class LayerCache {
public:
    explicit LayerCache(std::string data_root) : root_(std::move(data_root)) {}

    /// The key of a step: a hash over everything that decides what it makes.
    static std::string key_of(const Json& inputs);

    std::optional<StepRecord> find(const std::string& key) const;
    Result<void> remember(const std::string& key, const StepRecord& record) const;

    /// Makes a layer of `upper` and keeps it. `staging`: a folder for what is in the making.
    /// Returns its diff id.
    Result<std::string> add_layer(const std::string& upper, const std::string& staging,
                                  const image::PackOptions& options) const;

    /// Folders of layers, top first, each once. @errors NotFound where one was removed meanwhile
    Result<std::vector<std::string>> folders(const std::vector<std::string>& diff_ids) const;

    const std::string& data_root() const { return root_; }

private:
    std::string root_;
};

}  // namespace davit::builder
