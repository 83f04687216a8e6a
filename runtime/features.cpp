#include "runtime/features.h"

#include "base/sys.h"
#include "runtime/cgroup.h"
#include "runtime/clone.h"
#include "runtime/namespaces.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

std::string sysctl_out_of_reach(const std::vector<std::string>& names) {
    std::vector<std::string> there;
    std::vector<std::string> paths;
    for (const std::string& name : names) {
        std::string path = name;
        std::replace(path.begin(), path.end(), '.', '/');
        path.insert(0, "/proc/sys/");
        if (::access(path.c_str(), F_OK) == -1) continue;  // which the runtime tells
        there.push_back(name);
        paths.push_back(std::move(path));
    }
    // One byte tells which.
    constexpr std::size_t kMost = 200;
    if (paths.empty() || paths.size() > kMost) return {};
    const Result<UniqueFd> users = create_user_namespace(kProbeMap, kProbeMap);
    if (!users) return {};
    const pid_t child = clone_process({.exit_signal = SIGCHLD});
    if (child == -1) return {};
    if (child == 0) {
        // As the root of these users: whoever enters them stays the host's until then.
        if (::setns(users->get(), CLONE_NEWUSER) == -1 || ::syscall(SYS_setresgid, 0, 0, 0) == -1 ||
            ::syscall(SYS_setresuid, 0, 0, 0) == -1 || ::unshare(CLONE_NEWNET | CLONE_NEWIPC) == -1)
            ::_exit(0);
        for (std::size_t i = 0; i < paths.size(); ++i)
            if (::open(paths[i].c_str(), O_WRONLY | O_CLOEXEC) == -1)
                ::_exit(static_cast<int>(i) + 1);
        ::_exit(0);
    }
    int how = 0;
    while (::waitpid(child, &how, 0) == -1 && errno == EINTR) {
    }
    const std::size_t which = WIFEXITED(how) ? static_cast<std::size_t>(WEXITSTATUS(how)) : 0;
    return which == 0 || which > there.size() ? std::string() : there[which - 1];
}

bool can_idmap(const std::string& path) {
    const Result<UniqueFd> user_namespace = create_user_namespace(kProbeMap, kProbeMap);
    return user_namespace && try_idmap(path, *user_namespace);
}

}  // namespace davit::runtime
