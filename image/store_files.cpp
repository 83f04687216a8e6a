#include "image/store_files.h"

#include "base/digest.h"
#include "base/duration.h"
#include "base/strings.h"
#include "base/sys.h"
#include "image/digests.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace davit::image {
namespace {

constexpr const char* kIdAnnotation = "io.davit.image.id";
constexpr const char* kPulledAt = "io.davit.image.pulled-at";
constexpr const char* kRepoDigest = "io.davit.image.repo-digest";

std::vector<std::string> strings_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return {};
    if (found->is_string()) return {found->get<std::string>()};
    return found->get<std::vector<std::string>>();
}

/// Keys of an object that stands for a set: {"80/tcp": {}}.
std::vector<std::string> keys_of(const Json& json, const char* key) {
    std::vector<std::string> keys;
    const auto found = json.find(key);
    if (found == json.end() || !found->is_object()) return keys;
    for (const auto& [name, value] : found->items()) keys.push_back(name);
    return keys;
}

/// @source moby api/types/container HealthConfig
std::optional<ImageHealthCheck> health_check_of(const Json& config) {
    const auto found = config.find("Healthcheck");
    if (found == config.end() || !found->is_object()) return std::nullopt;
    ImageHealthCheck check;
    check.test = strings_of(*found, "Test");
    if (check.test.empty()) return std::nullopt;
    check.interval_ns = integer_or(*found, "Interval");
    check.timeout_ns = integer_or(*found, "Timeout");
    check.start_period_ns = integer_or(*found, "StartPeriod");
    check.start_interval_ns = integer_or(*found, "StartInterval");
    check.retries = static_cast<int>(integer_or(*found, "Retries"));
    return check;
}

ImageConfig decode_config(const Json& json) {
    ImageConfig config;
    config.architecture = string_or(json, "architecture");
    config.os = string_or(json, "os");
    const auto found = json.find("config");
    if (found == json.end() || !found->is_object()) return config;
    config.entrypoint = strings_of(*found, "Entrypoint");
    config.cmd = strings_of(*found, "Cmd");
    config.env = strings_of(*found, "Env");
    config.working_dir = string_or(*found, "WorkingDir");
    config.user = string_or(*found, "User");
    config.stop_signal = string_or(*found, "StopSignal");
    config.exposed_ports = keys_of(*found, "ExposedPorts");
    config.volumes = keys_of(*found, "Volumes");
    config.shell = strings_of(*found, "Shell");
    config.health_check = health_check_of(*found);
    const auto labels = found->find("Labels");
    if (labels != found->end() && labels->is_object())
        config.labels = labels->get<std::map<std::string, std::string>>();
    return config;
}

}  // namespace

std::string store_name(const Reference& reference) {
    Reference name = reference;
    if (!name.digest.empty()) name.tag.clear();
    return canonical(name);
}

std::string blob_name(const std::string& digest) {
    std::string name = full_digest(digest);
    name[name.find(':')] = '/';
    return "blobs/" + name;
}

std::string blob_path(const std::string& data_root, const std::string& digest) {
    return data_root + "/images/" + blob_name(digest);
}

std::string layer_path(const std::string& data_root, const std::string& diff_id) {
    return fmt::format("{}/layers/{}", data_root, diff_id);
}

Result<std::string> hex_of(const std::string& digest) {
    const std::string hex = digest.starts_with("sha256:") ? digest.substr(7) : digest;
    if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is not a sha256 digest", digest.substr(0, 100)));
    return hex;
}

Result<std::vector<IndexEntry>> read_index(const std::string& data_root) {
    std::vector<IndexEntry> entries;
    const Result<Json> json = read_json(data_root + "/images/index.json");
    if (!json) {
        if (json.error().kind() == ErrorKind::NotFound) return entries;
        return json.error();
    }
    return decode_json(*json, "the store's index.json", [&](const Json& index) {
        for (const Json& descriptor : index.at("manifests")) {
            IndexEntry entry;
            entry.manifest_digest = descriptor.at("digest").get<std::string>();
            entry.manifest_size = descriptor.at("size").get<std::int64_t>();
            entry.media_type = string_or(descriptor, "mediaType", kOciManifest);
            const auto annotations = descriptor.find("annotations");
            if (annotations != descriptor.end()) {
                entry.image_id = string_or(*annotations, kIdAnnotation);
                entry.name = string_or(*annotations, kRefName);
                entry.repo_digest = string_or(*annotations, kRepoDigest);
                entry.pulled_at = parse_integer(string_or(*annotations, kPulledAt)).value_or(0);
            }
            if (hex_of(entry.image_id).ok()) entries.push_back(std::move(entry));
        }
        return entries;
    });
}

Result<void> write_index(const std::string& data_root, const std::vector<IndexEntry>& entries) {
    Json manifests = Json::array();
    for (const IndexEntry& entry : entries) {
        Json annotations = {{kIdAnnotation, entry.image_id}};
        if (!entry.name.empty()) {
            annotations[kRefName] = entry.name;
            annotations[kImageName] = entry.name;
        }
        if (!entry.repo_digest.empty()) annotations[kRepoDigest] = entry.repo_digest;
        if (entry.pulled_at != 0) annotations[kPulledAt] = std::to_string(entry.pulled_at);
        manifests.push_back({{"mediaType", entry.media_type},
                             {"digest", entry.manifest_digest},
                             {"size", entry.manifest_size},
                             {"annotations", std::move(annotations)}});
    }
    return write_json(
        data_root + "/images/index.json",
        {{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", std::move(manifests)}},
        Sync::Yes, 0644);
}

Result<FileLock> lock_store(const std::string& data_root) {
    FileLock lock = TRY(FileLock::exclusive(data_root + "/images/lock"));
    // Of a davit that was killed between writing a document and renaming it.
    for (const char* folder : {"/images", "/images/blobs/sha256", "/images/blobs/sha512"})
        if (exists(data_root + folder)) remove_half_written(data_root + folder);
    return lock;
}

std::string build_lock_path(const std::string& data_root) { return data_root + "/build/lock"; }

bool build_runs(const std::string& data_root) {
    const Result<UniqueFd> lock = sys::open(build_lock_path(data_root), O_RDWR);
    return lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
}

Result<std::set<std::string>> layers_of_builds(const std::string& data_root) {
    constexpr int kVersion = 1;
    std::set<std::string> layers;
    const std::string folder = data_root + "/build/keys";
    for (const std::string& name : TRY(list_directory(folder))) {
        // One that can't be read, or that a prune takes away just now, means nothing to a build.
        const Result<Json> record = read_record(folder + "/" + name, kVersion);
        const std::string layer = record ? string_or(*record, "diff_id") : std::string();
        if (hex_of(layer).ok()) layers.insert(layer);
    }
    return layers;
}

Result<Json> read_blob(const std::string& data_root, const std::string& digest) {
    const std::string key = TRY(digest_key(digest));
    const std::string text = TRY(read_file(blob_path(data_root, key), kLargestDocument));
    if (key_like(key, text) != key)
        return Error(ErrorKind::InvalidInput, fmt::format("blob {} is damaged", full_digest(key)))
            .help("remove the image and load it again");
    return parse_json(text, "blob " + full_digest(key));
}

Result<ImageConfig> parse_image_config(const Json& config) {
    return decode_json(config, "the image's configuration", decode_config);
}

Result<std::vector<std::string>> parse_diff_ids(const Json& config) {
    const std::vector<std::string> digests =
        TRY(decode_json(config, "the image's configuration", [](const Json& json) {
            return json.at("rootfs").at("diff_ids").get<std::vector<std::string>>();
        }));
    std::vector<std::string> hexes;
    for (const std::string& digest : digests) {
        std::string hex = TRY(hex_of(digest));
        hexes.push_back(std::move(hex));
    }
    return hexes;
}

std::string_view own_architecture() {
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#else
    return "unknown";
#endif
}

std::string creation_time() {
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");  // NOLINT(concurrency-mt-unsafe)
    const auto seconds = epoch == nullptr ? std::nullopt : parse_integer(epoch);
    if (!seconds) return rfc3339(std::chrono::system_clock::now());
    return rfc3339(std::chrono::system_clock::time_point(std::chrono::seconds(*seconds)));
}

std::optional<Blob> blob_of_layer(const std::string& data_root, const std::string& diff_id) {
    const Result<Json> notes = read_record(layer_path(data_root, diff_id) + "/meta.json", 1);
    if (!notes) return std::nullopt;
    const Result<std::string> key = digest_key(string_or(*notes, "blob"));
    Blob blob{key ? *key : "", integer_or(*notes, "blob_size"), string_or(*notes, "media_type")};
    if (!key || blob.media_type.empty() || !exists(blob_path(data_root, *key))) return std::nullopt;
    return blob;
}

std::string make_manifest(const std::string& config, const std::vector<Blob>& layers) {
    Json descriptors = Json::array();
    for (const Blob& layer : layers)
        descriptors.push_back({{"mediaType", layer.media_type},
                               {"digest", full_digest(layer.digest)},
                               {"size", layer.size}});
    const Json manifest = {{"schemaVersion", 2},
                           {"mediaType", kOciManifest},
                           {"config",
                            {{"mediaType", kOciConfig},
                             {"digest", "sha256:" + sha256_hex(config)},
                             {"size", config.size()}}},
                           {"layers", std::move(descriptors)}};
    return manifest.dump();
}

Result<std::vector<Blob>> manifest_layers(const Json& manifest) {
    std::vector<Blob> blobs = TRY(decode_json(manifest, "the image's manifest", [](const Json& m) {
        std::vector<Blob> list;
        for (const Json& layer : m.at("layers"))
            list.push_back({layer.at("digest").get<std::string>(),
                            layer.at("size").get<std::int64_t>(), string_or(layer, "mediaType")});
        return list;
    }));
    for (Blob& blob : blobs) blob.digest = TRY(digest_key(blob.digest));
    return blobs;
}

Result<std::string> manifest_config(const Json& manifest) {
    const std::string digest = TRY(decode_json(manifest, "the image's manifest", [](const Json& m) {
        return m.at("config").at("digest").get<std::string>();
    }));
    return digest_key(digest);
}

Result<std::vector<std::string>> list_blobs(const std::string& data_root) {
    std::vector<std::string> keys = TRY(list_directory(data_root + "/images/blobs/sha256"));
    for (const std::string& name : TRY(list_directory(data_root + "/images/blobs/sha512")))
        keys.push_back("sha512:" + name);
    return keys;
}

}  // namespace davit::image
