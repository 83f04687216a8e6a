#include "image/pull_manifest.h"

#include "base/digest.h"
#include "base/strings.h"
#include "image/digests.h"

#include <fmt/format.h>

namespace davit::image {
namespace {

constexpr int kDeepestIndex = 2;
constexpr std::size_t kMostLayers = 500;  // what overlayfs takes
constexpr std::int64_t kLargestLayer = std::int64_t{1} << 40U;

Error invalid(std::string message) { return Error(ErrorKind::InvalidInput, std::move(message)); }

std::string text_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

/// A manifest or an index must be one of both, and be what the server and it itself say it is.
Result<void> check_kind(const Json& json, const Registry::Document& document) {
    if (!json.is_object()) return invalid("the manifest is no JSON object");
    if (json.contains("manifests") && (json.contains("layers") || json.contains("config")))
        return invalid("the manifest has both layers and manifests");
    const std::string said = text_of(json, "mediaType");
    if (!said.empty() && said != document.media_type &&
        document.media_type.find("json") != std::string::npos &&
        document.media_type.starts_with("application/vnd."))
        return invalid(fmt::format("the manifest says that it is '{}', and {} that it is '{}'",
                                   printable(said), document.host, printable(document.media_type)));
    const auto version = json.find("schemaVersion");
    if (json.contains("fsLayers") || (version != json.end() && *version == 1))
        return Error(ErrorKind::Unsupported, "the image is of the old kind 'schema 1'")
            .help("push it again with a tool of this decade");
    return {};
}

Result<std::vector<RemoteLayer>> read_layers(const Json& manifest) {
    std::vector<RemoteLayer> layers;
    const auto list = manifest.find("layers");
    if (list == manifest.end() || !list->is_array() || list->empty())
        return invalid("the manifest names no layers");
    if (list->size() > kMostLayers)
        return invalid(fmt::format("the image has {} layers; {} are what overlayfs takes",
                                   list->size(), kMostLayers));
    for (const Json& descriptor : *list) {
        RemoteLayer layer;
        layer.blob.media_type = text_of(descriptor, "mediaType");
        layer.blob.digest = TRY(digest_key(text_of(descriptor, "digest")));
        const auto size = descriptor.find("size");
        if (size == descriptor.end() || !size->is_number_integer() || *size < 0 ||
            *size > kLargestLayer)
            return invalid(fmt::format("layer {} has no size", full_digest(layer.blob.digest)));
        layer.blob.size = size->get<std::int64_t>();
        if (layer.blob.media_type.find("tar") == std::string::npos)
            return Error(ErrorKind::Unsupported,
                         fmt::format("it has a layer of type '{}': it is no image of a container",
                                     printable(layer.blob.media_type)));
        if (const auto urls = descriptor.find("urls"); urls != descriptor.end() && urls->is_array())
            for (const Json& url : *urls)
                if (url.is_string() && (url.get<std::string>().starts_with("https://") ||
                                        url.get<std::string>().starts_with("http://")))
                    layer.urls.push_back(url.get<std::string>());
        layers.push_back(std::move(layer));
    }
    return layers;
}

/// Follows indexes down to the manifest for the platform.
Result<std::pair<Json, Registry::Document>> resolve(Registry& registry, const std::string& path,
                                                    Registry::Document document,
                                                    const Platform& platform) {
    for (int depth = 0;; ++depth) {
        Json json = TRY(parse_json(document.bytes, "the manifest"));
        TRY(check_kind(json, document));
        if (!json.contains("manifests")) return std::pair(std::move(json), std::move(document));
        if (depth == kDeepestIndex || !json["manifests"].is_array())
            return invalid("its indexes are nested too deep, or malformed");
        const Result<Json> chosen = TRY(decode_json(json, "the index", [&](const Json& index) {
            return choose_manifest(index, platform);
        }));
        if (!chosen) return chosen.error();
        const std::string digest = full_digest(TRY(digest_key(text_of(*chosen, "digest"))));
        document = TRY(registry.manifest(path, digest));
    }
}

}  // namespace

Result<RemoteImage> fetch_image(Registry& registry, const std::string& path,
                                const std::string& reference, const Platform& platform) {
    RemoteImage image;
    Registry::Document first = TRY(registry.manifest(path, reference));
    image.digest = first.digest;
    image.host = first.host;
    const auto [manifest, document] = TRY(resolve(registry, path, std::move(first), platform));
    image.manifest = document.bytes;
    image.layers = TRY(read_layers(manifest));
    const auto config = manifest.find("config");
    if (config == manifest.end() || !config->is_object())
        return invalid("the manifest names no configuration");
    Blob blob;
    blob.digest = TRY(digest_key(text_of(*config, "digest")));
    const auto size = config->find("size");
    blob.size = size != config->end() && size->is_number_integer() ? size->get<std::int64_t>() : -1;
    if (blob.size < 0) return invalid("the manifest gives its configuration no size");
    image.config = TRY(registry.document(path, blob));
    const Json json = TRY(parse_json(image.config, "the image's configuration"));
    if (!json.is_object() || !json.contains("rootfs"))
        return Error(ErrorKind::Unsupported,
                     "it has no root file system: it is no image of a "
                     "container");
    const std::vector<std::string> diff_ids = TRY(parse_diff_ids(json));
    (void)TRY(parse_image_config(json));
    if (diff_ids.size() != image.layers.size())
        return invalid(fmt::format("the image has {} layers, and its configuration names {}",
                                   image.layers.size(), diff_ids.size()));
    for (std::size_t i = 0; i < diff_ids.size(); ++i) image.layers[i].diff_id = diff_ids[i];
    return image;
}

}  // namespace davit::image
