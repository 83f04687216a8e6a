#include "cli/image_prune.h"

#include "base/strings.h"
#include "cli/images_in_use.h"
#include "cli/terminal.h"
#include "cli/when.h"
#include "image/parts.h"
#include "image/store_check.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::cli {
namespace {

using builder::CacheEntry;

Result<bool> takes(const CacheEntry& entry, const std::string& filter) {
    const std::size_t equals = filter.find('=');
    const std::string key = filter.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : filter.substr(equals + 1);
    if (key == "id") return entry.id.starts_with(value);
    if (key == "type") return value == (entry.mount ? "exec.cachemount" : "regular");
    if (key == "until" || key == "unused-for") {
        const auto time = TRY(parse_when(value, "--filter until"));
        const std::chrono::system_clock::time_point used{std::chrono::seconds(entry.last_used)};
        return time && used < *time;
    }
    return Error(ErrorKind::InvalidInput, fmt::format("invalid filter '{}'", printable(key)))
        .help("use until, id or type");
}

}  // namespace

Result<std::vector<image::Image>> unused_images(const std::string& data_root, bool all,
                                                const std::vector<std::string>& filter) {
    const std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    if (!store) return std::vector<image::Image>();
    const ImageFilter wanted = TRY(parse_image_filter(filter, *store));
    const bool named = all || wanted.dangling == false;
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    std::vector<image::Image> unused;
    for (image::Image& image : TRY(store->list())) {
        if (in_use.contains(image.id) || (!named && !image.names.empty())) continue;
        if (take_image(wanted, image)) unused.push_back(std::move(image));
    }
    return unused;
}

Intent intent_of(const image::Image& image) {
    const std::string id = image.id.substr(0, 12);
    return {'-', "remove", "image",
            image.names.empty() ? id : image::canonical(image.names.front()),
            "no container was made of it"};
}

Result<PrunedImages> prune_images(const std::string& data_root, bool all,
                                  const std::vector<std::string>& filter) {
    image::Store store = TRY(image::Store::open(data_root));
    const std::vector<image::Image> images = TRY(unused_images(data_root, all, filter));
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    const image::StoreUsage before = TRY(image::usage(store, in_use));
    PrunedImages pruned;
    for (const image::Image& image : images) {
        const Result<image::Removed> removed = remove_image(store, image.id, true);
        // Gone or taken meanwhile: then it is not ours to remove.
        if (!removed) continue;
        for (const std::string& name : removed->untagged)
            pruned.lines += fmt::format("untagged: {}\n", harmless(name));
        for (const std::string& id : removed->deleted)
            pruned.lines += fmt::format("deleted: {}\n", harmless(id));
    }
    const image::StoreUsage after = TRY(image::usage(store, in_use));
    pruned.bytes = std::max<std::int64_t>(before.bytes - after.bytes, 0);
    // Downloads that broke off belong to no image yet, and to no filter.
    if (filter.empty()) pruned.bytes += TRY(image::sweep_parts(data_root, std::chrono::seconds(0)));
    return pruned;
}

Result<std::vector<CacheEntry>> unused_cache(const std::string& data_root,
                                             const CachePrune& request) {
    const std::vector<CacheEntry> entries = TRY(builder::list_cache(data_root));
    std::vector<CacheEntry> going;
    std::int64_t kept = 0;
    for (const CacheEntry& entry : entries) {
        bool wanted = request.all || !entry.shared;
        for (const std::string& filter : request.filters)
            wanted = TRY(takes(entry, filter)) && wanted;
        const bool fits = kept + entry.bytes <= request.keep_bytes && request.keep_bytes > 0;
        if (!entry.shared && fits) kept += entry.bytes;
        if (wanted && !fits) going.push_back(entry);
    }
    return going;
}

Result<builder::CachePruned> prune_build_cache(const std::string& data_root,
                                               const CachePrune& request) {
    const std::vector<CacheEntry> going = TRY(unused_cache(data_root, request));
    return remove_cache(data_root, going);
}

}  // namespace davit::cli
