#include "base/digest.h"
#include "base/duration.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/changes.h"
#include "image/layer_unpack.h"
#include "image/staging.h"
#include "image/store.h"
#include "image/store_files.h"

#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::image {
namespace {

/// Now, or what SOURCE_DATE_EPOCH says, for images that are the same byte for byte.
/// @source reproducible-builds.org, SOURCE_DATE_EPOCH
std::string creation_time() {
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");  // NOLINT(concurrency-mt-unsafe)
    const auto seconds = epoch == nullptr ? std::nullopt : parse_integer(epoch);
    if (!seconds) return rfc3339(std::chrono::system_clock::now());
    return rfc3339(std::chrono::system_clock::time_point(std::chrono::seconds(*seconds)));
}

std::string_view architecture() {
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#else
    return "unknown";
#endif
}

struct ImportedLayer {
    std::string diff_id;
    std::int64_t tar_size = 0;
};

Result<ImportedLayer> import_layer(const std::string& archive, const std::string& folder) {
    UniqueFd fd;
    if (archive == "-")
        fd.reset(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    else
        fd = TRY(sys::open(archive, O_RDONLY));
    const UniqueFd root = TRY(make_layer_root(folder));
    const std::unique_ptr<ByteSource> raw = read_descriptor(std::move(fd));
    const std::unique_ptr<ByteSource> plain = TRY(decompress(*raw));
    HashingSource tar(*plain);
    const Unpacked unpacked = TRY(unpack_layer(tar, root, {}));
    if (unpacked.entries == 0)
        return Error(ErrorKind::InvalidInput, "it is empty, or no tar archive");
    TRY(tar.drain());
    ImportedLayer layer;
    layer.tar_size = tar.size();
    layer.diff_id = std::move(tar).hex();
    TRY(write_json(folder + "/meta.json",
                   {{"version", 1},
                    {"size", unpacked.bytes},
                    {"entries", unpacked.entries},
                    {"tar_size", layer.tar_size},
                    {"blob", "sha256:" + layer.diff_id}},
                   Sync::No));
    return layer;
}

}  // namespace

Result<std::string> Store::import(const std::string& archive, const ImportOptions& options) {
    // Everything that can be wrong in the words comes before the work.
    Json container = TRY(apply_changes(Json::object(), options.changes));
    StagedImage image;
    if (!options.reference.empty()) {
        const Reference name = TRY(parse_reference(options.reference));
        if (!name.digest.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("'{}' has a digest: a new name can't", options.reference));
        image.names.push_back(canonical(name));
    }
    const std::string shown = archive == "-" ? "standard input" : archive;
    const Staging staging = TRY(Staging::open(root_));
    const std::string folder = staging.path() + "/layer";
    Result<ImportedLayer> imported = import_layer(archive, folder);
    if (!imported)
        return explain_full_disk(std::move(imported).error().doing("import '{}'", shown), root_);
    const ImportedLayer layer = *std::move(imported);
    const std::string created = creation_time();
    const std::string comment =
        options.message.empty() ? fmt::format("Imported from {}", archive) : options.message;
    const Json config = {
        {"created", created},
        {"architecture", architecture()},
        {"os", "linux"},
        {"config", std::move(container)},
        {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({"sha256:" + layer.diff_id})}}},
        {"history", Json::array({Json{{"created", created}, {"comment", comment}}})}};
    image.config = config.dump(-1, ' ', false, Json::error_handler_t::replace);
    image.manifest = make_manifest(image.config, {layer.diff_id}, {layer.tar_size});
    image.layers.push_back({layer.diff_id, folder});
    Result<std::string> id = publish(root_, image);
    if (!id) return explain_full_disk(std::move(id).error(), root_);
    return id;
}

}  // namespace davit::image
