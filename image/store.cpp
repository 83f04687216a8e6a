#include "image/store.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "image/staging.h"
#include "image/store_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>

namespace davit::image {
namespace {

/// The image of `entries` (all of one image), from its documents and its layers' notes.
Result<Image> read_image(const std::string& data_root, const std::vector<IndexEntry>& entries) {
    Image image;
    const IndexEntry& first = entries.front();
    image.id = first.image_id;
    image.manifest_digest = first.manifest_digest;
    for (const IndexEntry& entry : entries) {
        if (entry.name.empty()) continue;
        Reference name = TRY(parse_reference(entry.name));
        image.pulled_at = std::max(image.pulled_at, entry.pulled_at);
        if (hex_of(entry.repo_digest).ok())
            image.repo_digests.push_back({name.domain, name.path, "", entry.repo_digest});
        image.names.push_back(std::move(name));
    }
    const Json config = TRY(read_blob(data_root, image.id));
    image.created = string_or(config, "created");
    image.config = TRY(parse_image_config(config));
    image.diff_ids = TRY(parse_diff_ids(config));
    for (auto diff_id = image.diff_ids.rbegin(); diff_id != image.diff_ids.rend(); ++diff_id) {
        const std::string folder = layer_path(data_root, *diff_id);
        const Json meta = TRY(read_record(folder + "/meta.json", 1));
        // overlayfs refuses a folder that stands in the list twice. The upper one alone gives the
        // same files: whatever the lower one has, the upper one has too.
        std::string diff = folder + "/diff";
        if (std::find(image.layers.begin(), image.layers.end(), diff) != image.layers.end())
            continue;
        image.size_bytes += integer_or(meta, "size");
        image.layers.push_back(std::move(diff));
    }
    return image;
}

Error not_in_store(const std::string& text) {
    return Error(ErrorKind::NotFound, fmt::format("image '{}' is not in the store", text))
        .help(fmt::format("pull it: davit pull {}, or load it: davit load -i ARCHIVE", text));
}

bool looks_like_id(std::string_view text) {
    return text.size() >= 4 && text.size() <= 64 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// The id of the image that `text` means. See Store::find.
Result<std::string> resolve(const std::vector<IndexEntry>& entries, const std::string& text) {
    const std::string_view hex =
        text.starts_with("sha256:") ? std::string_view(text).substr(7) : std::string_view(text);
    if (!text.starts_with("sha256:")) {
        const Result<Reference> reference = parse_reference(text);
        if (!reference && !looks_like_id(hex)) return reference.error();
        if (reference) {
            for (const IndexEntry& entry : entries) {
                const bool by_digest =
                    !reference->digest.empty() && (entry.manifest_digest == reference->digest ||
                                                   entry.repo_digest == reference->digest);
                if (entry.name == store_name(*reference) || by_digest) return entry.image_id;
            }
        }
    }
    std::set<std::string> ids;
    for (const IndexEntry& entry : entries) {
        if (looks_like_id(hex) && entry.image_id.starts_with(hex)) ids.insert(entry.image_id);
    }
    if (ids.size() > 1)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is the beginning of {} images", text, ids.size()))
            .help("give more digits of the id");
    if (ids.empty()) return not_in_store(text);
    return *ids.begin();
}

std::vector<IndexEntry> entries_of(const std::vector<IndexEntry>& all, const std::string& id) {
    std::vector<IndexEntry> own;
    for (const IndexEntry& entry : all) {
        if (entry.image_id == id) own.push_back(entry);
    }
    return own;
}

/// What a store must keep.
struct Needed {
    std::set<std::string> layers;
    std::set<std::string> blobs;
};

/// What the images of `entries` and those of containers need. An image that is `in_use` and not in
/// the index has lost its line there; its containers run on.
Result<Needed> needed_by(const std::string& data_root, const std::vector<IndexEntry>& entries,
                         const std::set<std::string>& in_use) {
    Needed needed;
    std::set<std::string> ids;
    for (const IndexEntry& entry : entries) {
        ids.insert(entry.image_id);
        needed.blobs.insert(TRY(hex_of(entry.manifest_digest)));
        const Json manifest = TRY_DOING(read_blob(data_root, entry.manifest_digest),
                                        "read image '{}'", entry.image_id.substr(0, 12));
        const std::vector<Blob> layers = TRY(manifest_layers(manifest));
        for (const Blob& layer : layers) needed.blobs.insert(layer.digest);
        needed.blobs.insert(TRY(manifest_config(manifest)));
    }
    for (const std::string& id : in_use) {
        if (exists(blob_path(data_root, id))) ids.insert(id);
    }
    for (const std::string& id : ids) {
        needed.blobs.insert(id);
        const Json config =
            TRY_DOING(read_blob(data_root, id), "read image '{}'", id.substr(0, 12));
        const std::vector<std::string> layers = TRY(parse_diff_ids(config));
        needed.layers.insert(layers.begin(), layers.end());
    }
    return needed;
}

/// What builds have made stays for the next one, as with Docker: removing an image gives nothing of
/// it back, `builder prune` does.
Result<void> keep_build_cache(const std::string& data_root, Needed& needed) {
    const std::set<std::string> layers = TRY(layers_of_builds(data_root));
    for (const std::string& layer : layers) {
        needed.layers.insert(layer);
        if (const auto blob = blob_of_layer(data_root, layer)) needed.blobs.insert(blob->digest);
    }
    return {};
}

/// Moves a layer out of sight. Needs the store's lock.
Result<void> throw_away(const std::string& data_root, const std::string& layer,
                        const std::string& trash) {
    const std::string place = layer_path(data_root, layer);
    FAILPOINT("image.discard");
    if (::rename(place.c_str(), fmt::format("{}/{}", trash, layer).c_str()) == 0) return {};
    const int error_number = errno;
    if (error_number == ENOENT) return {};
    return Error::from_errno(error_number, "rename(2)").doing("remove layer '{}'", place);
}

/// Moves every layer that nobody needs to `trash` and removes such documents: those of the image
/// that goes, and what commands left that were killed. Returns the layers. Needs the store's lock.
Result<std::vector<std::string>> sweep(const std::string& data_root, const Needed& needed,
                                       const std::string& trash) {
    std::vector<std::string> swept;
    const std::vector<std::string> layers = TRY(list_directory(data_root + "/layers"));
    for (const std::string& layer : layers) {
        if (needed.layers.contains(layer) || !hex_of(layer).ok()) continue;
        TRY(throw_away(data_root, layer, trash));
        swept.push_back(layer);
    }
    for (const std::string& blob : TRY(list_blobs(data_root))) {
        if (!needed.blobs.contains(blob)) TRY(remove_tree(blob_path(data_root, blob)));
    }
    return swept;
}

/// While a build runs, layers that no image has may be its own: then only those of the images that
/// go can go.
Result<void> keep_for_builds(const std::string& data_root, const std::vector<IndexEntry>& going,
                             Needed& needed) {
    const Needed theirs = TRY(needed_by(data_root, going, {}));
    for (const std::string& layer : TRY(list_directory(data_root + "/layers")))
        if (!theirs.layers.contains(layer)) needed.layers.insert(layer);
    for (const std::string& blob : TRY(list_blobs(data_root)))
        if (!theirs.blobs.contains(blob)) needed.blobs.insert(blob);
    return {};
}

/// What `docker rmi` calls a name.
std::string shown(const std::string& name) {
    const Result<Reference> reference = parse_reference(name);
    if (!reference) return name;
    return familiar_repository(*reference) + (reference->tag.empty() ? "" : ":" + reference->tag);
}

}  // namespace

Result<std::int64_t> Store::remove_layers(const std::set<std::string>& diff_ids,
                                          const std::set<std::string>& ids_in_use) {
    const Staging trash = TRY(Staging::open(root_));
    const FileLock lock = TRY(lock_store(root_));
    const std::vector<IndexEntry> entries = TRY(read_index(root_));
    const Needed needed = TRY(needed_by(root_, entries, ids_in_use));
    std::int64_t bytes = 0;
    for (const std::string& layer : diff_ids) {
        if (needed.layers.contains(layer) || !hex_of(layer).ok()) continue;
        const Result<Json> notes = read_record(layer_path(root_, layer) + "/meta.json", 1);
        if (!notes) continue;
        bytes += integer_or(*notes, "size");
        const std::optional<Blob> blob = blob_of_layer(root_, layer);
        TRY(throw_away(root_, layer, trash.path()));
        if (!blob || needed.blobs.contains(blob->digest)) continue;
        TRY(remove_tree(blob_path(root_, blob->digest)));
        bytes += blob->size;
    }
    return bytes;
}

Result<Store> Store::open(const std::string& data_root) {
    for (const char* folder : {"/images/blobs/sha256", "/images/tmp", "/layers"})
        TRY_DOING(make_directories(data_root + folder, 0700), "open the data root");
    const std::string layout = data_root + "/images/oci-layout";
    if (!exists(layout))
        TRY(write_atomically(layout, "{\"imageLayoutVersion\": \"1.0.0\"}\n", 0644, Sync::No));
    if (!exists(data_root + "/images/index.json")) {
        const FileLock lock = TRY(lock_store(data_root));
        if (!exists(data_root + "/images/index.json")) TRY(write_index(data_root, {}));
    }
    return Store(data_root);
}

Result<std::optional<Store>> Store::open_existing(const std::string& data_root) {
    if (!exists(data_root + "/images/index.json")) return std::optional<Store>();
    return std::optional<Store>(Store(data_root));
}

Result<std::vector<Image>> Store::list() const {
    const std::vector<IndexEntry> entries = TRY(read_index(root_));
    std::set<std::string> ids;
    for (const IndexEntry& entry : entries) ids.insert(entry.image_id);
    std::vector<Image> images;
    for (const std::string& id : ids) {
        Result<Image> image = read_image(root_, entries_of(entries, id));
        if (image) {
            images.push_back(*std::move(image));
            continue;
        }
        // One that is damaged must not hide the others.
        log::warn("image", "cannot read image '{}': {}, ignoring", id.substr(0, 12),
                  image.error().to_string());
    }
    // RFC 3339 in UTC sorts as text.
    std::stable_sort(images.begin(), images.end(),
                     [](const Image& a, const Image& b) { return a.created > b.created; });
    return images;
}

Result<Image> Store::find(const std::string& text) const {
    const std::vector<IndexEntry> entries = TRY(read_index(root_));
    const std::string id = TRY(resolve(entries, text));
    return TRY_DOING(read_image(root_, entries_of(entries, id)), "read image '{}'", text);
}

Result<void> Store::tag(const std::string& source, const std::string& target) {
    const Reference reference = TRY(parse_reference(target));
    if (!reference.digest.empty())
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' has a digest: a new name can't", target));
    const FileLock lock = TRY(lock_store(root_));
    std::vector<IndexEntry> entries = TRY(read_index(root_));
    const std::string id = TRY(resolve(entries, source));
    IndexEntry entry = entries_of(entries, id).front();
    entry.name = canonical(reference);
    // What another registry knows it as says nothing about the new name.
    entry.repo_digest.clear();
    entry.pulled_at = 0;
    const auto holder = std::find_if(entries.begin(), entries.end(),
                                     [&](const IndexEntry& one) { return one.name == entry.name; });
    if (holder != entries.end()) {
        if (holder->image_id == id) return {};
        if (entries_of(entries, holder->image_id).size() > 1)
            entries.erase(holder);
        else
            holder->name.clear();
    }
    std::erase_if(entries,
                  [&](const IndexEntry& one) { return one.image_id == id && one.name.empty(); });
    entries.push_back(std::move(entry));
    return write_index(root_, entries);
}

namespace {

/// What of the index goes with a name or an id.
struct Removal {
    std::string id = {};
    std::vector<IndexEntry> own = {};  ///< All of the image.
    std::string name = {};             ///< That goes; empty: all of them.
    bool last = false;                 ///< The image goes with it.
    std::vector<std::string> untagged = {};
};

Result<Removal> removal_of(const std::vector<IndexEntry>& entries, const std::string& text,
                           const std::set<std::string>& ids_in_use, bool force) {
    Removal removal;
    removal.id = TRY(resolve(entries, text));
    removal.own = entries_of(entries, removal.id);
    const std::vector<IndexEntry>& own = removal.own;
    if (const Result<Reference> reference = parse_reference(text))
        for (const IndexEntry& entry : own)
            if (entry.name == store_name(*reference)) removal.name = entry.name;
    const bool by_name = !removal.name.empty();
    removal.last = !by_name || own.size() == 1;
    if (!by_name && own.size() > 1 && !force)
        return Error(ErrorKind::Busy, fmt::format("image '{}' has {} names", text, own.size()))
            .help("remove it by name, or use --force");
    if (removal.last && ids_in_use.contains(removal.id))
        return Error(ErrorKind::Busy, fmt::format("image '{}' is used by a container", text))
            .help("remove the container first: davit down");
    for (const IndexEntry& entry : own)
        if (!entry.name.empty() && (!by_name || entry.name == removal.name))
            removal.untagged.push_back(shown(entry.name));
    return removal;
}

}  // namespace

Result<Removed> Store::preview_remove(const std::string& text,
                                      const std::set<std::string>& ids_in_use, bool force) const {
    const std::vector<IndexEntry> entries = TRY(read_index(root_));
    Removal removal = TRY(removal_of(entries, text, ids_in_use, force));
    Removed removed;
    removed.untagged = std::move(removal.untagged);
    if (removal.last) removed.deleted.push_back("sha256:" + removal.id);
    return removed;
}

Result<Removed> Store::remove(const std::string& text, const std::set<std::string>& ids_in_use,
                              bool force) {
    Removed removed;
    // What is removed goes here and is deleted last of all, when the lock is free again.
    const Staging trash = TRY(Staging::open(root_));
    {
        const FileLock lock = TRY(lock_store(root_));
        std::vector<IndexEntry> entries = TRY(read_index(root_));
        Removal removal = TRY(removal_of(entries, text, ids_in_use, force));
        removed.untagged = std::move(removal.untagged);
        std::erase_if(entries, [&](const IndexEntry& entry) {
            return entry.image_id == removal.id && (removal.last || entry.name == removal.name);
        });
        Needed needed;
        if (removal.last) {
            needed = TRY(needed_by(root_, entries, ids_in_use));
            TRY(keep_build_cache(root_, needed));
            if (build_runs(root_)) TRY(keep_for_builds(root_, removal.own, needed));
        }
        // First out of the index, then out of sight, then off the disk: a kill in between leaves
        // only what nobody refers to.
        FAILPOINT("image.remove");
        TRY(write_index(root_, entries));
        if (!removal.last) return removed;
        removed.deleted.push_back("sha256:" + removal.id);
        const std::vector<std::string> layers = TRY(sweep(root_, needed, trash.path()));
        for (const std::string& layer : layers) removed.deleted.push_back("sha256:" + layer);
    }
    return removed;
}

}  // namespace davit::image
