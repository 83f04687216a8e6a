#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <sys/types.h>

namespace davit::runtime {

/// clone3(2) in the manner of fork(2): returns 0 in the child, the pid in the parent, -1 with
/// errno. The child must keep to async-signal-safe calls until it executes or exits.
struct CloneCall {
    std::uint64_t flags = 0;
    int exit_signal = 0;
    int cgroup_fd = -1;    ///< With CLONE_INTO_CGROUP.
    int* pidfd = nullptr;  ///< With CLONE_PIDFD: where the parent's descriptor goes.
};
pid_t clone_process(const CloneCall& call);

}  // namespace davit::runtime
