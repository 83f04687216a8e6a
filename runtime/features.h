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

}  // namespace davit::runtime
