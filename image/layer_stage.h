#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/byte_source.h"
#include "image/file_range.h"
#include "image/store_files.h"

#include <string>
#include <vector>

namespace davit::image {

/// One layer that is to be made ready in a staging folder: unpacked, and its blob with it.
struct LayerJob {
    FileRange file = {};       ///< Plain, gzip or zstd. Taken away where it becomes the blob.
    bool keep_file = false;    ///< It is somebody else's, or an archive's: copied instead.
    std::string folder = {};   ///< Where it is unpacked; empty: the store has the layer.
    std::string scratch = {};  ///< Beginning of the names of files that may be made.
    std::string diff_id = {};  ///< Expected; empty: to be found out.
    std::string digest = {};   ///< Expected of the file's bytes, hex; empty: not known.
    /// The manifest is ours to write: a plain tar is kept as gzip. Else the blob is the file.
    bool compress = false;

    StagedLayer staged = {};  ///< The result.
};

/// Carries out all jobs, on as many threads as there are cores: hashes, decompresses, unpacks,
/// compresses, and checks every digest. Returns the first failure, naming the layer.
Result<void> stage_layers(std::vector<LayerJob>& jobs);

/// Unpacks the layer whose bytes come from `source` into `folder`/diff and writes
/// `folder`/meta.json. Checks `diff_id` where it isn't empty. Reads `source` to its end.
struct UnpackedLayer {
    std::string diff_id = {};
    std::int64_t tar_size = 0;
    std::int64_t bytes = 0;
    std::int64_t entries = 0;
};
Result<UnpackedLayer> unpack_into(ByteSource& source, const std::string& folder,
                                  const std::string& diff_id);

/// `folder`/meta.json of a layer that was unpacked and whose blob is known.
Result<void> write_layer_notes(const std::string& folder, const UnpackedLayer& unpacked,
                               const Blob& blob);

/// The media type of a layer, by the first bytes of its file.
Result<std::string> layer_media_type(const FileRange& file);

/// Makes `folder`/diff, open to all as a root folder is, and opens it.
Result<UniqueFd> make_layer_root(const std::string& folder);

}  // namespace davit::image
