#include "runtime/layers.h"

#include "base/failpoint.h"
#include "base/sys.h"
#include "runtime/detached.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace davit::runtime {
Result<UniqueFd> mount_layers(const LayersCall& call, const UniqueFd& user_namespace) {
    // Taken by their paths on the host, before those are out of sight.
    std::vector<UniqueFd> layers;
    for (const std::string& folder : call.folders) {
        UniqueFd layer = TRY(clone_mount(folder, false));
        TRY(idmap(layer, user_namespace, false, folder));
        layers.push_back(std::move(layer));
    }
    UniqueFd writable;
    if (!call.writable.empty()) writable = TRY(clone_mount(call.writable, false));

    const MountWorkshop workshop = TRY(MountWorkshop::open());
    std::string lower;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const std::string name = fmt::format("{}", i);
        TRY(workshop.attach(layers[i], name));
        lower += (lower.empty() ? "" : ":") + name;
    }
    // Overlayfs wants two lower folders where there is no upper one.
    if (!writable && layers.size() < 2) {
        if (::mkdir("empty", 0755) == -1) return sys::failed("mkdir(2)");
        lower += lower.empty() ? "empty" : ":empty";
        if (layers.empty()) return clone_beneath("empty", call.subpath, false);
    }
    FAILPOINT("root.overlay");
    if (writable) TRY(workshop.attach(writable, "rw"));
    if (::mkdir("merged", 0700) == -1) return sys::failed("mkdir(2)");
    // Names of our own alone: short enough for the page that mount(2) takes, and without commas.
    // Layers come from strangers: nothing in them may redirect a lookup.
    std::string data = "lowerdir=" + lower;
    if (writable) data += ",upperdir=rw/upper,workdir=rw/work";
    TRY(sys::mount({.source = "overlay",
                    .target = "merged",
                    .type = "overlay",
                    // A layer may bring the node of a disk: /dev has its own mounts, and nothing
                    // else needs devices.
                    .flags = writable ? 0UL + MS_NODEV : 0UL + MS_NODEV + MS_RDONLY,
                    .data = data + ",redirect_dir=nofollow,metacopy=off,index=off"}));
    return clone_beneath("merged", call.subpath, false);
}

}  // namespace davit::runtime
