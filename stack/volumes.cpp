#include "stack/volumes.h"

#include "base/duration.h"
#include "base/random.h"
#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::stack {
namespace {

bool can_be_name(const std::string& name) {
    const auto fits = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    return name.size() >= 2 && name.size() <= 255 &&
           std::isalnum(static_cast<unsigned char>(name.front())) != 0 &&
           std::all_of(name.begin(), name.end(), fits);
}

std::string anonymous_root(const Paths& paths, const std::string& project) {
    return paths.project(project) + "/anonymous";
}

/// Folders projects/<project>/anonymous/<container>/<name>.
Result<void> add_anonymous(const Paths& paths, const std::string& project,
                           const std::map<std::string, ContainerRecord>& containers,
                           std::vector<VolumeView>& volumes) {
    const std::string root = anonymous_root(paths, project);
    for (const std::string& container : TRY(list_directory(root))) {
        for (const std::string& name : TRY(list_directory(root + "/" + container))) {
            VolumeView view;
            view.record.name = name;
            view.record.project = project;
            view.record.labels["com.docker.volume.anonymous"] = "";
            view.mountpoint = root + "/" + container + "/" + name + "/_data";
            view.anonymous = true;
            const auto owner = containers.find(container);
            if (owner != containers.end()) {
                view.users.push_back(container);
                view.record.created = owner->second.created;
            }
            volumes.push_back(std::move(view));
        }
    }
    return {};
}

/// Taken while a volume is removed, so that no `up` of its project is just about to use it.
Result<std::optional<FileLock>> lock_owner(const Paths& paths, const std::string& project) {
    if (project.empty() || !exists(paths.project(project))) return std::optional<FileLock>();
    return std::optional<FileLock>(TRY(FileLock::exclusive(paths.project_lock(project))));
}

Result<VolumeView> find_volume(const Paths& paths, const std::string& name) {
    const std::vector<VolumeView> volumes = TRY(list_volumes(paths));
    std::vector<std::string> names;
    for (const VolumeView& view : volumes) {
        if (view.record.name == name) return view;
        names.push_back(view.record.name);
    }
    const auto near = nearest(name, names);
    return Error(ErrorKind::NotFound, fmt::format("no such volume: {}", printable(name)))
        .help(near ? fmt::format("the nearest name is '{}'", *near)
                   : std::string("'davit volume ls' lists those that are there"));
}

Result<void> remove_data(const Paths& paths, const VolumeView& view) {
    if (!view.anonymous) return remove_tree(paths.volumes() + "/" + view.record.name);
    const std::string folder = view.mountpoint.substr(0, view.mountpoint.rfind('/'));
    TRY(remove_tree(folder));
    // The folder of its container, if that was the last.
    ::rmdir(folder.substr(0, folder.rfind('/')).c_str());
    return {};
}

}  // namespace

Result<std::vector<VolumeView>> list_volumes(const Paths& paths) {
    std::vector<VolumeView> volumes;
    for (auto& [name, record] : TRY(read_volumes(paths))) {
        VolumeView view;
        view.mountpoint = paths.volumes() + "/" + name + "/_data";
        view.record = std::move(record);
        volumes.push_back(std::move(view));
    }
    for (const std::string& project : TRY(list_projects(paths))) {
        const auto containers = TRY(read_containers(paths, project));
        for (const auto& [name, record] : containers) {
            for (const MountRecord& mount : record.mounts) {
                if (mount.type != "volume" || mount.anonymous) continue;
                for (VolumeView& view : volumes)
                    if (view.record.name == mount.name) view.users.push_back(name);
            }
        }
        TRY(add_anonymous(paths, project, containers, volumes));
    }
    std::sort(volumes.begin(), volumes.end(), [](const VolumeView& a, const VolumeView& b) {
        return a.record.name < b.record.name;
    });
    return volumes;
}

Result<std::string> create_volume(const Paths& paths, const NewVolume& wanted) {
    if (wanted.driver != "local")
        return Error(ErrorKind::Unsupported,
                     fmt::format("the volume driver '{}' is not there", printable(wanted.driver)))
            .help("use 'local'");
    for (const auto& [key, value] : wanted.options)
        if (key != "type" && key != "o" && key != "device")
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the option '{}' means nothing", printable(key)))
                .help("the driver 'local' knows type, o and device");
    if (!wanted.options.empty())
        return Error(ErrorKind::Unsupported, "volumes with options are not supported yet")
            .help("leave --opt out, and mount a folder with 'volumes' of the service instead");
    const std::string name = wanted.name.empty() ? random_hex(32) : wanted.name;
    if (!can_be_name(name))
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' can't be the name of a volume", printable(name)))
            .help("use letters, digits, '_', '.' and '-' only, at least two of them");
    const auto known = TRY(read_volumes(paths));
    if (const auto there = known.find(name); there != known.end()) {
        if (there->second.options == wanted.options) return name;
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("volume '{}' exists with other options", name))
            .help(fmt::format("remove it first: davit volume rm {}", name));
    }
    VolumeRecord record;
    record.name = name;
    record.created = rfc3339(std::chrono::system_clock::now());
    record.labels = wanted.labels;
    record.options = wanted.options;
    TRY(make_volume(paths, record));
    return name;
}

Result<void> make_volume(const Paths& paths, const VolumeRecord& record) {
    const std::string folder = paths.volumes() + "/" + record.name;
    TRY(make_directories(paths.volumes(), 0711));
    TRY(make_directories(folder, 0711));
    TRY(make_directories(folder + "/_data", 0755));
    return write_record(paths, record);
}

Result<void> remove_volume(const Paths& paths, const std::string& name) {
    const VolumeView found = TRY(find_volume(paths, name));
    const auto lock = TRY(lock_owner(paths, found.record.project));
    const VolumeView view = TRY(find_volume(paths, name));
    if (!view.users.empty())
        return Error(ErrorKind::Busy, fmt::format("remove {}: volume is in use - [{}]", name,
                                                  fmt::join(view.users, ", ")))
            .help("remove these containers first");
    return remove_data(paths, view);
}

Result<std::vector<std::string>> prune_volumes(const Paths& paths, bool named) {
    std::vector<std::string> removed;
    for (const VolumeView& found : TRY(list_volumes(paths))) {
        if (!found.users.empty() || !(found.anonymous || named)) continue;
        const auto lock = TRY(lock_owner(paths, found.record.project));
        const Result<VolumeView> view = find_volume(paths, found.record.name);
        if (!view || !view->users.empty()) continue;  // gone, or in use by now
        TRY(remove_data(paths, *view));
        removed.push_back(found.record.name);
    }
    return removed;
}

}  // namespace davit::stack
