#include "builder/layer_cache.h"

#include "base/digest.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/sys.h"
#include "image/layer_stage.h"
#include "image/store_files.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace davit::builder {
namespace {

constexpr int kVersion = 1;

}  // namespace

std::string LayerCache::key_of(const Json& inputs) {
    return sha256_hex(inputs.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::optional<StepRecord> LayerCache::find(const std::string& key) const {
    const std::string path = root_ + "/build/keys/" + key + ".json";
    const auto json = read_record(path, kVersion);
    if (!json) return std::nullopt;
    StepRecord record{string_or(*json, "diff_id"), string_or(*json, "created")};
    const bool whole = record.diff_id.empty() ||
                       (exists(image::layer_path(root_, record.diff_id) + "/meta.json") &&
                        image::blob_of_layer(root_, record.diff_id).has_value());
    // The file's time says when it was last of use, for `builder prune --filter until=`.
    if (whole) (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    return whole ? std::optional<StepRecord>(std::move(record)) : std::nullopt;
}

Result<void> LayerCache::remember(const std::string& key, const StepRecord& record) const {
    FAILPOINT("build.key");
    TRY(make_directories(root_ + "/build/keys", 0700));
    return write_json(
        root_ + "/build/keys/" + key + ".json",
        {{"version", kVersion}, {"diff_id", record.diff_id}, {"created", record.created}},
        Sync::No);
}

Result<std::string> LayerCache::add_layer(const std::string& upper, const std::string& staging,
                                          const image::PackOptions& options) const {
    std::vector<image::LayerJob> jobs(1);
    image::LayerJob& job = jobs[0];
    job.file.path = staging + "/tar";
    job.scratch = staging + "/blob";
    job.compress = true;
    const UniqueFd folder = TRY(sys::open(upper, O_RDONLY | O_DIRECTORY));
    UniqueFd fd = TRY(sys::open(job.file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    image::FileSink tar(std::move(fd));
    (void)TRY(image::pack_layer(folder, tar, options));
    TRY(tar.flush());
    job.diff_id = std::move(tar).hex();
    if (exists(image::layer_path(root_, job.diff_id) + "/meta.json") &&
        image::blob_of_layer(root_, job.diff_id))
        return job.diff_id;
    job.folder = staging + "/layer";
    TRY(image::stage_layers(jobs));
    FAILPOINT("build.layer");
    TRY(image::publish_layer(root_, job.staged));
    return job.diff_id;
}

Result<std::vector<std::string>> LayerCache::folders(
    const std::vector<std::string>& diff_ids) const {
    std::vector<std::string> folders;
    for (auto id = diff_ids.rbegin(); id != diff_ids.rend(); ++id) {
        std::string folder = image::layer_path(root_, *id) + "/diff";
        if (!exists(folder))
            return Error(ErrorKind::NotFound,
                         fmt::format("layer sha256:{} was removed while the build ran", *id))
                .help("build again");
        // Two steps that change nothing have the same layer, and overlayfs refuses a folder that
        // stands in the list twice: the upper one alone gives the same files.
        if (std::find(folders.begin(), folders.end(), folder) != folders.end()) continue;
        folders.push_back(std::move(folder));
    }
    return folders;
}

}  // namespace davit::builder
