#include "cli/images_in_use.h"

#include "stack/records.h"

namespace davit::cli {

Result<std::set<std::string>> images_in_use(const std::string& data_root) {
    stack::Paths paths;
    paths.data_root = data_root;
    std::set<std::string> in_use;
    const std::vector<std::string> projects = TRY(stack::list_projects(paths));
    for (const std::string& project : projects) {
        const auto containers = TRY(stack::read_containers(paths, project));
        for (const auto& [name, record] : containers) {
            if (!record.image_id.empty()) in_use.insert(record.image_id);
            for (const stack::MountRecord& mount : record.mounts)
                if (mount.type == "image" && !mount.name.empty()) in_use.insert(mount.name);
        }
    }
    return in_use;
}

}  // namespace davit::cli
