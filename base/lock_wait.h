#pragma once

#include <functional>
#include <string>
#include <sys/types.h>

namespace davit {

/// What a process does while somebody else has a lock that it waits for. See FileLock.
struct LockWait {
    /// Called once, after a second. `holder` is the process that has it; 0: nobody knows.
    std::function<void(pid_t holder)> tell = {};
    /// How often the user has interrupted: one more than at the beginning ends the wait.
    std::function<int()> interrupts = {};
};

/// For all waits from now on; to be called before there are threads. Until then they are silent,
/// and nothing ends them.
void set_lock_wait(LockWait wait);

/// flock(2) that does so. -1 with errno; ECANCELED where it was interrupted.
int wait_for_lock(int fd, int operation);

}  // namespace davit
