#pragma once

#include "base/json.h"
#include "base/result.h"

#include <chrono>
#include <string>
#include <vector>

/// Health checks as Docker defines them: what is run, and what follows from how it ended. Pure.
/// @source Dockerfile reference "HEALTHCHECK"; moby daemon/health.go
namespace davit::runtime {

struct HealthCheck {
    std::vector<std::string> test = {};  ///< {"CMD", …} or {"CMD-SHELL", text}, as it is shown.
    std::vector<std::string> args = {};  ///< What is executed.
    std::chrono::microseconds interval{30'000'000};
    std::chrono::microseconds timeout{30'000'000};
    std::chrono::microseconds start_period{0};
    std::chrono::microseconds start_interval{5'000'000};
    int retries = 3;

    bool operator==(const HealthCheck&) const = default;
};

enum class HealthStatus { Starting, Healthy, Unhealthy };

const char* to_string(HealthStatus status);

struct ProbeResult {
    std::string start = {};  ///< RFC 3339
    std::string end = {};
    int exit_code = 0;        ///< -1: it took too long, or could not be run.
    std::string output = {};  ///< The beginning of what it wrote.
};

/// What is known of a container's health; part of its state.
struct Health {
    HealthStatus status = HealthStatus::Starting;
    int failing_streak = 0;
    std::vector<ProbeResult> log = {};  ///< The last five, oldest first.
};

/// The most that is kept of a probe's output, in bytes; Docker keeps as much.
inline constexpr std::size_t kProbeOutput = 4096;

/// Takes the result of a probe that began `since_start` after the run did. A failure in the start
/// period counts only once the container has been healthy.
void take_result(Health& health, const HealthCheck& check, ProbeResult result,
                 std::chrono::microseconds since_start);

/// How long to wait before the next probe, `since_start` after the run began.
std::chrono::microseconds next_probe(const HealthCheck& check, const Health& health,
                                     std::chrono::microseconds since_start);

Json to_json(const HealthCheck& check);
/// @errors InvalidInput
Result<HealthCheck> health_check_of(const Json& json);

Json to_json(const Health& health);
/// What can't be read is left as it is by default: a state that is shown must not fail for it.
Health health_of(const Json& json);

}  // namespace davit::runtime
