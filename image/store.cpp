#include "image/store.h"

#include "image/store_files.h"

#include <algorithm>
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
        image.names.push_back(std::move(name));
    }
    const Json config = TRY(read_blob(data_root, image.id));
    image.created = string_or(config, "created");
    image.config = TRY(parse_image_config(config));
    image.diff_ids = TRY(parse_diff_ids(config));
    for (auto diff_id = image.diff_ids.rbegin(); diff_id != image.diff_ids.rend(); ++diff_id) {
        const std::string folder = layer_path(data_root, *diff_id);
        const Json meta = TRY(read_record(folder + "/meta.json", 1));
        image.size_bytes += integer_or(meta, "size");
        image.layers.push_back(folder + "/diff");
    }
    return image;
}

Error not_in_store(const std::string& text) {
    return Error(ErrorKind::NotFound, fmt::format("image '{}' is not in the store", text))
        .help(fmt::format("load it: davit load -i ARCHIVE, or import a root file system: davit "
                          "import ROOTFS.tar {}",
                          text));
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
                    !reference->digest.empty() && entry.manifest_digest == reference->digest;
                if (entry.name == canonical(*reference) || by_digest) return entry.image_id;
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

/// Layers that `id` has and no other image of `entries` needs.
Result<std::vector<std::string>> exclusive_layers(const std::string& data_root,
                                                  const std::vector<IndexEntry>& entries,
                                                  const std::string& id) {
    std::set<std::string> needed;
    for (const IndexEntry& entry : entries) {
        if (entry.image_id == id) continue;
        const Json config = TRY(read_blob(data_root, entry.image_id));
        const std::vector<std::string> others = TRY(parse_diff_ids(config));
        needed.insert(others.begin(), others.end());
    }
    const Json config = TRY(read_blob(data_root, id));
    std::vector<std::string> own = TRY(parse_diff_ids(config));
    std::erase_if(own, [&](const std::string& layer) { return needed.contains(layer); });
    return own;
}

/// What `docker rmi` calls a name.
std::string shown(const std::string& name) {
    const Result<Reference> reference = parse_reference(name);
    if (!reference) return name;
    return familiar_repository(*reference) + (reference->tag.empty() ? "" : ":" + reference->tag);
}

}  // namespace

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
        Image image = TRY_DOING(read_image(root_, entries_of(entries, id)), "read image '{}'",
                                id.substr(0, 12));
        images.push_back(std::move(image));
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

Result<Removed> Store::remove(const std::string& text, const std::set<std::string>& ids_in_use,
                              bool force) {
    Removed removed;
    std::vector<std::string> trash;
    {
        const FileLock lock = TRY(lock_store(root_));
        std::vector<IndexEntry> entries = TRY(read_index(root_));
        const std::string id = TRY(resolve(entries, text));
        const std::vector<IndexEntry> own = entries_of(entries, id);
        const Result<Reference> reference = parse_reference(text);
        const bool by_name =
            reference && std::any_of(own.begin(), own.end(), [&](const IndexEntry& entry) {
                return entry.name == canonical(*reference);
            });
        const bool last = !by_name || own.size() == 1;
        if (!by_name && own.size() > 1 && !force)
            return Error(ErrorKind::Busy, fmt::format("image '{}' has {} names", text, own.size()))
                .help("remove it by name, or use --force");
        if (last && ids_in_use.contains(id))
            return Error(ErrorKind::Busy, fmt::format("image '{}' is used by a container", text))
                .help("remove the container first: davit down");
        for (const IndexEntry& entry : own) {
            if (by_name && entry.name != canonical(*reference)) continue;
            if (!entry.name.empty()) removed.untagged.push_back(shown(entry.name));
        }
        std::vector<std::string> layers;
        if (last) layers = TRY(exclusive_layers(root_, entries, id));
        std::erase_if(entries, [&](const IndexEntry& entry) {
            return entry.image_id == id && (last || entry.name == canonical(*reference));
        });
        // First out of the index, then out of sight, then off the disk: a kill in between leaves
        // only what nobody refers to.
        TRY(write_index(root_, entries));
        if (!last) return removed;
        removed.deleted.push_back("sha256:" + id);
        for (const std::string& layer : layers) {
            const std::string gone = fmt::format("{}/images/tmp/removed-{}", root_, layer);
            if (::rename(layer_path(root_, layer).c_str(), gone.c_str()) == 0)
                trash.push_back(gone);
            removed.deleted.push_back("sha256:" + layer);
        }
        TRY(remove_tree(blob_path(root_, id)));
        TRY(remove_tree(blob_path(root_, own.front().manifest_digest)));
    }
    for (const std::string& folder : trash) TRY(remove_tree(folder));
    return removed;
}

}  // namespace davit::image
