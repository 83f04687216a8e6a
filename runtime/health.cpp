#include "runtime/health.h"

namespace davit::runtime {
namespace {

constexpr std::size_t kKeptResults = 5;

HealthStatus status_of(const std::string& word) {
    if (word == "healthy") return HealthStatus::Healthy;
    if (word == "unhealthy") return HealthStatus::Unhealthy;
    return HealthStatus::Starting;
}

}  // namespace

const char* to_string(HealthStatus status) {
    switch (status) {
        case HealthStatus::Starting: return "starting";
        case HealthStatus::Healthy: return "healthy";
        case HealthStatus::Unhealthy: return "unhealthy";
    }
    return "?";
}

void take_result(Health& health, const HealthCheck& check, ProbeResult result,
                 std::chrono::microseconds since_start) {
    if (result.exit_code == 0) {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else if (health.status != HealthStatus::Starting || since_start >= check.start_period) {
        ++health.failing_streak;
        if (health.failing_streak >= check.retries) health.status = HealthStatus::Unhealthy;
    }
    health.log.push_back(std::move(result));
    if (health.log.size() > kKeptResults) health.log.erase(health.log.begin());
}

std::chrono::microseconds next_probe(const HealthCheck& check, const Health& health,
                                     std::chrono::microseconds since_start) {
    const bool starting =
        health.status == HealthStatus::Starting && since_start < check.start_period;
    return starting ? check.start_interval : check.interval;
}

Json to_json(const HealthCheck& check) {
    return {{"test", check.test},
            {"args", check.args},
            {"interval_us", check.interval.count()},
            {"timeout_us", check.timeout.count()},
            {"start_period_us", check.start_period.count()},
            {"start_interval_us", check.start_interval.count()},
            {"retries", check.retries}};
}

Result<HealthCheck> health_check_of(const Json& json) {
    HealthCheck read = TRY(decode_json(json, "health check", [](const Json& from) {
        HealthCheck check;
        from.at("test").get_to(check.test);
        from.at("args").get_to(check.args);
        check.interval = std::chrono::microseconds(from.at("interval_us").get<std::int64_t>());
        check.timeout = std::chrono::microseconds(from.at("timeout_us").get<std::int64_t>());
        check.start_period =
            std::chrono::microseconds(from.at("start_period_us").get<std::int64_t>());
        check.start_interval =
            std::chrono::microseconds(from.at("start_interval_us").get<std::int64_t>());
        from.at("retries").get_to(check.retries);
        return check;
    }));
    if (read.args.empty() || read.interval.count() <= 0 || read.timeout.count() <= 0 ||
        read.start_interval.count() <= 0 || read.start_period.count() < 0 || read.retries < 1)
        return Error(ErrorKind::InvalidInput,
                     "a health check with nothing to run, or no time for it");
    return read;
}

Json to_json(const Health& health) {
    Json log = Json::array();
    for (const ProbeResult& result : health.log)
        log.push_back({{"start", result.start},
                       {"end", result.end},
                       {"exit_code", result.exit_code},
                       {"output", result.output}});
    return {{"status", to_string(health.status)},
            {"failing_streak", health.failing_streak},
            {"log", std::move(log)}};
}

Health health_of(const Json& json) {
    Health health;
    health.status = status_of(string_or(json, "status"));
    health.failing_streak = static_cast<int>(integer_or(json, "failing_streak"));
    const auto log = json.find("log");
    if (log == json.end() || !log->is_array()) return health;
    for (const Json& entry : *log)
        health.log.push_back({string_or(entry, "start"), string_or(entry, "end"),
                              static_cast<int>(integer_or(entry, "exit_code")),
                              string_or(entry, "output")});
    return health;
}

}  // namespace davit::runtime
