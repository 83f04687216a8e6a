#include "base/digest.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/sys.h"
#include "image/store_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
namespace {

Result<void> publish_layers(const std::string& data_root, const std::vector<StagedLayer>& layers) {
    const auto stands = [&](const StagedLayer& layer) {
        return exists(layer_path(data_root, layer.diff_id) + "/meta.json");
    };
    // Found in the store when the load began, and removed since with the last image that had it.
    for (const StagedLayer& layer : layers) {
        const bool blob_stands = layer.blob.digest.empty() || !layer.blob_file.empty() ||
                                 exists(blob_path(data_root, layer.blob.digest));
        if ((layer.folder.empty() && !stands(layer)) || !blob_stands)
            return Error(ErrorKind::Busy,
                         fmt::format("layer sha256:{} was removed meanwhile", layer.diff_id))
                .help("load the image again");
    }
    for (const StagedLayer& layer : layers) {
        if (layer.blob_file.empty()) continue;
        const std::string place = blob_path(data_root, layer.blob.digest);
        TRY(make_directories(place.substr(0, place.rfind('/')), 0700));
        // Several images of one archive share it: the first took the file away.
        if (exists(place) && !exists(layer.blob_file)) continue;
        FAILPOINT("image.blob");
        if (::rename(layer.blob_file.c_str(), place.c_str()) == -1)
            return sys::failed("rename(2)").doing("move a blob to '{}'", place);
    }
    for (const StagedLayer& layer : layers) {
        // Another davit or another image of this archive was first, or the image has it twice: all
        // are the same, since the name is the digest.
        if (stands(layer)) continue;
        const std::string place = layer_path(data_root, layer.diff_id);
        FAILPOINT("image.layer");
        if (::rename(layer.folder.c_str(), place.c_str()) == -1)
            return sys::failed("rename(2)").doing("move a layer to '{}'", place);
    }
    for (const char* name : {"/layers", "/images/blobs/sha256", "/images/blobs/sha512"}) {
        if (!exists(data_root + name)) continue;  // the last is rare
        const UniqueFd folder = TRY(sys::open(data_root + name, O_RDONLY | O_DIRECTORY));
        if (::fsync(folder.get()) == -1) return sys::failed("fsync(2)");
    }
    return {};
}

Result<void> write_document(const std::string& data_root, const std::string& key,
                            const std::string& text) {
    const std::string path = blob_path(data_root, key);
    const Result<std::string> known = read_file(path, kLargestDocument);
    if (known && *known == text) return {};
    TRY(make_directories(path.substr(0, path.rfind('/')), 0700));
    return write_atomically(path, text, 0644, Sync::Yes);
}

}  // namespace

Error explain_full_disk(Error error, const std::string& data_root) {
    if (error.error_number() != ENOSPC && error.error_number() != EDQUOT) return error;
    return std::move(error).help(fmt::format(
        "free space on the file system of '{}', or choose another one: --data-root", data_root));
}

Result<void> publish_layer(const std::string& data_root, const StagedLayer& layer) {
    const UniqueFd root = TRY(sys::open(data_root, O_RDONLY | O_DIRECTORY));
    if (::syncfs(root.get()) == -1)
        return sys::failed("syncfs(2)").doing("write out '{}'", data_root);
    const FileLock lock = TRY(lock_store(data_root));
    return publish_layers(data_root, {layer});
}

Result<std::string> publish(const std::string& data_root, const StagedImage& image) {
    const UniqueFd root = TRY(sys::open(data_root, O_RDONLY | O_DIRECTORY));
    // One sync for everything: after a power cut a visible layer is whole. A sync a file would take
    // a hundred times as long.
    if (::syncfs(root.get()) == -1)
        return sys::failed("syncfs(2)").doing("write out '{}'", data_root);

    const FileLock lock = TRY(lock_store(data_root));
    TRY(publish_layers(data_root, image.layers));
    FAILPOINT("image.documents");
    const Json manifest = TRY(parse_json(image.manifest, "the image's manifest"));
    // Where the manifest knows it by another digest than we do it stands under both.
    const std::string config = TRY(manifest_config(manifest));
    if (config != sha256_hex(image.config)) TRY(write_document(data_root, config, image.config));
    TRY(write_document(data_root, sha256_hex(image.config), image.config));
    TRY(write_document(data_root, sha256_hex(image.manifest), image.manifest));
    std::vector<IndexEntry> entries = TRY(read_index(data_root));
    IndexEntry entry;
    entry.manifest_digest = "sha256:" + sha256_hex(image.manifest);
    entry.manifest_size = static_cast<std::int64_t>(image.manifest.size());
    entry.image_id = sha256_hex(image.config);
    entry.repo_digest = image.repo_digest;
    if (!image.repo_digest.empty()) entry.pulled_at = std::time(nullptr);
    entry.media_type = string_or(manifest, "mediaType", kOciManifest);
    const auto of_this_image = [&](const IndexEntry& known) {
        return known.image_id == entry.image_id;
    };
    const bool known = std::any_of(entries.begin(), entries.end(), of_this_image);
    for (const std::string& name : image.names) {
        const auto holder = std::find_if(entries.begin(), entries.end(),
                                         [&](const IndexEntry& one) { return one.name == name; });
        if (holder != entries.end()) {
            // The image that had the name stays, under its other names or without one.
            const bool others =
                std::count_if(entries.begin(), entries.end(), [&](const IndexEntry& one) {
                    return one.image_id == holder->image_id;
                }) > 1;
            if (holder->image_id == entry.image_id || others)
                entries.erase(holder);
            else
                holder->name.clear();
        }
        entry.name = name;
        // Its nameless line, if any, is replaced by the first name.
        std::erase_if(entries, [&](const IndexEntry& one) {
            return one.image_id == entry.image_id && one.name.empty();
        });
        entries.push_back(entry);
    }
    if (image.names.empty() && !known) entries.push_back(entry);
    FAILPOINT("image.index");
    TRY(write_index(data_root, entries));
    return entry.image_id;
}

}  // namespace davit::image
