#include "stack/image_users.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::stack {

Result<std::set<std::string>> images_in_use(const Paths& paths) {
    std::set<std::string> in_use;
    const std::vector<std::string> projects = TRY(list_projects(paths));
    for (const std::string& project : projects) {
        const auto containers = TRY(read_containers(paths, project));
        for (const auto& [name, record] : containers) {
            if (!record.image_id.empty()) in_use.insert(record.image_id);
            for (const MountRecord& mount : record.mounts)
                if (mount.type == "image" && !mount.name.empty()) in_use.insert(mount.name);
        }
    }
    return in_use;
}

Result<void> write_image_user(const Paths& paths, const ContainerRecord& record,
                              const image::Image& image,
                              const std::map<std::string, image::Image>& mounted) {
    // Containers don't wait for each other.
    const FileLock lock = TRY(FileLock::shared(paths.data_root + "/images/users.lock"));
    const auto is_whole = [](const image::Image& one) {
        return std::all_of(one.layers.begin(), one.layers.end(), exists);
    };
    const bool all = is_whole(image) && std::all_of(mounted.begin(), mounted.end(), [&](auto& one) {
                         return is_whole(one.second);
                     });
    if (!all)
        return Error(ErrorKind::NotFound,
                     fmt::format("an image of '{}' was removed meanwhile", record.name))
            .help("give the command again: it gets the image, or says which one is missing");
    return write_record(paths, record);
}

}  // namespace davit::stack
