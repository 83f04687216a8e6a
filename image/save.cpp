#include "image/save.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/sys.h"
#include "image/digests.h"
#include "image/store_files.h"
#include "image/tar_writer.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>

namespace davit::image {
namespace {

/// One image of the archive, under all the names that were asked for.
struct Chosen {
    IndexEntry entry = {};
    std::string config = {};  ///< As its manifest knows it, which may be by another digest.
    std::vector<Reference> names = {};
    std::vector<Blob> layers = {};
};

std::string tagged(const Reference& name) { return familiar_repository(name) + ":" + name.tag; }

Result<std::vector<Chosen>> choose(const Store& store, const std::vector<std::string>& images) {
    std::vector<Chosen> chosen;
    const std::vector<IndexEntry> entries = TRY(read_index(store.data_root()));
    for (const std::string& text : images) {
        const Image image = TRY(store.find(text));
        auto known = std::find_if(chosen.begin(), chosen.end(), [&](const Chosen& one) {
            return one.entry.image_id == image.id;
        });
        if (known == chosen.end()) {
            Chosen one;
            one.entry = *std::find_if(entries.begin(), entries.end(), [&](const IndexEntry& entry) {
                return entry.image_id == image.id;
            });
            const Json manifest = TRY(read_blob(store.data_root(), one.entry.manifest_digest));
            one.layers = TRY(manifest_layers(manifest));
            one.config = TRY(manifest_config(manifest));
            known = chosen.insert(chosen.end(), std::move(one));
        }
        const Result<Reference> name = parse_reference(text);
        for (const Reference& own : image.names)
            if (name && own == *name && !own.tag.empty()) known->names.push_back(own);
    }
    return chosen;
}

class Archive {
public:
    Archive(const std::string& data_root, ByteSink& sink) : root_(data_root), tar_(sink) {}

    Result<void> document(const std::string& name, const std::string& text) {
        TRY(begin(name, static_cast<std::int64_t>(text.size())));
        return tar_.write(text);
    }

    Result<void> blob(const std::string& key) {
        if (!written_.insert(key).second) return {};
        const Result<UniqueFd> file = sys::open(blob_path(root_, key), O_RDONLY | O_NOFOLLOW);
        if (!file && file.error().kind() == ErrorKind::NotFound)
            return Error(ErrorKind::NotFound,
                         fmt::format("blob {} is not in the store as it came", full_digest(key)))
                .help("load or pull the image again");
        if (!file) return file.error();
        struct stat info {};
        if (::fstat(file->get(), &info) == -1) info.st_size = 0;
        TRY(begin(blob_name(key), info.st_size));
        std::vector<char> buffer(256U << 10U);
        const std::unique_ptr<ByteSource> source =
            read_descriptor(UniqueFd(::fcntl(file->get(), F_DUPFD_CLOEXEC, 3)));
        for (std::int64_t left = info.st_size; left > 0;) {
            const std::size_t got = TRY(
                source->read(buffer.data(), static_cast<std::size_t>(std::min<std::int64_t>(
                                                left, static_cast<std::int64_t>(buffer.size())))));
            if (got == 0)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("blob {} became shorter", full_digest(key)));
            TRY(tar_.write({buffer.data(), got}));
            left -= static_cast<std::int64_t>(got);
        }
        return {};
    }

    Result<void> finish() { return tar_.finish(); }

private:
    Result<void> begin(const std::string& name, std::int64_t size) {
        TarEntry entry;
        entry.path = name;
        entry.mode = 0644;
        entry.size = size;
        return tar_.begin(entry);
    }

    const std::string& root_;
    TarWriter tar_;
    std::set<std::string> written_;
};

Json index_of(const std::vector<Chosen>& images) {
    Json manifests = Json::array();
    for (const Chosen& image : images) {
        Json descriptor = {{"mediaType", image.entry.media_type},
                           {"digest", image.entry.manifest_digest},
                           {"size", image.entry.manifest_size}};
        for (const Reference& name : image.names) {
            Json named = descriptor;
            named["annotations"] = {{kImageName, canonical(name)}, {kRefName, name.tag}};
            manifests.push_back(std::move(named));
        }
        if (image.names.empty()) manifests.push_back(std::move(descriptor));
    }
    return {{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", std::move(manifests)}};
}

Json docker_list(const std::vector<Chosen>& images) {
    Json list = Json::array();
    for (const Chosen& image : images) {
        Json tags = image.names.empty() ? Json(nullptr) : Json::array();
        for (const Reference& name : image.names) tags.push_back(tagged(name));
        Json layers = Json::array();
        for (const Blob& layer : image.layers) layers.push_back(blob_name(layer.digest));
        list.push_back({{"Config", "blobs/sha256/" + image.entry.image_id},
                        {"RepoTags", std::move(tags)},
                        {"Layers", std::move(layers)}});
    }
    return list;
}

Result<void> finish(Archive& archive, const std::vector<Chosen>& images, SaveFormat format) {
    TRY(archive.document("index.json", index_of(images).dump()));
    if (format == SaveFormat::Docker)
        TRY(archive.document("manifest.json", docker_list(images).dump()));
    return archive.finish();
}

}  // namespace

Result<void> save(const Store& store, const std::vector<std::string>& images, SaveFormat format,
                  ByteSink& sink) {
    const std::vector<Chosen> chosen = TRY(choose(store, images));
    Archive archive(store.data_root(), sink);
    TRY(archive.document("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    for (const Chosen& image : chosen) {
        const std::string manifest = TRY(hex_of(image.entry.manifest_digest));
        TRY(archive.blob(manifest));
        TRY(archive.blob(image.entry.image_id));
        TRY(archive.blob(image.config));
        for (const Blob& layer : image.layers) TRY(archive.blob(layer.digest));
    }
    return finish(archive, chosen, format);
}

Result<void> save_staged(const std::string& data_root, const StagedImage& image, SaveFormat format,
                         ByteSink& sink) {
    Chosen one;
    one.entry.image_id = sha256_hex(image.config);
    one.entry.manifest_digest = "sha256:" + sha256_hex(image.manifest);
    one.entry.manifest_size = static_cast<std::int64_t>(image.manifest.size());
    for (const std::string& name : image.names) {
        Reference reference = TRY(parse_reference(name));
        one.names.push_back(std::move(reference));
    }
    for (const StagedLayer& layer : image.layers) one.layers.push_back(layer.blob);
    Archive archive(data_root, sink);
    TRY(archive.document("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    TRY(archive.document(blob_name(sha256_hex(image.manifest)), image.manifest));
    TRY(archive.document(blob_name(one.entry.image_id), image.config));
    for (const Blob& layer : one.layers) TRY(archive.blob(layer.digest));
    return finish(archive, {one}, format);
}

}  // namespace davit::image
