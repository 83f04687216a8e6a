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
inline constexpr const char* kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr const char* kRefName = "org.opencontainers.image.ref.name";
inline constexpr const char* kImageName = "io.containerd.image.name";

/// Documents are read whole: none may be larger than this. @source distribution-spec, "4 MiB"
inline constexpr std::size_t kLargestDocument = 4U << 20U;

/// One line of index.json: a manifest under one name, or under none.
struct IndexEntry {
    std::string manifest_digest = {};  ///< "sha256:…"
    std::int64_t manifest_size = 0;
    std::string media_type = kOciManifest;  ///< Of the manifest; Docker's has another.
    std::string image_id = {};              ///< 64 hex digits; annotation io.davit.image.id.
    std::string name = {};                  ///< Canonical reference, or empty.
    /// "sha256:…" that the registry knows it by, which is that of the index where there is one;
    /// empty for what was made or loaded here.
    std::string repo_digest = {};
    std::int64_t pulled_at = 0;  ///< Seconds since 1970 when the registry was last asked; 0: never.
};

/// The name under which an image is in the index: canonical; a digest makes the tag meaningless.
std::string store_name(const Reference& reference);

/// Where an OCI layout has a blob: "blobs/sha256/<hex>". `digest`: with its algorithm, or as a key
/// (image/digests.h).
std::string blob_name(const std::string& digest);
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

/// A lock that every running build shares: while it is held, layers without an image may be those
/// of a build.
std::string build_lock_path(const std::string& data_root);

/// Whether a build runs on this data root.
bool build_runs(const std::string& data_root);

/// The layers that steps of builds have made (DATA ROOT/build/keys), for the next build: of no
/// image perhaps, and to be kept all the same.
Result<std::set<std::string>> layers_of_builds(const std::string& data_root);

/// A JSON document of the store, checked against its digest.
Result<Json> read_blob(const std::string& data_root, const std::string& digest);

/// Decodes an image configuration. @errors InvalidInput
Result<ImageConfig> parse_image_config(const Json& config);
Result<std::vector<std::string>> parse_diff_ids(const Json& config);

/// A layer as it stands in a registry or an archive.
struct Blob {
    std::string digest = {};  ///< As image/digests.h has them: 64 hex digits, or sha512:….
    std::int64_t size = 0;
    std::string media_type = {};

    bool operator==(const Blob&) const = default;
};

/// One layer that stands ready in a staging folder, or that the store has already.
struct StagedLayer {
    std::string diff_id = {};    ///< 64 hex digits.
    std::string folder = {};     ///< Empty: the store has the unpacked layer.
    Blob blob = {};              ///< Without a digest: unknown, and nothing to publish.
    std::string blob_file = {};  ///< Empty: the store has the blob.
};

/// The blob that the unpacked layer `diff_id` of the store came as; nothing where it isn't kept.
std::optional<Blob> blob_of_layer(const std::string& data_root, const std::string& diff_id);

/// An image whose layers are staged.
struct StagedImage {
    std::string config = {};  ///< The bytes as they came: their digest is the image's id.
    std::string manifest = {};
    std::vector<StagedLayer> layers = {};
    std::vector<std::string> names = {};  ///< Canonical; may be empty.
    std::string repo_digest = {};         ///< See IndexEntry.
};

/// Makes a staged image visible: syncs the file system once, moves the layers into place, writes
/// the documents and then the index. Names move from images that had them. Returns the image's id.
Result<std::string> publish(const std::string& data_root, const StagedImage& image);

/// Makes one layer visible that no image has yet: a step of a build, for the image at its end and
/// for the next build. It stays as long as a record of build/keys names it.
Result<void> publish_layer(const std::string& data_root, const StagedLayer& layer);

/// "amd64" or "arm64", as images name this machine's processor.
std::string_view own_architecture();

/// Now, or what SOURCE_DATE_EPOCH says, for images that are the same byte for byte; RFC 3339.
/// @source reproducible-builds.org, SOURCE_DATE_EPOCH
std::string creation_time();

/// A full disk is the data root's: adds that to the error, and what helps.
Error explain_full_disk(Error error, const std::string& data_root);

/// An OCI manifest for a configuration and its layers.
std::string make_manifest(const std::string& config, const std::vector<Blob>& layers);

/// The layers that a manifest names, in order. @errors InvalidInput
Result<std::vector<Blob>> manifest_layers(const Json& manifest);
/// The key of the configuration that a manifest names. @errors InvalidInput
Result<std::string> manifest_config(const Json& manifest);

/// The keys of all blobs that the store has.
Result<std::vector<std::string>> list_blobs(const std::string& data_root);

}  // namespace davit::image
