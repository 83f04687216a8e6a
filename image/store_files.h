#pragma once

#include "base/json.h"
#include "base/result.h"
#include "image/store.h"

#include <string>
#include <vector>

/// The files of a store, shared by the operations on it. See Store for the layout.
namespace davit::image {

inline constexpr const char* kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";
inline constexpr const char* kImageName = "io.containerd.image.name";

/// Documents are read whole: none may be larger than this. @source distribution-spec, "4 MiB"
inline constexpr std::size_t kLargestDocument = 4U << 20U;

/// One line of index.json: a manifest under one name, or under none.
struct IndexEntry {
    std::string manifest_digest = {};  ///< "sha256:…"
    std::int64_t manifest_size = 0;
    std::string image_id = {};  ///< 64 hex digits; annotation io.davit.image.id.
    std::string name = {};      ///< Canonical reference, or empty.
};

std::string blob_path(const std::string& data_root, const std::string& digest);
std::string layer_path(const std::string& data_root, const std::string& diff_id);

/// 64 lower-case hexadecimal digits, without a "sha256:" in front. @errors InvalidInput
Result<std::string> hex_of(const std::string& digest);

/// The images of the index. Lines that another tool put there have no unpacked layers: they are
/// passed over.
Result<std::vector<IndexEntry>> read_index(const std::string& data_root);
Result<void> write_index(const std::string& data_root, const std::vector<IndexEntry>& entries);

/// Waits for the lock under which index.json, blobs and layers are changed.
Result<FileLock> lock_store(const std::string& data_root);

/// A JSON document of the store, checked against its digest.
Result<Json> read_blob(const std::string& data_root, const std::string& digest);

/// Decodes an image configuration. @errors InvalidInput
Result<ImageConfig> parse_image_config(const Json& config);
Result<std::vector<std::string>> parse_diff_ids(const Json& config);

/// One layer that stands ready in a staging folder, or that the store has already.
struct StagedLayer {
    std::string diff_id = {};  ///< 64 hex digits.
    std::string folder = {};   ///< Empty: nothing to publish.
};

/// An image whose layers are staged.
struct StagedImage {
    std::string config = {};  ///< The bytes as they came: their digest is the image's id.
    std::string manifest = {};
    std::vector<StagedLayer> layers = {};
    std::vector<std::string> names = {};  ///< Canonical; may be empty.
};

/// Makes a staged image visible: syncs the file system once, moves the layers into place, writes
/// the documents and then the index. Names move from images that had them. Returns the image's id.
Result<std::string> publish(const std::string& data_root, const StagedImage& image);

/// Unpacks the layer in the file `path` (plain or compressed) into `folder`, and checks it against
/// `diff_id` and, where it isn't empty, against `blob_digest` (of the file's bytes).
Result<void> stage_layer(const std::string& path, const std::string& folder,
                         const std::string& diff_id, const std::string& blob_digest);

/// Makes `folder`/diff, open to all as a root folder is, and opens it.
Result<UniqueFd> make_layer_root(const std::string& folder);

/// A full disk is the data root's: adds that to the error, and what helps.
Error explain_full_disk(Error error, const std::string& data_root);

/// An OCI manifest for a configuration and its layers, which are named by their diffIDs.
std::string make_manifest(const std::string& config, const std::vector<std::string>& diff_ids,
                          const std::vector<std::int64_t>& sizes);

}  // namespace davit::image
