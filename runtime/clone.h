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

/// clone3(2) in the manner of vfork(2), for a child that executes a program at once: it has the
/// caller's memory, and the calling thread waits until it has executed or exited. So nothing is
/// copied, neither page tables now nor pages later, which matters to a process with a large heap
/// and many threads. `run` gets `argument`, keeps to async-signal-safe calls, writes to nothing of
/// the caller's but errno, and never returns; it begins with all signals blocked. Returns the pid,
/// or -1 with errno.
pid_t spawn_process(const CloneCall& call, void (*run)(void* argument), void* argument);

}  // namespace davit::runtime
