#pragma once

#include "base/json.h"
#include "base/result.h"
#include "builder/layer_cache.h"
#include "image/store_files.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// Steps of builds on their way from one host to another: `--cache-to` and `--cache-from`.
///
/// A cache is an image like any other, whose configuration names its layers by the keys of the
/// steps that made them ("io.davit.build.steps"). Keys hold nothing of the host that they were made
/// on, so that they are the same where the files, the base image and the instructions are.
namespace davit::builder {

/// Where a cache is, or goes. @source docker build --cache-from, --cache-to
struct CachePlace {
    enum class Kind : std::uint8_t {
        Local,     ///< An OCI layout in a folder.
        Registry,  ///< An image of its own.
        Inline,    ///< The image that is built.
        Ignored,   ///< gha, s3, azblob: caches of services that a host alone doesn't have.
    };
    Kind kind = Kind::Registry;
    std::string place = {};  ///< Absolute folder, or the image's name.
    bool all = false;        ///< mode=max: also steps of stages that the image only copies from.

    bool operator==(const CachePlace&) const = default;
};

/// Reads "type=local,src=FOLDER", "type=registry,ref=IMAGE", or IMAGE alone. Paths are relative to
/// `working_dir`. @errors InvalidInput, with the nearest word
Result<CachePlace> parse_cache_from(const std::string& text, const std::string& working_dir);
/// Reads "type=local,dest=FOLDER[,mode=max]", "type=registry,ref=IMAGE", "type=inline".
Result<CachePlace> parse_cache_to(const std::string& text, const std::string& working_dir);

/// Steps by key.
using StepRecords = std::map<std::string, StepRecord>;

/// `steps` as an image's configuration has them.
Json steps_as_json(const StepRecords& steps);
/// The configuration key of these.
inline constexpr const char* kStepsKey = "io.davit.build.steps";

/// An image that holds all layers of `steps`, for a folder or a registry.
/// @errors NotFound where a layer was removed meanwhile
Result<image::StagedImage> cache_image(const LayerCache& cache, const StepRecords& steps);

/// Writes `image` as an OCI layout into `folder`: what of it is there already is kept, and what an
/// earlier cache had and this one has not stays until the folder is removed.
Result<void> write_cache_folder(const LayerCache& cache, const image::StagedImage& image,
                                const std::string& folder);

/// The steps of all `--cache-from` of a build.
class ImportedSteps {
public:
    /// Those of an image of the store. One that holds none adds none.
    void add_image(const Json& config);
    /// Those of a folder that `write_cache_folder` wrote. @errors NotFound, InvalidInput
    Result<void> add_folder(const std::string& folder);

    bool empty() const { return steps_.empty(); }

    /// Brings the step `key` into `cache`, with its layer, whose digest is checked. `staging`: a
    /// new folder. Nothing where it is not known.
    Result<std::optional<StepRecord>> bring(const std::string& key, const LayerCache& cache,
                                            const std::string& staging) const;

private:
    struct Step {
        StepRecord record = {};
        std::string blob_file = {};  ///< Empty: the store has the layer.
        std::string digest = {};     ///< Of the blob, hex.
    };
    std::map<std::string, Step> steps_;
};

}  // namespace davit::builder
