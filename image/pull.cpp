#include "image/pull.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/sys.h"
#include "image/digests.h"
#include "image/download.h"
#include "image/layer_stage.h"
#include "image/parts.h"
#include "image/pull_manifest.h"
#include "image/staging.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <numeric>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

namespace davit::image {
namespace {

/// Layers on their way at the same time: as Docker has it.
constexpr std::size_t kAtOnce = 3;

/// One layer of the image, and how far it is.
struct Job {
    const RemoteLayer* layer = nullptr;
    std::string part = {};    ///< File that its bytes go to.
    std::string folder = {};  ///< Where it is unpacked; empty: the store has it.
    bool has_blob = false;    ///< The store has the blob; it is unpacked from there.
    StagedLayer staged = {};
};

class Puller {
public:
    Puller(const std::string& data_root, Registry& registry, const Reference& reference,
           const OnPullEvent& on_event)
        : root_(data_root), registry_(registry), reference_(reference), on_event_(on_event) {}

    Result<std::string> run(const RemoteImage& image);

private:
    Result<std::vector<FileLock>> lock_layers(const RemoteImage& image);
    Result<void> plan(const RemoteImage& image, const std::string& staging);
    Result<void> check_space() const;
    Result<void> get_all();
    Result<void> get(Job& job);
    Result<void> get_once(Job& job, bool& resumed);
    Result<void> finish(Job& job, ByteSource& source);
    void tell(PullEvent::Kind kind, const Job& job, std::int64_t done = 0);
    bool interrupted() const {
        return registry_.settings().cancelled && registry_.settings().cancelled();
    }

    const std::string& root_;
    Registry& registry_;
    const Reference& reference_;
    const OnPullEvent& on_event_;
    std::mutex telling_;
    std::vector<Job> jobs_;
};

void Puller::tell(PullEvent::Kind kind, const Job& job, std::int64_t done) {
    if (!on_event_) return;
    const std::lock_guard lock(telling_);
    on_event_({kind, short_digest(job.layer->blob.digest).substr(7), done, job.layer->blob.size});
}

/// In the order of the digests, all before the first byte: two pulls that share layers can't wait
/// for each other in a circle.
Result<std::vector<FileLock>> Puller::lock_layers(const RemoteImage& image) {
    std::set<std::string> digests;
    for (const RemoteLayer& layer : image.layers) {
        const bool whole = exists(blob_path(root_, layer.blob.digest)) &&
                           exists(layer_path(root_, layer.diff_id) + "/meta.json");
        if (!whole) digests.insert(layer.blob.digest);
    }
    std::vector<FileLock> locks;
    for (const std::string& digest : digests) {
        FileLock lock = TRY(FileLock::exclusive(part_lock(root_, digest)));
        locks.push_back(std::move(lock));
    }
    return locks;
}

Result<void> Puller::plan(const RemoteImage& image, const std::string& staging) {
    std::map<std::string, std::string> seen;
    for (const RemoteLayer& layer : image.layers) {
        const auto [known, is_new] = seen.emplace(layer.blob.digest, layer.diff_id);
        if (!is_new && known->second != layer.diff_id)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("layer {} has two contents in the image's configuration",
                                     full_digest(layer.blob.digest)));
        if (!is_new) continue;
        Job job;
        job.layer = &layer;
        job.part = part_file(root_, layer.blob.digest);
        job.has_blob = exists(blob_path(root_, layer.blob.digest));
        job.staged.diff_id = layer.diff_id;
        job.staged.blob = layer.blob;
        const bool unpacked = exists(layer_path(root_, layer.diff_id) + "/meta.json");
        if (!unpacked) job.folder = fmt::format("{}/layer-{}", staging, jobs_.size());
        job.staged.folder = job.folder;
        if (!job.has_blob) job.staged.blob_file = job.part;
        jobs_.push_back(std::move(job));
    }
    return {};
}

/// What surely won't fit is not begun: the blobs that are missing, and what they become, which is
/// no smaller.
Result<void> Puller::check_space() const {
    std::int64_t needed = 0;
    for (const Job& job : jobs_) {
        if (!job.has_blob) needed += job.layer->blob.size;
        if (!job.folder.empty()) needed += job.layer->blob.size;
    }
    struct statvfs info {};
    if (::statvfs(root_.c_str(), &info) == -1) return {};
    const auto free = static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
    if (needed <= free) return {};
    return Error::from_errno(ENOSPC, "statvfs(2)")
        .doing("find room for at least {} MB, of which {} MB are free", needed / 1'000'000,
               free / 1'000'000);
}

/// Hashes and unpacks what `source` gives, which is the blob.
Result<void> Puller::finish(Job& job, ByteSource& source) {
    const Blob& blob = job.layer->blob;
    BlobSource bytes(source, blob.digest);
    UnpackedLayer unpacked;
    if (!job.folder.empty()) unpacked = TRY(unpack_into(bytes, job.folder, job.layer->diff_id));
    TRY(bytes.drain());
    const std::int64_t size = bytes.size();
    const std::string found = std::move(bytes).key();
    if (found != blob.digest || size != blob.size)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("its {} bytes are {}, and the manifest says {} bytes", size,
                                 full_digest(found), blob.size));
    if (!job.folder.empty()) TRY(write_layer_notes(job.folder, unpacked, blob));
    return {};
}

Result<void> Puller::get_once(Job& job, bool& resumed) {
    if (job.has_blob) {
        UniqueFd fd = TRY(sys::open(blob_path(root_, job.layer->blob.digest), O_RDONLY));
        const std::unique_ptr<ByteSource> source = read_descriptor(std::move(fd));
        return finish(job, *source);
    }
    const std::unique_ptr<Download> download = TRY(Download::open(job.part, job.layer->blob.size));
    resumed = download->resumed_from() > 0;
    Result<void> finished;
    std::jthread unpacker([&] {
        finished = finish(job, *download);
        if (!finished) download->give_up();
    });
    Registry::BlobRequest request;
    request.path = reference_.path;
    request.blob = job.layer->blob;
    request.urls = job.layer->urls;
    request.retrying = [&] { tell(PullEvent::Kind::Retrying, job); };
    std::int64_t told = 0;
    const Result<void> fetched = download->fetch(registry_, request, [&](std::int64_t have) {
        // More often than a person can see costs more than it tells.
        if (have - told < (256 << 10) && have != job.layer->blob.size) return;
        told = have;
        tell(PullEvent::Kind::Downloading, job, have);
    });
    if (fetched) tell(PullEvent::Kind::Unpacking, job);
    unpacker.join();
    // Where the reader gave up the download's error is only an echo.
    if (!fetched &&
        !(fetched.error().kind() == ErrorKind::Cancelled && !finished && !interrupted()))
        return fetched.error();
    return finished;
}

Result<void> Puller::get(Job& job) {
    if (job.folder.empty() && job.has_blob) {
        tell(PullEvent::Kind::Exists, job);
        return {};
    }
    tell(PullEvent::Kind::Downloading, job);
    bool resumed = false;
    Result<void> got = get_once(job, resumed);
    const auto is_wrong = [](const Result<void>& result) {
        return !result && (result.error().kind() == ErrorKind::InvalidInput ||
                           result.error().kind() == ErrorKind::Unsupported);
    };
    if (is_wrong(got) && job.has_blob) {
        // Perhaps what the store has is damaged: what the registry has will take its place.
        log::info("image", "getting '{}' anew, the store's is wrong",
                  full_digest(job.layer->blob.digest));
        job.has_blob = false;
        job.staged.blob_file = job.part;
        TRY(remove_tree(job.folder));
        got = get_once(job, resumed);
    }
    if (is_wrong(got) && !job.has_blob) {
        ::unlink(job.part.c_str());
        // Perhaps the part of an earlier run was what is wrong.
        if (resumed) {
            log::info("image", "getting '{}' anew", full_digest(job.layer->blob.digest));
            if (!job.folder.empty()) TRY(remove_tree(job.folder));
            got = get_once(job, resumed);
            if (is_wrong(got)) ::unlink(job.part.c_str());
        }
    }
    // A full disk is not filled further by parts.
    if (!got && (got.error().error_number() == ENOSPC || got.error().error_number() == EDQUOT))
        ::unlink(job.part.c_str());
    if (got) tell(PullEvent::Kind::Done, job);
    return got;
}

Result<void> Puller::get_all() {
    // The largest first: it is what the others are waited for with.
    std::vector<Job*> order;
    for (Job& job : jobs_) order.push_back(&job);
    std::stable_sort(order.begin(), order.end(), [](const Job* a, const Job* b) {
        return a->layer->blob.size > b->layer->blob.size;
    });
    for (const Job* job : order) tell(PullEvent::Kind::Waiting, *job);
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> failure;
    const auto work = [&] {
        for (;;) {
            const std::size_t mine = next++;
            if (mine >= order.size()) return;
            Job& job = *order[mine];
            Result<void> got = get(job);
            if (got) continue;
            const std::lock_guard lock(mutex);
            if (!failure)
                failure = std::move(got).error().doing("get layer {}",
                                                       short_digest(job.layer->blob.digest));
            next = order.size();
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < std::min(kAtOnce, order.size()); ++i)
            threads.emplace_back(work);
        work();
    }
    if (failure) return std::move(*failure);
    return {};
}

Result<std::string> Puller::run(const RemoteImage& image) {
    TRY(make_directories(parts_folder(root_), 0700));
    (void)TRY(sweep_parts(root_, kPartsAreOld));
    const std::vector<FileLock> locks = TRY(lock_layers(image));
    const Staging staging = TRY(Staging::open(root_));
    TRY(plan(image, staging.path()));
    TRY(check_space());
    if (on_event_)
        on_event_({PullEvent::Kind::Resolved, "", 0,
                   std::accumulate(jobs_.begin(), jobs_.end(), std::int64_t{0},
                                   [](std::int64_t sum, const Job& job) {
                                       return sum + (job.has_blob ? 0 : job.layer->blob.size);
                                   })});
    TRY(get_all());
    if (interrupted()) return Error(ErrorKind::Cancelled, "interrupted");
    StagedImage staged;
    staged.config = image.config;
    staged.manifest = image.manifest;
    staged.repo_digest = image.digest;
    staged.names = {store_name(reference_)};
    for (const RemoteLayer& layer : image.layers)
        staged.layers.push_back(std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) {
                                    return job.layer->blob.digest == layer.blob.digest;
                                })->staged);
    std::string id = TRY(publish(root_, staged));
    for (const Job& job : jobs_) ::unlink((job.part + ".lock").c_str());
    return id;
}

}  // namespace

Result<Pulled> pull(Store& store, const RegistrySettings& settings, const PullRequest& request,
                    const OnPullEvent& on_event) {
    const Reference reference = TRY(parse_reference(request.image));
    const std::string& root = store.data_root();
    const auto pull_it = [&]() -> Result<Pulled> {
        const Platform platform = TRY(parse_platform(request.platform));
        const std::unique_ptr<Registry> registry =
            TRY(Registry::open(settings, reference.domain, reference.path, Registry::Use::Read));
        Pulled pulled;
        const std::vector<IndexEntry> before = TRY(read_index(root));
        const auto known = std::find_if(before.begin(), before.end(), [&](const IndexEntry& entry) {
            return entry.name == store_name(reference);
        });
        const RemoteImage image =
            TRY(fetch_image(*registry, reference.path,
                            reference.digest.empty() ? reference.tag : reference.digest, platform));
        pulled.digest = image.digest;
        pulled.host = image.host;
        pulled.id = TRY(Puller(root, *registry, reference, on_event).run(image));
        pulled.changed = known == before.end() || known->image_id != pulled.id;
        return pulled;
    };
    Result<Pulled> pulled = pull_it();
    if (!pulled)
        return explain_full_disk(std::move(pulled).error().doing("pull '{}'", request.image), root);
    return pulled;
}

}  // namespace davit::image
