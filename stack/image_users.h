#pragma once

#include "base/file.h"
#include "base/result.h"
#include "image/store.h"
#include "stack/records.h"

#include <map>
#include <set>
#include <string>
#include <utility>

/// Containers use images, and commands remove images. Without a lock of their own an image that was
/// just chosen for a container would be removed before the container's record says so.
namespace davit::stack {

/// Ids of the images that containers of any project of this data root were made of.
Result<std::set<std::string>> images_in_use(const Paths& paths);

/// Runs `remove` with the images in use. Until it returns no container is written down.
template <typename Remove>
auto remove_images(const Paths& paths, Remove remove)
    -> decltype(remove(std::declval<const std::set<std::string>&>())) {
    const FileLock lock = TRY(FileLock::exclusive(paths.data_root + "/images/users.lock"));
    const std::set<std::string> in_use = TRY(images_in_use(paths));
    return remove(in_use);
}

/// Writes the record of a container, from when on nobody removes its image, nor those that it
/// mounts. @errors NotFound where one of them was removed since it was chosen
Result<void> write_image_user(const Paths& paths, const ContainerRecord& record,
                              const image::Image& image,
                              const std::map<std::string, image::Image>& mounted);

}  // namespace davit::stack
