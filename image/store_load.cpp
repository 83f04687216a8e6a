#include "base/digest.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/archive.h"
#include "image/digests.h"
#include "image/layer_stage.h"
#include "image/staging.h"
#include "image/store.h"
#include "image/store_files.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

// `load`: the archive's documents say which images it has (ArchiveImage); their layers are staged
// in parallel, then each image is published.

namespace davit::image {
namespace {

constexpr std::size_t kMostLayers = 500;  // what overlayfs takes
constexpr int kDeepestIndex = 2;

struct ArchiveLayer {
    std::string file = {};    ///< Name in the archive.
    std::string digest = {};  ///< Of the file's bytes, hex; empty where the archive doesn't say.
    std::int64_t size = -1;   ///< -1: not said.
};

struct ArchiveImage {
    std::string config = {};
    std::string manifest = {};  ///< Empty: to be made.
    std::vector<ArchiveLayer> layers = {};
    std::vector<std::string> names = {};  ///< Canonical.
};

Error invalid(std::string message) { return Error(ErrorKind::InvalidInput, std::move(message)); }

Result<std::string> read_checked(const Archive& archive, const Json& descriptor) {
    const std::string key = TRY(digest_key(string_or(descriptor, "digest")));
    std::string text = TRY(archive.read(blob_name(key)));
    const long long size = integer_or(descriptor, "size", -1);
    if (size >= 0 && static_cast<std::size_t>(size) != text.size())
        return invalid(fmt::format("blob {} has {} bytes, and its descriptor says {}",
                                   full_digest(key), text.size(), size));
    if (key_like(key, text) != key)
        return invalid(fmt::format("blob {} does not have that digest", full_digest(key)));
    return text;
}

/// The manifest for this machine among those of an index.
bool fits(const Json& descriptor) {
    const auto platform = descriptor.find("platform");
    if (platform == descriptor.end() || !platform->is_object()) return true;
    const std::string architecture = string_or(*platform, "architecture");
    return string_or(*platform, "os", "linux") == "linux" &&
           (architecture.empty() || architecture == own_architecture());
}

std::vector<std::string> names_of(const Json& descriptor) {
    std::vector<std::string> names;
    const auto annotations = descriptor.find("annotations");
    if (annotations == descriptor.end() || !annotations->is_object()) return names;
    // containerd writes the full name beside the tag; skopeo writes either as the one or the other.
    for (const char* key : {kImageName, kRefName}) {
        const std::string name = string_or(*annotations, key);
        const bool tag_alone = key == kRefName && name.find_first_of(":/") == std::string::npos;
        const Result<Reference> reference = parse_reference(name);
        if (name.empty() || tag_alone || !reference) continue;
        names.push_back(canonical(*reference));
        break;
    }
    return names;
}

Result<ArchiveImage> read_oci_image(const Archive& archive, const std::string& manifest_text,
                                    std::vector<std::string> names) {
    const Json manifest = TRY(parse_json(manifest_text, "the image's manifest"));
    if (manifest.contains("manifests")) return invalid("a manifest has both layers and manifests");
    ArchiveImage image;
    image.manifest = manifest_text;
    image.names = std::move(names);
    const auto config = manifest.find("config");
    const auto layers = manifest.find("layers");
    if (config == manifest.end() || layers == manifest.end() || !layers->is_array())
        return invalid("the manifest has no configuration or no layers");
    image.config = TRY(read_checked(archive, *config));
    for (const Json& descriptor : *layers) {
        ArchiveLayer layer;
        layer.digest = TRY(digest_key(string_or(descriptor, "digest")));
        layer.file = blob_name(layer.digest);
        layer.size = integer_or(descriptor, "size", -1);
        image.layers.push_back(std::move(layer));
    }
    return image;
}

Result<void> read_oci_index(const Archive& archive, const Json& index, int depth,
                            const std::vector<std::string>& outer_names,
                            std::vector<ArchiveImage>& images) {
    if (depth > kDeepestIndex) return invalid("its indexes are nested too deep");
    const auto manifests = index.find("manifests");
    if (manifests == index.end() || !manifests->is_array() || index.contains("layers"))
        return invalid("its index has no list of manifests");
    for (const Json& descriptor : *manifests) {
        if (!fits(descriptor)) continue;
        std::vector<std::string> names = names_of(descriptor);
        if (names.empty()) names = outer_names;
        std::string text = TRY(read_checked(archive, descriptor));
        const Json document = TRY(parse_json(text, "a manifest"));
        if (document.contains("manifests")) {
            TRY(read_oci_index(archive, document, depth + 1, names, images));
            continue;
        }
        ArchiveImage image = TRY(read_oci_image(archive, text, std::move(names)));
        images.push_back(std::move(image));
    }
    return {};
}

Result<ArchiveImage> read_docker_image(const Archive& archive, const Json& entry) {
    ArchiveImage image;
    const std::string config_name = string_or(entry, "Config");
    image.config = TRY(archive.read(config_name));
    // The name usually is the digest: then it must be the right one.
    std::string stem = config_name.substr(config_name.rfind('/') + 1);
    if (stem.ends_with(".json")) stem.resize(stem.size() - 5);
    if (hex_of(stem).ok() && sha256_hex(image.config) != stem)
        return invalid(fmt::format("'{}' does not have that digest", printable(config_name)));
    if (const auto tags = entry.find("RepoTags"); tags != entry.end() && tags->is_array()) {
        for (const Json& tag : *tags) {
            const Reference reference =
                TRY(parse_reference(tag.is_string() ? tag.get<std::string>() : std::string()));
            image.names.push_back(canonical(reference));
        }
    }
    const auto layers = entry.find("Layers");
    if (layers == entry.end() || !layers->is_array()) return invalid("manifest.json has no layers");
    for (const Json& layer : *layers) {
        if (!layer.is_string()) return invalid("manifest.json has a layer without a name");
        image.layers.push_back({layer.get<std::string>(), {}, -1});
    }
    return image;
}

Result<std::vector<ArchiveImage>> read_archive(const Archive& archive) {
    std::vector<ArchiveImage> images;
    if (archive.has("manifest.json")) {
        const std::string text = TRY(archive.read("manifest.json"));
        const Json list = TRY(parse_json(text, "manifest.json"));
        if (!list.is_array()) return invalid("manifest.json is not a list of images");
        for (const Json& entry : list) {
            ArchiveImage image = TRY(read_docker_image(archive, entry));
            images.push_back(std::move(image));
        }
        return images;
    }
    if (!archive.has("index.json"))
        return invalid("it has neither manifest.json nor index.json: it is no image archive")
            .help("a root file system is imported instead: davit import FILE NAME");
    const std::string text = TRY(archive.read("index.json"));
    const Json index = TRY(parse_json(text, "index.json"));
    TRY(read_oci_index(archive, index, 0, {}, images));
    if (images.empty())
        return Error(ErrorKind::NotFound,
                     fmt::format("it has no image for linux/{}", own_architecture()));
    return images;
}

/// The layer as it will be published: in the store already, made ready by an earlier image of the
/// archive, or a new job.
Result<void> plan_layer(const std::string& data_root, const Archive& archive,
                        const ArchiveLayer& layer, const std::string& diff_id, bool compress,
                        const std::string& staging, std::vector<LayerJob>& jobs) {
    const bool planned = std::any_of(jobs.begin(), jobs.end(), [&](const LayerJob& job) {
        return job.diff_id == diff_id && job.digest == layer.digest;
    });
    if (planned) return {};
    LayerJob job;
    job.file = TRY(archive.find(layer.file));
    job.keep_file = !archive.is_spooled(job.file);
    job.diff_id = diff_id;
    job.digest = layer.digest;
    job.compress = compress;
    job.scratch = fmt::format("{}/blob-{}", staging, jobs.size());
    if (layer.size >= 0 && layer.size != job.file.size)
        return invalid(fmt::format("layer {} has {} bytes, and its descriptor says {}",
                                   full_digest(layer.digest), job.file.size, layer.size));
    job.staged.diff_id = diff_id;
    if (exists(layer_path(data_root, diff_id) + "/meta.json")) {
        if (compress) {
            if (const auto blob = blob_of_layer(data_root, diff_id)) {
                job.staged.blob = *blob;
                job.file = {};
            }
        } else if (exists(blob_path(data_root, layer.digest))) {
            const std::string type = TRY(layer_media_type(job.file));
            job.staged.blob = {layer.digest, layer.size, type};
            job.file = {};
        }
    } else {
        job.folder = fmt::format("{}/layer-{}", staging, jobs.size());
    }
    jobs.push_back(std::move(job));
    return {};
}

Result<std::vector<std::string>> checked_diff_ids(const ArchiveImage& image) {
    const Json config = TRY(parse_json(image.config, "the image's configuration"));
    std::vector<std::string> diff_ids = TRY(parse_diff_ids(config));
    if (diff_ids.size() != image.layers.size() || diff_ids.empty() || diff_ids.size() > kMostLayers)
        return invalid(fmt::format("the image has {} layers, and its configuration names {}",
                                   image.layers.size(), diff_ids.size()));
    (void)TRY(parse_image_config(config));
    return diff_ids;
}

Result<StagedImage> assemble(const ArchiveImage& image, const std::vector<LayerJob>& jobs) {
    StagedImage staged;
    staged.config = image.config;
    staged.names = image.names;
    const std::vector<std::string> diff_ids = TRY(checked_diff_ids(image));
    std::vector<Blob> blobs;
    for (std::size_t i = 0; i < diff_ids.size(); ++i) {
        const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const LayerJob& one) {
            return one.diff_id == diff_ids[i] && one.digest == image.layers[i].digest;
        });
        staged.layers.push_back(job->staged);
        blobs.push_back(job->staged.blob);
    }
    staged.manifest = image.manifest.empty() ? make_manifest(image.config, blobs) : image.manifest;
    return staged;
}

/// Makes the layers of all images ready.
Result<std::vector<StagedImage>> stage(const std::string& data_root, const Archive& archive,
                                       const std::vector<ArchiveImage>& images,
                                       const std::string& staging) {
    std::vector<LayerJob> jobs;
    for (const ArchiveImage& image : images) {
        const std::vector<std::string> diff_ids = TRY(checked_diff_ids(image));
        for (std::size_t i = 0; i < diff_ids.size(); ++i)
            TRY(plan_layer(data_root, archive, image.layers[i], diff_ids[i], image.manifest.empty(),
                           staging, jobs));
    }
    std::vector<LayerJob> open;
    std::vector<LayerJob> all;
    for (LayerJob& job : jobs) (job.file.empty() ? all : open).push_back(std::move(job));
    TRY(stage_layers(open));
    for (LayerJob& job : open) all.push_back(std::move(job));
    std::vector<StagedImage> staged;
    for (const ArchiveImage& image : images) {
        StagedImage one = TRY(assemble(image, all));
        staged.push_back(std::move(one));
    }
    return staged;
}

Result<Archive> open_archive(const std::string& path, const std::string& staging) {
    struct stat info {};
    if (path != "-" && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
        return Archive::folder(path);
    UniqueFd fd;
    if (path == "-")
        fd.reset(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    else
        fd = TRY(sys::open(path, O_RDONLY));
    return Archive::open(std::move(fd), staging);
}

}  // namespace

Result<std::vector<std::string>> Store::load(const std::string& archive_path) {
    const std::string shown = archive_path == "-" ? "standard input" : archive_path;
    const auto load_all = [&]() -> Result<std::vector<std::string>> {
        const Staging staging = TRY(Staging::open(root_));
        const Archive archive = TRY(open_archive(archive_path, staging.path()));
        const std::vector<ArchiveImage> images = TRY(read_archive(archive));
        const std::vector<StagedImage> staged = TRY(stage(root_, archive, images, staging.path()));
        std::vector<std::string> loaded;
        for (const StagedImage& image : staged) {
            const std::string id = TRY(publish(root_, image));
            for (const std::string& name : image.names) {
                const Reference reference = TRY(parse_reference(name));
                loaded.push_back(familiar_repository(reference) + ":" + reference.tag);
            }
            if (image.names.empty()) loaded.push_back("sha256:" + id);
        }
        return loaded;
    };
    Result<std::vector<std::string>> loaded = load_all();
    if (!loaded)
        return explain_full_disk(std::move(loaded).error().doing("load '{}'", shown), root_);
    return loaded;
}

}  // namespace davit::image
