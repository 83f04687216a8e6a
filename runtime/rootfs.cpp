#include "runtime/rootfs.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/detached.h"
#include "runtime/layers.h"
#include "runtime/prepared_mounts.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

// --- overlayfs ---

std::string annotation(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

/// The folder above the writable and the work folder, which overlayfs needs in one mount.
Result<std::string> writable_folder(const Spec& spec) {
    const std::string upper = annotation(spec, kOverlayUpper);
    const std::string work = annotation(spec, kOverlayWork);
    const std::string folder = upper.substr(0, upper.rfind('/'));
    if (upper != folder + "/upper" || work != folder + "/work")
        return Error(ErrorKind::InvalidInput,
                     "the overlay's folders are not …/upper and …/work in one folder");
    return folder;
}

Result<UniqueFd> mount_overlay(const Spec& spec, const UniqueFd& user_namespace) {
    LayersCall call;
    call.folders = split(annotation(spec, kOverlayLower), '\n');
    call.writable = TRY(writable_folder(spec));
    return mount_layers(call, user_namespace);
}

Result<UniqueFd> mount_root(const Spec& spec, const UniqueFd& user_namespace) {
    if (!annotation(spec, kOverlayLower).empty())
        return TRY_DOING(mount_overlay(spec, user_namespace), "mount the root file system");
    UniqueFd root = TRY(clone_mount(spec.root_path, true));
    // Mounts that the host makes in there later arrive only where that was asked for. pivot_root(2)
    // takes no shared root, so that it is made shared after that.
    const bool follows = (spec.rootfs_propagation & (MS_SHARED | MS_SLAVE)) != 0;
    const std::uint64_t propagation = follows ? std::uint64_t{MS_SLAVE} : std::uint64_t{MS_PRIVATE};
    TRY(set_attributes(root, {.propagation = propagation, .recursive = true}));
    // Ids on disk are the container's own already where somebody else prepared the folder.
    if (spec.annotations.contains(kIdmapRoot))
        TRY(idmap(root, user_namespace, true, spec.root_path));
    return root;
}

}  // namespace

Result<PreparedRoot> prepare_root(const Spec& spec, const UniqueFd& user_namespace,
                                  const Cgroup& cgroup) {
    PreparedRoot prepared;
    prepared.root = TRY(mount_root(spec, user_namespace));
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
        const SpecMount& mount = spec.mounts[i];
        const MountPlace place{spec, user_namespace, cgroup, prepared.root, i};
        TRY_DOING(failpoint::reach("root.mount"), "mount '{}'", mount.destination);
        TRY_DOING(prepare_mount(mount, place, prepared.mounts), "mount '{}'", mount.destination);
    }
    // Room for what a program adds, whatever there is already: hosts files that block
    // advertisements are megabytes.
    std::size_t bytes = 1U << 20U;
    for (const PreparedMount& mount : prepared.mounts) bytes += 2 * mount.text.size();
    prepared.copies_data = {{"mode", "755"}, {"size", std::to_string(bytes)}, {"nr_inodes", "256"}};
    if (!spec.mount_label.empty()) prepared.copies_data.emplace_back("context", spec.mount_label);
    // Somebody else's folder is not ours to put nodes into.
    prepared.own_dev = std::none_of(spec.mounts.begin(), spec.mounts.end(), [](const auto& mount) {
        return clean_path(mount.destination) == "/dev" && mount.type != "tmpfs" &&
               mount.type != "devtmpfs";
    });
    if (prepared.own_dev) TRY(prepare_devices(spec, prepared.devices));
    return prepared;
}

}  // namespace davit::runtime
