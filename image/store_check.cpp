#include "image/store_check.h"

#include "base/digest.h"
#include "base/sys.h"
#include "image/digests.h"
#include "image/layer_pack.h"
#include "image/layer_stage.h"
#include "image/staging.h"
#include "image/store_files.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>

namespace davit::image {
namespace {

class DigestSink : public ByteSink {
public:
    Result<void> write(std::string_view bytes) override {
        digest_.update(bytes);
        return {};
    }
    std::string hex() && { return std::move(digest_).hex(); }

private:
    Sha256 digest_;
};

/// What a layer's folder has in it, as one digest: that of the tar that it would make.
Result<std::string> tree_digest(const std::string& folder) {
    const UniqueFd root = TRY(sys::open(folder + "/diff", O_RDONLY | O_DIRECTORY));
    DigestSink sink;
    (void)TRY(pack_layer(root, sink, {}));
    return std::move(sink).hex();
}

/// The key of a file's bytes, by the algorithm of `key`.
Result<std::string> file_key(const std::string& path, const std::string& key) {
    UniqueFd fd = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW));
    const std::unique_ptr<ByteSource> source = read_descriptor(std::move(fd));
    BlobSource bytes(*source, key);
    TRY(bytes.drain());
    return std::move(bytes).key();
}

std::int64_t size_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

class Checker {
public:
    Checker(const std::string& data_root, bool repair, const std::set<std::string>& in_use)
        : root_(data_root), repair_(repair), in_use_(in_use) {}

    Result<CheckResult> run();

private:
    Result<void> check_image(const IndexEntry& entry);
    Result<void> check_layer(const IndexEntry& entry, const std::string& diff_id, const Blob& blob);
    Result<bool> check_blob(const IndexEntry& entry, const Blob& blob);
    Result<bool> replace(const std::string& diff_id, const std::string& fresh,
                         const std::string& trash);
    void found(const IndexEntry& entry, std::string what, bool repaired, std::string cure) {
        result_.findings.push_back({name_of(entry), std::move(what), repaired, std::move(cure)});
    }
    static std::string name_of(const IndexEntry& entry) {
        const Result<Reference> name = parse_reference(entry.name);
        if (entry.name.empty() || !name) return entry.image_id.substr(0, 12);
        return familiar_repository(*name) +
               (name->tag.empty() ? "@" + name->digest : ":" + name->tag);
    }
    static std::string pull_again(const IndexEntry& entry) {
        return entry.repo_digest.empty() ? "remove the image and load it again"
                                         : "pull it again: davit pull " + name_of(entry);
    }

    const std::string& root_;
    bool repair_;
    const std::set<std::string>& in_use_;
    std::set<std::string> seen_layers_;
    std::set<std::string> layers_in_use_;
    CheckResult result_;
};

/// Whether the blob is whole. One that isn't is taken away: it is no use, and hides the need.
Result<bool> Checker::check_blob(const IndexEntry& entry, const Blob& blob) {
    const std::string path = blob_path(root_, blob.digest);
    const std::string what = "layer " + short_digest(blob.digest);
    if (!exists(path)) {
        found(entry, what + ": its blob is missing", false, pull_again(entry));
        return false;
    }
    const std::string found_key = TRY(file_key(path, blob.digest));
    if (found_key == blob.digest) return true;
    if (repair_) TRY(remove_tree(path));
    found(entry, what + ": its blob is damaged", false, pull_again(entry));
    return false;
}

/// Puts the fresh layer in the place of the one that is there or not.
Result<bool> Checker::replace(const std::string& diff_id, const std::string& fresh,
                              const std::string& trash) {
    if (!repair_ || layers_in_use_.contains(diff_id)) return false;
    const FileLock lock = TRY(lock_store(root_));
    const std::string place = layer_path(root_, diff_id);
    if (::rename(place.c_str(), (trash + "/old").c_str()) == -1 && errno != ENOENT) {
        const int error_number = errno;
        return Error::from_errno(error_number, "rename(2)").doing("take layer '{}' away", place);
    }
    if (::rename(fresh.c_str(), place.c_str()) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "rename(2)").doing("move a layer to '{}'", place);
    }
    const UniqueFd folder = TRY(sys::open(root_ + "/layers", O_RDONLY | O_DIRECTORY));
    (void)::syncfs(folder.get());
    return true;
}

Result<void> Checker::check_layer(const IndexEntry& entry, const std::string& diff_id,
                                  const Blob& blob) {
    if (!seen_layers_.insert(diff_id).second) return {};
    ++result_.layers;
    const bool blob_is_whole = TRY(check_blob(entry, blob));
    const std::string place = layer_path(root_, diff_id);
    const std::string what = "layer " + short_digest(blob.digest);
    const bool there = exists(place + "/meta.json");
    if (!blob_is_whole) {
        if (!there) found(entry, what + ": it is not unpacked", false, pull_again(entry));
        return {};
    }
    // A fresh one beside it, to compare with and perhaps to take its place.
    const Staging staging = TRY(Staging::open(root_));
    const std::string fresh = staging.path() + "/layer";
    UniqueFd fd = TRY(sys::open(blob_path(root_, blob.digest), O_RDONLY | O_NOFOLLOW));
    const std::unique_ptr<ByteSource> source = read_descriptor(std::move(fd));
    const Result<UnpackedLayer> unpacked = unpack_into(*source, fresh, diff_id);
    if (!unpacked) {
        found(entry, what + ": " + unpacked.error().to_string(), false, pull_again(entry));
        return {};
    }
    TRY(write_layer_notes(fresh, *unpacked, blob));
    const Result<std::string> is = there ? tree_digest(place) : Result<std::string>("");
    const std::string should = TRY(tree_digest(fresh));
    if (is && *is == should) return {};
    const bool repaired = TRY(replace(diff_id, fresh, staging.path()));
    found(
        entry,
        what + (there ? ": the unpacked files are not those of its blob" : ": it is not unpacked"),
        repaired,
        layers_in_use_.contains(diff_id) ? "stop the containers of the image, then use --repair"
                                         : "use --repair");
    return {};
}

Result<void> Checker::check_image(const IndexEntry& entry) {
    ++result_.images;
    const Result<Json> manifest = read_blob(root_, entry.manifest_digest);
    const Result<Json> config = read_blob(root_, entry.image_id);
    for (const Result<Json>* document : {&manifest, &config}) {
        if (*document) continue;
        found(entry, document->error().to_string(), false, pull_again(entry));
        return {};
    }
    const Result<std::vector<Blob>> blobs = manifest_layers(*manifest);
    const Result<std::vector<std::string>> diff_ids = parse_diff_ids(*config);
    if (!blobs || !diff_ids || blobs->size() != diff_ids->size()) {
        found(entry, "manifest and configuration differ", false, pull_again(entry));
        return {};
    }
    for (std::size_t i = 0; i < blobs->size(); ++i)
        TRY(check_layer(entry, (*diff_ids)[i], (*blobs)[i]));
    return {};
}

Result<CheckResult> Checker::run() {
    const std::vector<IndexEntry> entries = TRY(read_index(root_));
    for (const std::string& id : in_use_) {
        const Result<Json> config = read_blob(root_, id);
        if (!config) continue;
        const Result<std::vector<std::string>> layers = parse_diff_ids(*config);
        if (layers) layers_in_use_.insert(layers->begin(), layers->end());
    }
    std::set<std::string> seen;
    for (const IndexEntry& entry : entries)
        if (seen.insert(entry.image_id).second)
            TRY_DOING(check_image(entry), "check image '{}'", name_of(entry));
    return std::move(result_);
}

}  // namespace

Result<CheckResult> check(const Store& store, bool repair,
                          const std::set<std::string>& ids_in_use) {
    return Checker(store.data_root(), repair, ids_in_use).run();
}

Result<StoreUsage> usage(const Store& store, const std::set<std::string>& ids_in_use) {
    const std::string& root = store.data_root();
    std::map<std::string, std::pair<std::int64_t, bool>> parts;  // size, and whether it is needed
    const std::vector<IndexEntry> entries = TRY(read_index(root));
    for (const IndexEntry& entry : entries) {
        const bool needed = ids_in_use.contains(entry.image_id);
        const auto add = [&](const std::string& path, std::int64_t size) {
            auto& part = parts[path];
            part = {size, part.second || needed};
        };
        const Result<Json> manifest = read_blob(root, entry.manifest_digest);
        const Result<Json> config = read_blob(root, entry.image_id);
        if (!manifest || !config) continue;
        const Result<std::vector<Blob>> blobs = manifest_layers(*manifest);
        for (const Blob& blob : blobs ? *blobs : std::vector<Blob>()) {
            const std::string path = blob_path(root, blob.digest);
            add(path, size_of(path));
        }
        const Result<std::vector<std::string>> diff_ids = parse_diff_ids(*config);
        for (const std::string& diff_id : diff_ids ? *diff_ids : std::vector<std::string>()) {
            const std::string path = layer_path(root, diff_id);
            const Result<Json> notes = read_record(path + "/meta.json", 1);
            if (notes) add(path, integer_or(*notes, "size"));
        }
    }
    StoreUsage total;
    for (const auto& [path, part] : parts) {
        total.bytes += part.first;
        if (!part.second) total.reclaimable += part.first;
    }
    return total;
}

}  // namespace davit::image
