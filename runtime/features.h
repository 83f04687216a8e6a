#pragma once

#include <string>
#include <vector>

namespace davit::runtime {

/// What this kernel offers, found by trying, never by its version number.
struct Features {
    bool user_namespaces = false;
    std::string user_namespaces_why_not = {};  ///< With the knob to look at.
    bool idmapped_mounts = false;              ///< On the file system of the probed folder.
    std::string idmapped_mounts_why_not = {};
    std::string cgroup = {};  ///< "v1", "hybrid", "v2" or "none"
    bool seccomp = false;
    bool overlayfs = false;
};

/// Probes the kernel; `folder` lies on the file system whose layers are to be mounted.
Features probe_features(const std::string& folder);

/// Whether an idmapped mount of `path` can be made (the file system must support it).
bool can_idmap(const std::string& path);

/// The first of these sysctls (as "net.core.somaxconn") that the host has and that namespaces which
/// belong to a user namespace of their own have not, or not to be written; empty: there is none.
/// Linux before 6.10 keeps net.core and those of System V IPC to the host's users, others may keep
/// more: it is tried.
std::string sysctl_out_of_reach(const std::vector<std::string>& names);

}  // namespace davit::runtime
