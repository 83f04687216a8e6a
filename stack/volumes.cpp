#include "stack/volumes.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/random.h"
#include "base/scope_guard.h"
#include "base/strings.h"
#include "base/sys.h"
#include "stack/volume_mount.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/// Among the folders of containers, which are named otherwise: volumes whose container has gone.
constexpr const char* kOfNobody = "_removed";

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
    return view.anonymous ? erase_anonymous(view.mountpoint)
                          : erase_volume(paths, view.record.name);
}

// Names that no volume can have: what is being made or removed, perhaps by one who was killed.
constexpr const char* kInTheMaking = ".new-";
constexpr const char* kGoing = ".gone-";

/// Held by all who make a volume, while they do: what is in the making when nobody holds it is the
/// rest of one who was killed. Closed where `operation` doesn't wait and somebody has it.
Result<UniqueFd> lock_making(const Paths& paths, int operation) {
    UniqueFd folder = TRY(sys::open(paths.volumes(), O_RDONLY | O_DIRECTORY));
    if (sys::retry_on_eintr([&] { return ::flock(folder.get(), operation); }) == 0) return folder;
    if (errno == EWOULDBLOCK) return UniqueFd();
    return sys::failed("flock(2)").doing("lock '{}'", paths.volumes());
}

/// Several may be at it at once: what another one takes away meanwhile is gone as well.
Result<void> remove_gone(const std::string& path) {
    for (;;) {
        Result<void> done = remove_tree(path);
        if (done || done.error().kind() != ErrorKind::NotFound) return done;
        if (!exists(path)) return {};
    }
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
    TRY(parse_volume_options(wanted.options));
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
    if (exists(folder)) return {};
    const std::string fresh = paths.volumes() + "/" + kInTheMaking + random_hex(8);
    // No user of the host has business in there: a container's set-user-id programs may lie in it.
    // CVE-2021-41091
    TRY(make_directories(paths.volumes(), 0700));
    const UniqueFd alive = TRY(lock_making(paths, LOCK_SH));
    ScopeGuard undo([&] { (void)remove_tree(fresh); });
    TRY(make_directories(fresh, 0700));
    TRY(make_directories(fresh + "/_data", 0755));
    FAILPOINT("volume.record");
    TRY(write_record(fresh, record));
    FAILPOINT("volume.make");
    if (::rename(fresh.c_str(), folder.c_str()) == -1) {
        if (errno == EEXIST || errno == ENOTEMPTY) return {};  // somebody else was faster
        return Error::from_errno(errno, "rename(2)").doing("make volume '{}'", record.name);
    }
    undo.commit();
    return {};
}

Result<UniqueFd> hold_volume_making(const Paths& paths) {
    if (!exists(paths.volumes())) return UniqueFd();
    UniqueFd lock = TRY(lock_making(paths, LOCK_EX | LOCK_NB));
    if (!lock) return Error(ErrorKind::Busy, "a volume is being made");
    return lock;
}

Result<void> sweep_volumes(const Paths& paths) {
    std::vector<std::string> names = TRY(list_directory(paths.volumes()));
    std::erase_if(names, [](const std::string& name) {
        return !name.starts_with(kGoing) && !name.starts_with(kInTheMaking);
    });
    if (names.empty()) return {};
    if (const UniqueFd nobody_makes = TRY(lock_making(paths, LOCK_EX | LOCK_NB))) {
        for (const std::string& name : names)
            if (name.starts_with(kInTheMaking)) TRY(remove_gone(paths.volumes() + "/" + name));
    }
    // May take minutes, and nobody is to wait for it.
    for (const std::string& name : names)
        if (name.starts_with(kGoing)) TRY(remove_gone(paths.volumes() + "/" + name));
    return {};
}

Result<void> erase_volume(const Paths& paths, const std::string& name) {
    const std::string folder = paths.volumes() + "/" + name;
    if (exists(folder)) {
        // Nothing of what is mounted there may be taken for the volume's own.
        TRY(detach_volume(folder));
        FAILPOINT("volume.remove");
        const std::string going = paths.volumes() + "/" + kGoing + random_hex(8);
        if (::rename(folder.c_str(), going.c_str()) == -1 && errno != ENOENT)
            return Error::from_errno(errno, "rename(2)").doing("remove volume '{}'", name);
    }
    FAILPOINT("volume.sweep");
    return sweep_volumes(paths);
}

Result<void> erase_anonymous(const std::string& source) {
    // …/anonymous/<container>/<name>/_data
    const std::string folder = source.substr(0, source.rfind('/'));
    TRY(remove_tree(folder));
    // The folder of its container, if that was the last.
    ::rmdir(folder.substr(0, folder.rfind('/')).c_str());
    return {};
}

Result<void> erase_anonymous_of(const ContainerRecord& record) {
    for (const MountRecord& mount : record.mounts)
        if (mount.anonymous) TRY(erase_anonymous(mount.source));
    return {};
}

Result<void> set_anonymous_free(const ContainerRecord& record) {
    for (const MountRecord& mount : record.mounts) {
        if (!mount.anonymous || !exists(mount.source)) continue;
        const std::string folder = mount.source.substr(0, mount.source.rfind('/'));
        const std::string container = folder.substr(0, folder.rfind('/'));
        const std::string freed = container.substr(0, container.rfind('/')) + "/" + kOfNobody;
        TRY(make_directories(freed, 0755));
        const std::string to = freed + "/" + random_hex(32);
        if (::rename(folder.c_str(), to.c_str()) == -1)
            return Error::from_errno(errno, "rename(2)").doing("set '{}' free", folder);
        ::rmdir(container.c_str());
    }
    return {};
}

Result<VolumeView> removable_volume(const Paths& paths, const std::string& name) {
    VolumeView view = TRY(find_volume(paths, name));
    if (!view.users.empty())
        return Error(ErrorKind::Busy, fmt::format("remove {}: volume is in use - [{}]", name,
                                                  fmt::join(view.users, ", ")))
            .help("remove these containers first");
    return view;
}

Result<void> remove_volume(const Paths& paths, const std::string& name) {
    const VolumeView found = TRY(find_volume(paths, name));
    const auto lock = TRY(lock_owner(paths, found.record.project));
    return remove_data(paths, TRY(removable_volume(paths, name)));
}

Result<std::vector<VolumeView>> unused_volumes(const Paths& paths, bool named) {
    std::vector<VolumeView> volumes = TRY(list_volumes(paths));
    std::erase_if(volumes, [&](const VolumeView& view) {
        return !view.users.empty() || !(view.anonymous || named);
    });
    return volumes;
}

Result<std::vector<std::string>> prune_volumes(const Paths& paths, bool named) {
    std::vector<std::string> removed;
    for (const VolumeView& found : TRY(unused_volumes(paths, named))) {
        const auto lock = TRY(lock_owner(paths, found.record.project));
        const Result<VolumeView> view = find_volume(paths, found.record.name);
        if (!view || !view->users.empty()) continue;  // gone, or in use by now
        TRY(remove_data(paths, *view));
        removed.push_back(found.record.name);
    }
    return removed;
}

}  // namespace davit::stack
