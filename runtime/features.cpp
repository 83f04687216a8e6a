#include "runtime/features.h"

#include "base/sys.h"
#include "runtime/cgroup.h"
#include "runtime/namespaces.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// Maps that differ from the host's, as a container's do.
const std::vector<IdMapping> kProbeMap = {{0, 524288, 65536}};

Result<void> try_idmap(const std::string& path, const UniqueFd& user_namespace) {
    const int fd = ::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd == -1) return Error::from_errno(errno, "open_tree(2)");
    const UniqueFd mount(fd);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<__u64>(user_namespace.get());
    if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == -1)
        return Error::from_errno(errno, "mount_setattr(2)");
    return {};
}

}  // namespace

Features probe_features(const std::string& folder) {
    Features features;
    const Result<UniqueFd> user_namespace = create_user_namespace(kProbeMap, kProbeMap);
    features.user_namespaces = user_namespace.ok();
    if (user_namespace) {
        const Result<void> mapped = try_idmap(folder, *user_namespace);
        features.idmapped_mounts = mapped.ok();
        if (!mapped) features.idmapped_mounts_why_not = mapped.error().to_string();
    } else {
        features.user_namespaces_why_not =
            user_namespace.error().to_string() + "; " + user_namespace.error().help();
        features.idmapped_mounts_why_not = "no user namespaces";
    }
    features.cgroup = to_string(find_cgroup_mounts().layout);
    const std::uint32_t action = SECCOMP_RET_ERRNO;
    features.seccomp = ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    const UniqueFd overlay(::fsopen("overlay", FSOPEN_CLOEXEC));
    features.overlayfs = static_cast<bool>(overlay);
    return features;
}

bool can_idmap(const std::string& path) {
    const Result<UniqueFd> user_namespace = create_user_namespace(kProbeMap, kProbeMap);
    return user_namespace && try_idmap(path, *user_namespace);
}

}  // namespace davit::runtime
