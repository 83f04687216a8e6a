#include "image/layer_stage.h"

#include "base/digest.h"
#include "base/failpoint.h"
#include "base/parallel.h"
#include "base/sys.h"
#include "image/digests.h"
#include "image/gzip_sink.h"
#include "image/layer_unpack.h"
#include "image/read_ahead.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
namespace {

Error mismatch(std::string_view of, const std::string& found, std::string_view who,
               const std::string& said) {
    return Error(ErrorKind::InvalidInput, fmt::format("{} {}, and the {} says {}", of,
                                                      full_digest(found), who, full_digest(said)));
}

std::string shown(const LayerJob& job) {
    return "layer" + (job.diff_id.empty() ? "" : " sha256:" + job.diff_id);
}

Error changed(const LayerJob& job) {
    return Error(ErrorKind::InvalidInput, shown(job) + " was changed while it was read");
}

Result<void> check_blob(const LayerJob& job, const std::string& found) {
    if (!job.digest.empty() && found != job.digest)
        return mismatch("its bytes are", found, "manifest", job.digest);
    return {};
}

/// What is known of a layer while its two halves are made side by side.
struct Work {
    LayerJob* job = nullptr;
    std::string media_type = {};
    UnpackedLayer unpacked = {};
    Blob blob = {};
    std::string blob_file = {};
    std::string compressed = {};  ///< Digest of what was read to be compressed.
};

bool is_compressed_first(const Work& work) {
    return work.media_type == kOciLayer && work.job->compress;
}

/// Unpacks, and hashes the file on the way, which is the blob unless it is compressed first. Of
/// somebody else's file a copy is made meanwhile: what is checked is what is kept, whatever happens
/// to the file.
Result<void> unpack_file(Work& work) {
    const LayerJob& job = *work.job;
    const std::unique_ptr<ByteSource> raw = TRY(open_range(job.file));
    const bool is_blob = !is_compressed_first(work);
    std::string file = job.file.path;
    UniqueFd copy;
    if (is_blob && job.keep_file) {
        file = job.scratch + ".copy";
        copy = TRY(sys::open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    }
    const UnpackLimits limits;
    CopyingSource copied(*raw, copy, limits);
    BlobSource blob(copy ? static_cast<ByteSource&>(copied) : *raw, job.digest);
    const bool plain = work.media_type == kOciLayer;
    if (job.folder.empty() && !plain && !job.diff_id.empty()) {
        // The store has the layer; what joins it must be the same.
        const std::unique_ptr<ByteSource> tar = TRY(decompress(blob));
        HashingSource hashed(*tar);
        TRY(hashed.drain());
        if (const std::string diff_id = std::move(hashed).hex(); diff_id != job.diff_id)
            return mismatch("its content is", diff_id, "image", job.diff_id);
        TRY(blob.drain());
    } else if (job.folder.empty()) {
        TRY(blob.drain());
    } else {
        work.unpacked = TRY(unpack_into(blob, job.folder, job.diff_id));
    }
    const std::int64_t size = blob.size();
    const std::string found = std::move(blob).key();
    TRY(check_blob(job, found));
    if (plain && job.folder.empty() && !job.diff_id.empty() && !is_sha512(found) &&
        found != job.diff_id)
        return mismatch("its content is", found, "image", job.diff_id);
    if (!is_blob) return {};
    // Looked at before it was copied.
    if (copy && TRY(layer_media_type({.path = file})) != work.media_type) return changed(job);
    work.blob = {found, size, work.media_type};
    work.blob_file = std::move(file);
    return {};
}

/// A plain tar as gzip, which becomes the blob.
Result<void> compress_file(Work& work) {
    const LayerJob& job = *work.job;
    const std::string path = job.scratch + ".gz";
    const std::unique_ptr<ByteSource> raw = TRY(open_range(job.file));
    // What is read for a second time may have changed meanwhile.
    HashingSource hashed(*raw);
    ByteSource& source = job.keep_file ? static_cast<ByteSource&>(hashed) : *raw;
    UniqueFd fd = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    FileSink file(std::move(fd));
    GzipSink gzip(file);
    std::vector<char> buffer(256U << 10U);
    for (;;) {
        const std::size_t got = TRY(source.read(buffer.data(), buffer.size()));
        if (got == 0) break;
        TRY_DOING(gzip.write({buffer.data(), got}), "write '{}'", path);
    }
    TRY_DOING(gzip.finish(), "write '{}'", path);
    TRY_DOING(file.flush(), "write '{}'", path);
    const std::int64_t size = file.size();
    work.blob = {std::move(file).hex(), size, kOciLayerGzip};
    work.blob_file = path;
    if (job.keep_file) work.compressed = std::move(hashed).hex();
    return {};
}

}  // namespace

Result<UniqueFd> make_layer_root(const std::string& folder) {
    TRY(make_directories(folder + "/diff", 0755));
    UniqueFd root = TRY(sys::open(folder + "/diff", O_RDONLY | O_DIRECTORY));
    // It is the container's "/" unless the archive says otherwise: no umask may close it.
    if (::fchmod(root.get(), 0755) == -1) return sys::failed("fchmod(2)");
    return root;
}

Result<std::string> layer_media_type(const FileRange& file) {
    const std::unique_ptr<ByteSource> source = TRY(open_range(file));
    char magic[4] = {};
    (void)TRY(source->read(magic, sizeof magic));
    using namespace std::string_view_literals;
    const std::string_view first(magic, sizeof magic);
    if (first.starts_with("\x1f\x8b"sv)) return std::string(kOciLayerGzip);
    if (first == "\x28\xb5\x2f\xfd"sv) return std::string(kOciLayerZstd);
    const bool skippable = (first[0] & '\xf0') == '\x50' && first.substr(1) == "\x2a\x4d\x18"sv;
    return std::string(skippable ? kOciLayerZstd : kOciLayer);
}

Result<UnpackedLayer> unpack_into(ByteSource& source, const std::string& folder,
                                  const std::string& diff_id) {
    FAILPOINT("image.unpack");
    const UniqueFd root = TRY(make_layer_root(folder));
    const std::unique_ptr<ByteSource> plain = TRY(decompress(source));
    UnpackedLayer layer;
    {
        ReadAhead ahead(*plain);
        HashingSource tar(ahead);
        const Unpacked unpacked = TRY(unpack_layer(tar, root, {}));
        TRY(tar.drain());
        layer.bytes = unpacked.bytes;
        layer.entries = unpacked.entries;
        layer.tar_size = tar.size();
        layer.diff_id = std::move(tar).hex();
    }
    if (!diff_id.empty() && layer.diff_id != diff_id)
        return mismatch("its content is", layer.diff_id, "image", diff_id);
    // What follows the last compressed member belongs to the blob as well.
    std::vector<char> rest(65536);
    while (TRY(source.read(rest.data(), rest.size())) > 0) {
    }
    return layer;
}

Result<void> write_layer_notes(const std::string& folder, const UnpackedLayer& unpacked,
                               const Blob& blob) {
    FAILPOINT("image.notes");
    return write_json(folder + "/meta.json",
                      {{"version", 1},
                       {"size", unpacked.bytes},
                       {"entries", unpacked.entries},
                       {"tar_size", unpacked.tar_size},
                       {"blob", full_digest(blob.digest)},
                       {"blob_size", blob.size},
                       {"media_type", blob.media_type}},
                      Sync::No);
}

Result<void> stage_layers(std::vector<LayerJob>& jobs) {
    std::vector<Work> works(jobs.size());
    std::vector<std::function<Result<void>()>> tasks;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        LayerJob& job = jobs[i];
        Work& work = works[i];
        work.job = &job;
        work.media_type = TRY(layer_media_type(job.file));
        tasks.emplace_back([&]() -> Result<void> {
            TRY_DOING(unpack_file(work), "unpack {}", shown(job));
            return {};
        });
        if (is_compressed_first(work))
            tasks.emplace_back([&]() -> Result<void> {
                TRY_DOING(compress_file(work), "compress {}", shown(job));
                return {};
            });
    }
    TRY(in_parallel(tasks.size(), 1, [&](std::size_t i) { return tasks[i](); }));
    for (const Work& work : works) {
        LayerJob& job = *work.job;
        job.staged.diff_id = job.diff_id.empty() ? work.unpacked.diff_id : job.diff_id;
        job.staged.folder = job.folder;
        if (!work.compressed.empty() && work.compressed != job.staged.diff_id) return changed(job);
        job.staged.blob = work.blob;
        job.staged.blob_file = work.blob_file;
        if (!job.folder.empty()) TRY(write_layer_notes(job.folder, work.unpacked, work.blob));
    }
    return {};
}

}  // namespace davit::image
