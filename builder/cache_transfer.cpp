#include "builder/cache_transfer.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/byte_source.h"
#include "image/layer_stage.h"
#include "image/output_file.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <set>
#include <utility>

namespace davit::builder {
namespace {

Error bad(std::string message, std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message)).help(std::move(help));
}

bool is_hex(const std::string& text) { return image::hex_of(text).ok(); }

Result<CachePlace::Kind> kind_of(const std::string& word, const char* flag) {
    using Kind = CachePlace::Kind;
    static const std::map<std::string, Kind> kinds = {
        {"local", Kind::Local}, {"registry", Kind::Registry}, {"inline", Kind::Inline},
        {"gha", Kind::Ignored}, {"s3", Kind::Ignored},        {"azblob", Kind::Ignored}};
    if (const auto found = kinds.find(word); found != kinds.end()) return found->second;
    std::vector<std::string> known;
    for (const auto& [name, kind] : kinds) known.push_back(name);
    const auto meant = nearest(word, known);
    return bad(fmt::format("'{}' is no type of {}", printable(word), flag),
               meant ? fmt::format("the nearest is '{}'", *meant)
                     : fmt::format("known are {}", fmt::join(known, ", ")));
}

Result<std::map<std::string, std::string>> fields_of(const std::string& text, const char* flag) {
    std::map<std::string, std::string> fields;
    for (const std::string& field : split(text, ',')) {
        const std::size_t equals = field.find('=');
        if (equals == 0 || equals == std::string::npos)
            return bad(fmt::format("'{}' of {} has no '='", printable(field), flag),
                       "write type=KIND,NAME=VALUE");
        fields[field.substr(0, equals)] = field.substr(equals + 1);
    }
    return fields;
}

/// `folder_word`: "src" or "dest".
Result<CachePlace> parse(const std::string& text, const std::string& working_dir, const char* flag,
                         const char* folder_word) {
    if (text.find('=') == std::string::npos)
        return CachePlace{CachePlace::Kind::Registry, text, false};
    std::map<std::string, std::string> fields = TRY(fields_of(text, flag));
    CachePlace place;
    place.kind = TRY(kind_of(fields["type"], flag));
    place.all = fields["mode"] == "max";
    using Kind = CachePlace::Kind;
    if (place.kind == Kind::Registry) place.place = fields["ref"];
    if (place.kind == Kind::Local && !fields[folder_word].empty())
        place.place = clean_path(join_path(working_dir, fields[folder_word]));
    const bool needs_place = place.kind == Kind::Registry || place.kind == Kind::Local;
    if (needs_place && place.place.empty())
        return bad(fmt::format("{} '{}' says no place", flag, printable(text)),
                   place.kind == Kind::Local ? fmt::format("add {}=FOLDER", folder_word)
                                             : std::string("add ref=IMAGE"));
    return place;
}

/// The steps that a configuration names; what is malformed is passed over: a cache is no truth.
StepRecords steps_of(const Json& config) {
    StepRecords steps;
    const auto list = config.find(kStepsKey);
    if (list == config.end() || !list->is_array()) return steps;
    for (const Json& line : *list) {
        if (!line.is_object()) continue;
        const std::string key = string_or(line, "key");
        const std::string diff_id = string_or(line, "diff_id");
        if (is_hex(key) && (diff_id.empty() || is_hex(diff_id)))
            steps[key] = {diff_id, string_or(line, "created")};
    }
    return steps;
}

/// A document of a layout in a folder, checked against its digest.
Result<Json> read_document(const std::string& folder, const std::string& digest) {
    const std::string hex = TRY(image::hex_of(digest));
    const std::string path = folder + "/" + image::blob_name(hex);
    const std::string text = TRY(read_file(path, image::kLargestDocument));
    if (sha256_hex(text) != hex)
        return bad(fmt::format("'{}' is damaged", path), "remove the folder, and fill it anew");
    return parse_json(text, path);
}

/// Key to blob digest of the layers of a layout: diff ids and layers stand in the same order.
Result<std::map<std::string, std::string>> blobs_by_diff_id(const Json& config,
                                                            const Json& manifest) {
    const std::vector<std::string> ids = TRY(image::parse_diff_ids(config));
    const std::vector<image::Blob> blobs = TRY(image::manifest_layers(manifest));
    std::map<std::string, std::string> by_id;
    for (std::size_t i = 0; i < std::min(ids.size(), blobs.size()); ++i)
        by_id[ids[i]] = blobs[i].digest;
    return by_id;
}

Result<void> copy_file(const std::string& path, image::ByteSink& sink) {
    UniqueFd fd = TRY(sys::open(path, O_RDONLY));
    const std::unique_ptr<image::ByteSource> source = image::read_descriptor(std::move(fd));
    std::string buffer(std::size_t{256} << 10U, '\0');
    for (;;) {
        const std::size_t got = TRY(source->read(buffer.data(), buffer.size()));
        if (got == 0) return {};
        TRY(sink.write(std::string_view(buffer).substr(0, got)));
    }
}

}  // namespace

Result<CachePlace> parse_cache_from(const std::string& text, const std::string& working_dir) {
    return parse(text, working_dir, "--cache-from", "src");
}

Result<CachePlace> parse_cache_to(const std::string& text, const std::string& working_dir) {
    return parse(text == "inline" ? "type=inline" : text, working_dir, "--cache-to", "dest");
}

Json steps_as_json(const StepRecords& steps) {
    Json list = Json::array();
    for (const auto& [key, record] : steps)
        list.push_back({{"key", key}, {"diff_id", record.diff_id}, {"created", record.created}});
    return list;
}

Result<image::StagedImage> cache_image(const LayerCache& cache, const StepRecords& steps) {
    image::StagedImage staged;
    std::vector<image::Blob> blobs;
    Json ids = Json::array();
    std::set<std::string> seen;
    for (const auto& [key, record] : steps) {
        if (record.diff_id.empty() || !seen.insert(record.diff_id).second) continue;
        const auto blob = image::blob_of_layer(cache.data_root(), record.diff_id);
        if (!blob)
            return Error(ErrorKind::NotFound,
                         fmt::format("layer sha256:{} was removed while the build ran",
                                     record.diff_id))
                .help("build again");
        ids.push_back("sha256:" + record.diff_id);
        blobs.push_back(*blob);
        staged.layers.push_back({record.diff_id, "", *blob, ""});
    }
    const Json config = {{"architecture", image::own_architecture()},
                         {"os", "linux"},
                         {"config", Json::object()},
                         {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(ids)}}},
                         {kStepsKey, steps_as_json(steps)}};
    staged.config = config.dump();
    staged.manifest = image::make_manifest(staged.config, blobs);
    return staged;
}

Result<void> write_cache_folder(const LayerCache& cache, const image::StagedImage& image,
                                const std::string& folder) {
    constexpr mode_t kMode = 0644;
    TRY(make_directories(folder + "/blobs/sha256", 0755));
    const auto place = [&](const std::string& key) { return folder + "/" + image::blob_name(key); };
    for (const image::StagedLayer& layer : image.layers) {
        if (exists(place(layer.blob.digest))) continue;
        const std::string blob = image::blob_path(cache.data_root(), layer.blob.digest);
        TRY(image::write_out(place(layer.blob.digest), "write the cache",
                             [&](image::ByteSink& sink) { return copy_file(blob, sink); }));
    }
    for (const std::string* text : {&image.config, &image.manifest})
        TRY(write_atomically(place(sha256_hex(*text)), *text, kMode, Sync::No));
    TRY(write_atomically(folder + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})", kMode,
                         Sync::No));
    Json manifests = Json::array();
    manifests.push_back({{"mediaType", image::kOciManifest},
                         {"digest", "sha256:" + sha256_hex(image.manifest)},
                         {"size", image.manifest.size()}});
    const Json index = {
        {"schemaVersion", 2}, {"mediaType", image::kOciIndex}, {"manifests", std::move(manifests)}};
    return write_atomically(folder + "/index.json", index.dump(), kMode, Sync::No);
}

void ImportedSteps::add_image(const Json& config) {
    for (const auto& [key, record] : steps_of(config)) steps_[key] = {record, "", ""};
}

Result<void> ImportedSteps::add_folder(const std::string& folder) {
    const Json index = TRY(read_json(folder + "/index.json"));
    const auto manifests = index.find("manifests");
    if (manifests == index.end() || !manifests->is_array() || manifests->empty())
        return bad(fmt::format("'{}' holds no image", folder), "name a folder of --cache-to");
    const Json manifest = TRY(read_document(folder, string_or(manifests->front(), "digest")));
    const std::string config_key = TRY(image::manifest_config(manifest));
    const Json config = TRY(read_document(folder, config_key));
    const auto blobs = TRY(blobs_by_diff_id(config, manifest));
    for (const auto& [key, record] : steps_of(config)) {
        const auto blob = blobs.find(record.diff_id);
        if (record.diff_id.empty())
            steps_[key] = {record, "", ""};
        else if (blob != blobs.end())
            steps_[key] = {record, folder + "/" + image::blob_name(blob->second), blob->second};
    }
    return {};
}

Result<std::optional<StepRecord>> ImportedSteps::bring(const std::string& key,
                                                       const LayerCache& cache,
                                                       const std::string& staging) const {
    const auto found = steps_.find(key);
    if (found == steps_.end()) return std::optional<StepRecord>();
    const Step& step = found->second;
    const std::string& diff_id = step.record.diff_id;
    const bool there =
        diff_id.empty() || exists(image::layer_path(cache.data_root(), diff_id) + "/meta.json");
    if (!there && !step.blob_file.empty()) {
        std::vector<image::LayerJob> jobs(1);
        jobs[0].file.path = step.blob_file;
        jobs[0].keep_file = true;
        jobs[0].folder = staging + "/layer";
        jobs[0].scratch = staging + "/blob";
        jobs[0].diff_id = diff_id;
        jobs[0].digest = step.digest;
        TRY_DOING(image::stage_layers(jobs), "bring a step from '{}'", step.blob_file);
        TRY(image::publish_layer(cache.data_root(), jobs[0].staged));
    }
    TRY(cache.remember(key, step.record));
    // It counts only where its layer has really come.
    return cache.find(key);
}

}  // namespace davit::builder
