#include "stack/lower_config.h"

#include <algorithm>

// The health check of a container: what the service says, else what its image says.
namespace davit::stack {
namespace {

using std::chrono::microseconds;

constexpr std::int64_t kNanosPerMicro = 1000;
constexpr std::size_t kFewestWords = 2;  // {"CMD", program}

void take(microseconds& field, std::int64_t nanoseconds) {
    if (nanoseconds > 0)
        field = microseconds(std::max<std::int64_t>(nanoseconds / kNanosPerMicro, 1));
}

void take(microseconds& field, const std::optional<microseconds>& time) {
    if (time) field = *time;
}

/// The words to execute for a test.
std::vector<std::string> words_of(const std::vector<std::string>& test,
                                  const image::ImageConfig& image) {
    if (test.front() == "CMD") return {test.begin() + 1, test.end()};
    std::vector<std::string> words =
        image.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : image.shell;
    words.push_back(test.at(1));
    return words;
}

}  // namespace

/// @source moby daemon/health.go, docker/compose pkg/compose/convert.go ToMobyHealthCheck
std::optional<runtime::HealthCheck> health_check_of(const compose::Service& service,
                                                    const image::ImageConfig& image) {
    if (service.healthcheck && service.healthcheck->disabled) return std::nullopt;
    runtime::HealthCheck check;
    if (image.health_check) {
        check.test = image.health_check->test;
        take(check.interval, image.health_check->interval_ns);
        take(check.timeout, image.health_check->timeout_ns);
        take(check.start_period, image.health_check->start_period_ns);
        take(check.start_interval, image.health_check->start_interval_ns);
        if (image.health_check->retries > 0) check.retries = image.health_check->retries;
    }
    if (service.healthcheck) {
        if (service.healthcheck->test) check.test = *service.healthcheck->test;
        take(check.interval, service.healthcheck->interval);
        take(check.timeout, service.healthcheck->timeout);
        take(check.start_period, service.healthcheck->start_period);
        take(check.start_interval, service.healthcheck->start_interval);
        check.retries = service.healthcheck->retries.value_or(check.retries);
    }
    if (check.test.size() < kFewestWords || check.test.front() == "NONE") return std::nullopt;
    check.args = words_of(check.test, image);
    return check;
}

}  // namespace davit::stack
