#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <sys/types.h>

namespace davit::runtime {

/// A process beside the guard that does nothing but keep one descriptor open: the guard's end of a
/// terminal, or of standard input. Without it a program would be hung up on, or would see the end
/// of its input, when its guard is killed; so the next guard finds both as they were.
struct Keeper {
    pid_t pid = 0;                       ///< 0: there is none.
    unsigned long long start_ticks = 0;  ///< See sys::start_time.
};

/// Starts a keeper of `kept`, which ends by itself when the process of the pidfd `container` does.
Result<Keeper> start_keeper(const UniqueFd& kept, const UniqueFd& container);

/// What it keeps. @errors NotFound where it is gone
/// @source pidfd_getfd(2)
Result<UniqueFd> kept_by(const Keeper& keeper);

/// Ends it, also where another guard has started it. One that is gone is no error.
void end_keeper(const Keeper& keeper);

}  // namespace davit::runtime
