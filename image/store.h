#pragma once

#include "base/json.h"
#include "base/result.h"
#include "image/layer_pack.h"
#include "image/reference.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace davit::image {

/// What an image says about running it. @source OCI image-spec, config.md
/// An image's HEALTHCHECK, as its configuration has it; 0: not said.
struct ImageHealthCheck {
    std::vector<std::string> test = {};  ///< {"CMD", …}, {"CMD-SHELL", text} or {"NONE"}.
    std::int64_t interval_ns = 0;
    std::int64_t timeout_ns = 0;
    std::int64_t start_period_ns = 0;
    std::int64_t start_interval_ns = 0;
    int retries = 0;
};

struct ImageConfig {
    std::vector<std::string> entrypoint = {};
    std::vector<std::string> cmd = {};
    std::vector<std::string> env = {};  ///< "NAME=value"
    std::string working_dir = {};
    std::string user = {};
    std::string stop_signal = {};
    std::vector<std::string> exposed_ports = {};  ///< "80/tcp"
    std::vector<std::string> volumes = {};        ///< Absolute paths.
    std::vector<std::string> shell = {};          ///< Of CMD-SHELL; empty: /bin/sh -c.
    std::optional<ImageHealthCheck> health_check = {};
    std::map<std::string, std::string> labels = {};
    std::string architecture = {};
    std::string os = {};
};

/// One image of the store, whole: every layer is unpacked and verified.
struct Image {
    std::string id = {};               ///< 64 hex digits: SHA-256 of its configuration.
    std::string manifest_digest = {};  ///< "sha256:…"
    std::vector<Reference> names = {};
    /// "docker.io/library/nginx@sha256:…": what registries know it as, for the names it came by.
    std::vector<Reference> repo_digests = {};
    std::int64_t pulled_at = 0;              ///< Seconds since 1970; 0: it came from no registry.
    std::string created = {};                ///< RFC 3339, or empty.
    std::int64_t size_bytes = 0;             ///< Unpacked.
    std::vector<std::string> diff_ids = {};  ///< Bottom layer first.
    /// Folders of the unpacked layers, top layer first: the order of overlayfs' lowerdir.
    std::vector<std::string> layers = {};
    ImageConfig config = {};
};

/// What `remove` did, in the words of `docker rmi`.
struct Removed {
    std::vector<std::string> untagged = {};  ///< "nginx:latest"
    std::vector<std::string> deleted = {};   ///< "sha256:…"
};

/// The images of one data root: a valid OCI image layout (images/) and the unpacked layers
/// (layers/). Safe under concurrent commands and under kill -9 at any moment: what is visible is
/// complete, what is not visible is swept by the next change.
///
///     images/oci-layout, index.json, blobs/sha256/<hex>    manifests, configurations, layers
///     layers/<diffID hex>/diff                              one unpacked layer, overlayfs form
///     layers/<diffID hex>/meta.json                         size, entries, its blob
///     images/tmp/<random>/                                  everything in the making
///
/// A layer's blob is kept beside the unpacked layer as it came, or as gzip where it came plain:
/// what is written out again has the digests it came with, and a damaged layer is mended from it.
/// See docs/decisions.
class Store {
public:
    /// Opens the store of `data_root`, making it where it is missing.
    static Result<Store> open(const std::string& data_root);

    /// As `open`, but touches nothing; nothing where there is no store yet.
    static Result<std::optional<Store>> open_existing(const std::string& data_root);

    /// All images, newest first. One that is damaged is passed over with a warning.
    Result<std::vector<Image>> list() const;

    /// The image that `text` means: a name (default tag latest), an id or an unambiguous beginning
    /// of one (at least 4 digits, with or without "sha256:").
    /// @errors NotFound, with help that says how to get it; InvalidInput where it is ambiguous
    Result<Image> find(const std::string& text) const;

    /// Reads a docker-archive or an OCI archive, plain or compressed with gzip or zstd; "-" is
    /// standard input; a folder is taken as an OCI layout. Returns the images it brought, as
    /// "nginx:latest" or "sha256:…" where it has no name.
    /// @errors InvalidInput where it is neither, or a digest, size or path in it is wrong; then
    /// nothing has changed
    Result<std::vector<std::string>> load(const std::string& archive);

    struct ImportOptions {
        std::string reference = {};             ///< May be empty: an image without a name.
        std::vector<std::string> changes = {};  ///< Dockerfile instructions: "CMD [\"nginx\"]".
        std::string message = {};
    };
    /// Makes an image of one root file system tar, plain or compressed; "-" is standard input.
    /// Returns its id. @errors InvalidInput, naming the instruction or the archive's entry
    Result<std::string> import(const std::string& archive, const ImportOptions& options);

    /// One more image, made of another one.
    struct CommitRequest {
        std::string base = {};   ///< Name or id; empty: made of nothing.
        std::string upper = {};  ///< Folder that becomes the new layer; empty: only words change.
        PackOptions pack = {};   ///< How `upper` is read: owners, whiteouts.
        /// The "config" object of the image's configuration ("Env", "Cmd", …); nothing: the base's.
        std::optional<Json> config = {};
        std::vector<std::string> changes = {};  ///< Instructions applied to that: "ENV A=b".
        std::string created_by = {};            ///< For the history: "RUN make".
        std::string author = {};
        std::string comment = {};
        std::vector<std::string> names = {};  ///< May be empty: found again by its id.
        std::string architecture = {};        ///< Of an image made of nothing; empty: this host's.
    };
    /// Packs `upper` as a layer on top of those of `base`, and makes an image of it. `upper` is
    /// only read. The layer of an overlay without changes is empty, but there. Returns the image's
    /// id.
    /// @errors NotFound (base), InvalidInput naming the path or instruction
    Result<std::string> commit(const CommitRequest& request);

    /// Gives the image `source` one more name.
    Result<void> tag(const std::string& source, const std::string& target);

    /// Takes a name away, and with the last name the image and the layers that no other one needs
    /// and no step of a build has made.
    /// `ids_in_use`: images of containers, which are never deleted.
    /// @errors Busy where the image is in use; NotFound
    Result<Removed> remove(const std::string& text, const std::set<std::string>& ids_in_use,
                           bool force);
    /// What `remove` would do; of the layers only the image itself is named. @errors as `remove`
    Result<Removed> preview_remove(const std::string& text, const std::set<std::string>& ids_in_use,
                                   bool force) const;

    /// Removes those of the layers `diff_ids` that no image and no container needs, and their
    /// blobs. Returns the bytes that this gives back.
    Result<std::int64_t> remove_layers(const std::set<std::string>& diff_ids,
                                       const std::set<std::string>& ids_in_use);

    const std::string& data_root() const { return root_; }

private:
    explicit Store(std::string root) : root_(std::move(root)) {}
    std::string root_;
};

}  // namespace davit::image
