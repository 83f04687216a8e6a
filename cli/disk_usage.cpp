#include "cli/disk_usage.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/file.h"
#include "builder/cache_usage.h"
#include "cli/container_rows.h"
#include "cli/image_rows.h"
#include "cli/images_in_use.h"
#include "image/store_check.h"
#include "image/store_files.h"
#include "stack/status.h"
#include "stack/volumes.h"

#include <fmt/format.h>
#include <map>
#include <set>
#include <sys/stat.h>

namespace davit::cli {
namespace {

std::int64_t count(const std::string& path, std::set<std::pair<dev_t, ino_t>>& seen) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == -1) return 0;
    if (!S_ISDIR(info.st_mode)) {
        const bool counted =
            info.st_nlink > 1 && !seen.insert(std::pair(info.st_dev, info.st_ino)).second;
        return counted ? 0 : info.st_blocks * 512;
    }
    std::int64_t total = info.st_blocks * 512;
    const auto names = list_directory(path);
    for (const std::string& name : names ? *names : std::vector<std::string>())
        total += count(path + "/" + name, seen);
    return total;
}

std::int64_t layer_bytes(const std::string& data_root, const std::string& diff_id) {
    const Result<Json> notes = read_record(image::layer_path(data_root, diff_id) + "/meta.json", 1);
    return notes ? integer_or(*notes, "size") : 0;
}

Result<void> add_images(const stack::Paths& paths, TimePoint now, DiskUsage& usage) {
    const std::optional<image::Store> store = TRY(image::Store::open_existing(paths.data_root));
    if (!store) return {};
    const std::set<std::string> in_use = TRY(images_in_use(paths.data_root));
    const std::vector<image::Image> images = TRY(store->list());
    const image::StoreUsage bytes = TRY(image::usage(*store, in_use));
    usage.images.total = images.size();
    usage.images.bytes = bytes.bytes;
    usage.images.reclaimable = bytes.reclaimable;
    std::map<std::string, int> owners;  // of layers
    for (const image::Image& image : images) {
        const std::set<std::string> layers(image.diff_ids.begin(), image.diff_ids.end());
        for (const std::string& layer : layers) ++owners[layer];
    }
    std::map<std::string, int> containers;
    for (const stack::ContainerView& view : TRY(stack::list_all_containers(paths)))
        ++containers[view.record.image_id];
    for (const image::Image& image : images) {
        usage.images.active += in_use.count(image.id);
        std::int64_t shared = 0;
        const std::set<std::string> layers(image.diff_ids.begin(), image.diff_ids.end());
        for (const std::string& layer : layers)
            if (owners[layer] > 1) shared += layer_bytes(paths.data_root, layer);
        for (Json row : image_rows({image}, {}, now)) {
            row["SharedSize"] = format_bytes(shared);
            row["UniqueSize"] = format_bytes(image.size_bytes - shared);
            row["Containers"] = std::to_string(containers[image.id]);
            usage.image_rows.push_back(std::move(row));
        }
    }
    return {};
}

Result<void> add_containers(const stack::Paths& paths, TimePoint now, DiskUsage& usage) {
    for (const stack::ContainerView& view : TRY(stack::list_all_containers(paths))) {
        const stack::ContainerRecord& record = view.record;
        const std::int64_t bytes = bytes_on_disk(record.state_dir + "/rw");
        ++usage.containers.total;
        usage.containers.bytes += bytes;
        if (view.state.pid != 0)
            ++usage.containers.active;
        else
            usage.containers.reclaimable += bytes;
        Json row = container_row(view, now);
        row["Size"] = format_bytes(bytes);
        usage.container_rows.push_back(std::move(row));
    }
    return {};
}

Result<void> add_volumes(const stack::Paths& paths, DiskUsage& usage) {
    for (const stack::VolumeView& volume : TRY(stack::list_volumes(paths))) {
        const std::int64_t bytes = bytes_on_disk(volume.mountpoint);
        ++usage.volumes.total;
        usage.volumes.bytes += bytes;
        if (volume.users.empty())
            usage.volumes.reclaimable += bytes;
        else
            ++usage.volumes.active;
        usage.volume_rows.push_back({{"Name", volume.record.name},
                                     {"Links", std::to_string(volume.users.size())},
                                     {"Size", format_bytes(bytes)}});
    }
    return {};
}

std::string time_of(std::int64_t seconds) {
    return rfc3339(TimePoint(std::chrono::seconds(seconds)));
}

Result<void> add_cache(const stack::Paths& paths, TimePoint now, DiskUsage& usage) {
    const std::vector<builder::CacheEntry> entries = TRY(builder::list_cache(paths.data_root));
    usage.cache.total = entries.size();
    usage.cache.bytes = builder::cache_bytes(entries);
    usage.cache.reclaimable = usage.cache.bytes;
    for (const builder::CacheEntry& entry : entries)
        usage.cache_rows.push_back({{"ID", entry.id.substr(0, kIdDigits)},
                                    {"CacheType", entry.mount ? "exec.cachemount" : "regular"},
                                    {"Size", format_bytes(entry.bytes)},
                                    {"CreatedSince", ago(time_of(entry.created), now)},
                                    {"LastUsedSince", ago(time_of(entry.last_used), now)},
                                    {"InUse", "false"},
                                    {"Shared", entry.shared ? "true" : "false"}});
    return {};
}

}  // namespace

std::int64_t bytes_on_disk(const std::string& path) {
    std::set<std::pair<dev_t, ino_t>> seen;
    return count(path, seen);
}

Result<DiskUsage> disk_usage(const stack::Paths& paths, TimePoint now) {
    DiskUsage usage;
    TRY(add_images(paths, now, usage));
    TRY(add_containers(paths, now, usage));
    TRY(add_volumes(paths, usage));
    TRY(add_cache(paths, now, usage));
    return usage;
}

}  // namespace davit::cli
