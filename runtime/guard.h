#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>

namespace davit::runtime {

/// In the bundle: how the last run ended for good. See stack/boot.h, which reads it.
inline constexpr const char* kEndedFile = "ended.json";

struct GuardOptions {
    std::string bundle = {};
    std::string run_dir = {};
    UniqueFd launcher = {};  ///< Socket to whoever starts the guard; gets one answer.
    /// Lock on run_dir, held until the state names this guard: until then `stop` waits. May be
    /// closed.
    UniqueFd launch_lock = {};
    /// Take over the container that the state names, whose guard is gone.
    bool adopt = false;
    /// This process was the guard of the container already, as another version of this program.
    /// Goes with `adopt`.
    bool renew = false;
};

/// The guard: parent of one container. Keeps its namespaces, writes its log, records its exit,
/// applies the restart policy, holds its ports, and answers on run_dir/control.sock. One thread,
/// one epoll loop. Returns the process's exit status when the container has ended for good.
int run_guard(GuardOptions options);

}  // namespace davit::runtime
