#include "base/duration.h"
#include "base/strings.h"
#include "compose/bind.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

// `healthcheck` of a service. @source Compose spec 05-services.md "healthcheck"
namespace davit::compose {
namespace {

/// A duration at `key`; zero is "not said", as it is for Docker.
std::optional<std::chrono::microseconds> duration_at(const Node& check, const char* key,
                                                     Diagnostics& diagnostics) {
    const Node* node = check.find(key);
    if (node == nullptr || !node->is_scalar() || node->text.empty()) return std::nullopt;
    const Result<std::chrono::microseconds> duration = parse_duration(node->text);
    if (!duration || duration->count() < 0) {
        diagnostics.error(fmt::format("'{}' of a health check: '{}' is not a duration", key,
                                      printable(node->text)),
                          node->place(), "write it such as 30s or 1m30s");
        return std::nullopt;
    }
    if (duration->count() == 0) return std::nullopt;
    return *duration;
}

void bind_test(const Node& check, HealthCheck& health, Diagnostics& diagnostics) {
    const Node* test = check.find("test");
    if (test == nullptr || !test->is_list() || test->items.empty()) return;
    std::vector<std::string> words = texts_at(check, "test");
    constexpr std::array<std::string_view, 3> kKinds = {"NONE", "CMD", "CMD-SHELL"};
    const std::string& kind = words.front();
    // What is none of them has been refused before: see consistency.cpp.
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) return;
    if (kind != "NONE" && words.size() < 2) {
        diagnostics.error("the test of this health check has nothing to run", test->place(),
                          fmt::format("write the command after {}", kind));
        return;
    }
    if (kind == "NONE") health.disabled = true;
    health.test = std::move(words);
}

}  // namespace

void bind_health(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* check = node.find("healthcheck");
    if (check == nullptr || !check->is_mapping() || check->items.empty()) return;
    HealthCheck health;
    bind_test(*check, health, diagnostics);
    if (true_at(*check, "disable")) health.disabled = true;
    health.interval = duration_at(*check, "interval", diagnostics);
    health.timeout = duration_at(*check, "timeout", diagnostics);
    health.start_period = duration_at(*check, "start_period", diagnostics);
    health.start_interval = duration_at(*check, "start_interval", diagnostics);
    if (const auto retries = parse_integer(text_at(*check, "retries")); retries && *retries > 0)
        health.retries = static_cast<int>(std::min<std::int64_t>(*retries, 1'000'000));
    service.healthcheck = std::move(health);
}

}  // namespace davit::compose
