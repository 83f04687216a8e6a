#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <sys/types.h>

namespace davit::runtime {

/// The wait status of an ended process that may be somebody else's child: by waitid(2) where it is
/// ours, else by what the kernel keeps of it (PIDFD_GET_INFO, from Linux 6.15), else from
/// /proc/PID/stat as long as nobody has collected it.
/// @errors NotFound where nobody can say any more. @source pidfd_open(2), proc(5) "exit_code"
Result<int> wait_status(const UniqueFd& pidfd, pid_t pid);

}  // namespace davit::runtime
