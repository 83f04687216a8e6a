#include "cli/images_in_use.h"

#include "stack/image_users.h"

namespace davit::cli {
namespace {

stack::Paths paths_of(const std::string& data_root) {
    stack::Paths paths;
    paths.data_root = data_root;
    return paths;
}

}  // namespace

Result<std::set<std::string>> images_in_use(const std::string& data_root) {
    return stack::images_in_use(paths_of(data_root));
}

Result<image::Removed> remove_image(image::Store& store, const std::string& text, bool force) {
    return stack::remove_images(paths_of(store.data_root()), [&](const auto& in_use) {
        return store.remove(text, in_use, force);
    });
}

Result<builder::CachePruned> remove_cache(const std::string& data_root,
                                          const std::vector<builder::CacheEntry>& going) {
    return stack::remove_images(paths_of(data_root), [&](const auto& in_use) {
        return builder::prune_cache(data_root, going, in_use);
    });
}

}  // namespace davit::cli
