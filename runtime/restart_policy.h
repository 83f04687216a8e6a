#pragma once

#include "base/result.h"

#include <chrono>
#include <string_view>

namespace davit::runtime {

/// When a container that has ended is started again. @source Compose spec "restart"; Docker Engine
struct RestartPolicy {
    enum class Condition { No, Always, OnFailure, UnlessStopped };
    Condition condition = Condition::No;
    int max_attempts = 0;  ///< on-failure:N; 0: no limit.
};

/// "no", "always", "unless-stopped", "on-failure", "on-failure:3". @errors InvalidInput
Result<RestartPolicy> parse_restart_policy(std::string_view text);

/// What is known when a run has ended.
struct EndedRun {
    int exit_code = 0;
    int restarts = 0;  ///< How often it was started again so far.
    bool stopped_by_user = false;
};

/// Whether it is to be started again. Pure.
bool wants_restart(const RestartPolicy& policy, const EndedRun& run);

/// The pause before the next start: 100 ms, doubled by every run that lasted less than 10 s, at
/// most a minute. `previous`: the last pause, zero before the first. Pure.
std::chrono::milliseconds next_pause(std::chrono::milliseconds previous,
                                     std::chrono::milliseconds lasted);

}  // namespace davit::runtime
