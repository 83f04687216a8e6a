#include "builder/cache_usage.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sys.h"
#include "image/store.h"
#include "image/store_files.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::builder {
namespace {

constexpr int kRecordVersion = 1;
constexpr std::string_view kEnding = ".json";

std::string keys_folder(const std::string& data_root) { return data_root + "/build/keys"; }
std::string mounts_folder(const std::string& data_root) { return data_root + "/build/mounts"; }

/// Bytes on disk beneath `path`; what can't be read is nothing.
std::int64_t bytes_beneath(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == -1) return 0;
    std::int64_t bytes = info.st_blocks * 512;
    if (!S_ISDIR(info.st_mode)) return bytes;
    const auto names = list_directory(path);
    for (const std::string& name : names ? *names : std::vector<std::string>())
        bytes += bytes_beneath(path + "/" + name);
    return bytes;
}

std::int64_t seconds_of(const std::string& rfc3339_time) {
    const auto time = parse_rfc3339(rfc3339_time);
    if (!time) return 0;
    return std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count();
}

Result<std::set<std::string>> layers_of_images(const std::string& data_root) {
    std::set<std::string> layers;
    const std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    if (!store) return layers;
    const std::vector<image::Image> images = TRY(store->list());
    for (const image::Image& image : images)
        layers.insert(image.diff_ids.begin(), image.diff_ids.end());
    return layers;
}

/// A step's record as an entry; nothing where it is of no use any more.
std::optional<CacheEntry> step_entry(const std::string& data_root, const std::string& file,
                                     const std::set<std::string>& image_layers) {
    const std::string path = keys_folder(data_root) + "/" + file;
    const Result<Json> record = read_record(path, kRecordVersion);
    struct stat info {};
    if (!record || ::stat(path.c_str(), &info) == -1) return std::nullopt;
    CacheEntry entry;
    entry.id = file.substr(0, file.size() - kEnding.size());
    entry.diff_id = string_or(*record, "diff_id");
    entry.created = seconds_of(string_or(*record, "created"));
    entry.last_used = info.st_mtim.tv_sec;
    if (entry.diff_id.empty()) return entry;
    const Result<Json> notes =
        read_record(image::layer_path(data_root, entry.diff_id) + "/meta.json", 1);
    if (!notes) return std::nullopt;
    const std::optional<image::Blob> blob = image::blob_of_layer(data_root, entry.diff_id);
    entry.bytes = integer_or(*notes, "size") + (blob ? blob->size : 0);
    entry.shared = image_layers.contains(entry.diff_id);
    return entry;
}

}  // namespace

Result<std::vector<CacheEntry>> list_cache(const std::string& data_root) {
    std::vector<CacheEntry> entries;
    const std::set<std::string> image_layers = TRY(layers_of_images(data_root));
    const std::vector<std::string> records = TRY(list_directory(keys_folder(data_root)));
    for (const std::string& file : records) {
        if (!file.ends_with(kEnding)) continue;
        if (auto entry = step_entry(data_root, file, image_layers))
            entries.push_back(*std::move(entry));
    }
    const std::vector<std::string> mounts = TRY(list_directory(mounts_folder(data_root)));
    for (const std::string& name : mounts) {
        CacheEntry entry;
        entry.id = name;
        entry.mount = true;
        const std::string folder = mounts_folder(data_root) + "/" + name;
        entry.bytes = bytes_beneath(folder + "/data");
        struct stat info {};
        if (::stat((folder + "/lock").c_str(), &info) == 0) entry.created = info.st_ctim.tv_sec;
        if (::stat((folder + "/data").c_str(), &info) == 0) entry.last_used = info.st_mtim.tv_sec;
        if (entry.created == 0) entry.created = entry.last_used;
        entries.push_back(std::move(entry));
    }
    std::stable_sort(entries.begin(), entries.end(), [](const CacheEntry& a, const CacheEntry& b) {
        return a.last_used > b.last_used;
    });
    return entries;
}

std::int64_t cache_bytes(const std::vector<CacheEntry>& entries) {
    std::set<std::string> counted;
    std::int64_t bytes = 0;
    for (const CacheEntry& entry : entries)
        if (!entry.shared &&
            counted.insert(entry.diff_id.empty() ? entry.id : entry.diff_id).second)
            bytes += entry.bytes;
    return bytes;
}

Result<CachePruned> prune_cache(const std::string& data_root,
                                const std::vector<CacheEntry>& entries,
                                const std::set<std::string>& images_in_use) {
    CachePruned pruned;
    if (entries.empty() && !exists(keys_folder(data_root))) return pruned;
    TRY(make_directories(data_root + "/build", 0700));
    const UniqueFd lock = TRY(sys::open(image::build_lock_path(data_root), O_RDWR | O_CREAT, 0600));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK) return Error::from_errno(errno, "flock(2)");
        return Error(ErrorKind::Busy, "a build is running, and may need what would be removed")
            .help("try again when it has ended");
    }
    image::Store store = TRY(image::Store::open(data_root));
    std::set<std::string> layers;
    for (const CacheEntry& entry : entries) {
        const std::string place = entry.mount ? mounts_folder(data_root) + "/" + entry.id
                                              : keys_folder(data_root) + "/" + entry.id + ".json";
        TRY(remove_tree(place));
        if (entry.mount) pruned.bytes += entry.bytes;
        if (!entry.diff_id.empty()) layers.insert(entry.diff_id);
        pruned.ids.push_back(entry.id);
    }
    // Another record may stand for the same layer: it stays whole.
    const std::vector<CacheEntry> left = TRY(list_cache(data_root));
    for (const CacheEntry& entry : left) layers.erase(entry.diff_id);
    pruned.bytes += TRY(store.remove_layers(layers, images_in_use));
    return pruned;
}

}  // namespace davit::builder
