#pragma once

#include "base/json.h"
#include "base/result.h"
#include "stack/records.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// What takes how much of the disk, for `system df`.
namespace davit::cli {

/// Bytes that files under `path` take on disk, one with several names once; what can't be read is
/// nothing.
std::int64_t bytes_on_disk(const std::string& path);

/// One line of the table.
struct DiskUse {
    const char* name = "";
    std::size_t total = 0;
    std::size_t active = 0;
    std::int64_t bytes = 0;
    std::int64_t reclaimable = 0;
};

/// All of it: rows have the keys of `docker system df -v --format json`.
struct DiskUsage {
    DiskUse images{"Images"};
    DiskUse containers{"Containers"};
    DiskUse volumes{"Local Volumes"};
    DiskUse cache{"Build Cache"};
    std::vector<Json> image_rows = {};
    std::vector<Json> container_rows = {};
    std::vector<Json> volume_rows = {};
    std::vector<Json> cache_rows = {};
};

Result<DiskUsage> disk_usage(const stack::Paths& paths, std::chrono::system_clock::time_point now);

}  // namespace davit::cli
