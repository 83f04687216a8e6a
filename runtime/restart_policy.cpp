#include "runtime/restart_policy.h"

#include "base/strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::runtime {

Result<RestartPolicy> parse_restart_policy(std::string_view text) {
    using Condition = RestartPolicy::Condition;
    if (text.empty() || text == "no") return RestartPolicy{};
    if (text == "always") return RestartPolicy{Condition::Always, 0};
    if (text == "unless-stopped") return RestartPolicy{Condition::UnlessStopped, 0};
    if (text == "on-failure") return RestartPolicy{Condition::OnFailure, 0};
    if (text.starts_with("on-failure:")) {
        const auto attempts = parse_integer(text.substr(11));
        if (attempts && *attempts >= 0 && *attempts <= 1000000)
            return RestartPolicy{Condition::OnFailure, static_cast<int>(*attempts)};
    }
    return Error(ErrorKind::InvalidInput, fmt::format("unknown restart policy '{}'", text))
        .help("use no, always, unless-stopped, on-failure or on-failure:N");
}

bool wants_restart(const RestartPolicy& policy, const EndedRun& run) {
    if (run.stopped_by_user) return false;
    switch (policy.condition) {
        case RestartPolicy::Condition::No: return false;
        case RestartPolicy::Condition::Always:
        case RestartPolicy::Condition::UnlessStopped: return true;
        case RestartPolicy::Condition::OnFailure:
            return run.exit_code != 0 &&
                   (policy.max_attempts == 0 || run.restarts < policy.max_attempts);
    }
    return false;
}

std::chrono::milliseconds next_pause(std::chrono::milliseconds previous,
                                     std::chrono::milliseconds lasted) {
    constexpr std::chrono::milliseconds kFirst(100);
    constexpr std::chrono::milliseconds kLongest(60000);
    constexpr std::chrono::milliseconds kLongEnough(10000);
    if (previous.count() == 0 || lasted >= kLongEnough) return kFirst;
    return std::min(previous * 2, kLongest);
}

}  // namespace davit::runtime
