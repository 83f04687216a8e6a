#include "base/bytes.h"
#include "base/duration.h"
#include "base/strings.h"
#include "compose/bind.h"
#include "compose/model.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <limits>

// How a service starts, restarts, stops and logs.
namespace davit::compose {
namespace {

/// "on-failure:3" and the like.
std::optional<RestartPolicy> parse_restart(const std::string& text) {
    using Condition = RestartPolicy::Condition;
    if (text == "no" || text.empty()) return RestartPolicy{Condition::No, 0};
    if (text == "always") return RestartPolicy{Condition::Always, 0};
    if (text == "unless-stopped") return RestartPolicy{Condition::UnlessStopped, 0};
    if (text == "on-failure") return RestartPolicy{Condition::OnFailure, 0};
    constexpr std::string_view kLimited = "on-failure:";
    if (!text.starts_with(kLimited)) return std::nullopt;
    const auto attempts = parse_integer(text.substr(kLimited.size()));
    if (!attempts || *attempts < 0 || *attempts > 1'000'000) return std::nullopt;
    return RestartPolicy{Condition::OnFailure, static_cast<int>(*attempts)};
}

/// Whether the kernel has the signal: a number, or a name with or without SIG.
bool is_signal(std::string name) {
    if (const auto number = parse_integer(name)) return *number >= 1 && *number <= SIGRTMAX;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name.starts_with("SIG")) name.erase(0, 3);
    for (int signal = 1; signal < SIGRTMIN; ++signal) {
        const char* known = ::sigabbrev_np(signal);
        if (known != nullptr && name == known) return true;
    }
    for (const std::string_view base : {"RTMIN", "RTMAX"}) {
        if (!name.starts_with(base)) continue;
        const std::string rest = name.substr(base.size());
        if (rest.empty()) return true;
        const auto distance = parse_integer(std::string_view(rest).substr(1));
        return rest.front() == (base == "RTMIN" ? '+' : '-') && distance && *distance >= 0 &&
               *distance <= SIGRTMAX - SIGRTMIN;
    }
    return false;
}

/// `deploy.restart_policy` says the same as `restart` in other words, and wins.
/// @source docker/compose pkg/compose/create.go getRestartPolicy
void bind_restart(const Node& node, Service& service, Diagnostics& diagnostics) {
    if (const Node* restart = node.find("restart"); restart != nullptr && restart->is_scalar()) {
        if (const auto policy = parse_restart(restart->text))
            service.restart = *policy;
        else
            diagnostics.error(
                fmt::format("'{}' is not a restart policy", printable(restart->text)),
                restart->place(),
                "use \"no\", 'always', 'unless-stopped', 'on-failure' or 'on-failure:3'");
    }
    const Node* deploy = node.find("deploy");
    const Node* policy = deploy != nullptr ? deploy->find("restart_policy") : nullptr;
    if (policy == nullptr || !policy->is_mapping()) return;
    const Node* condition = policy->find("condition");
    const std::string word = condition != nullptr ? condition->text : "any";
    const auto attempts = parse_integer(text_at(*policy, "max_attempts"));
    if (attempts && (*attempts < 0 || *attempts > std::numeric_limits<int>::max()))
        diagnostics.error(fmt::format("{} is not a number of attempts", *attempts),
                          policy->find("max_attempts")->place(),
                          "name how often it is started again at most, from 0 on");
    using Condition = RestartPolicy::Condition;
    if (word == "none")
        service.restart = {Condition::No, 0};
    else if (word == "on-failure")
        service.restart = {Condition::OnFailure, static_cast<int>(attempts.value_or(0))};
    else if (word == "any")
        service.restart = {Condition::Always, 0};
    else
        diagnostics.error(fmt::format("'{}' is not a restart condition", printable(word)),
                          condition->place(), "use 'none', 'on-failure' or 'any'");
}

bool shares_with(const Node& node, const std::string& service) {
    const std::string mode = "service:" + service;
    return text_at(node, "network_mode") == mode || text_at(node, "pid") == mode ||
           text_at(node, "ipc") == mode;
}

void bind_dependencies(const Node& node, Service& service) {
    const Node* needs = node.find("depends_on");
    if (needs == nullptr) return;
    for (const Node& need : needs->items) {
        Dependency dependency;
        dependency.service = need.key;
        const std::string condition = text_at(need, "condition");
        if (condition == "service_healthy") dependency.condition = Awaited::Healthy;
        if (condition == "service_completed_successfully")
            dependency.condition = Awaited::Completed;
        const Node* required = need.find("required");
        dependency.required = required == nullptr || required->text != "false";
        // Namespaces that are shared are lost with the last run of their owner.
        dependency.restart =
            (need.tag != kImplied && true_at(need, "restart")) || shares_with(node, need.key);
        service.depends_on.push_back(std::move(dependency));
    }
}

/// `scale`, or `deploy.replicas`; that they say the same has been checked.
void bind_scale(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* scale = node.find("scale");
    const Node* deploy = node.find("deploy");
    if (scale == nullptr && deploy != nullptr) scale = deploy->find("replicas");
    if (const Node* attach = node.find("attach"); attach != nullptr && attach->is_scalar())
        service.attach = attach->text != "false";
    if (scale == nullptr || !scale->is_scalar()) return;
    constexpr std::int64_t kMost = 10000;
    const auto count = parse_integer(scale->text);
    if (count && *count < 0) return;  // has been refused before: see consistency.cpp
    if (count && *count <= kMost)
        service.scale = static_cast<int>(*count);
    else
        diagnostics.error(fmt::format("a service can have 0 to {} containers", kMost),
                          scale->place(), "write a number of containers");
}

/// What is wrong with a logging option; empty where nothing is.
std::string option_problem(const std::string& driver, const std::string& name,
                           const std::string& value) {
    if (name == "max-size") {
        const Result<std::int64_t> bytes = parse_bytes(value);
        if (!bytes) return value == "-1" ? "" : bytes.error().to_string();
        return *bytes > 0 ? "" : "it must be more than 0";
    }
    if (name == "max-file") {
        const auto count = parse_integer(value);
        return count && *count >= 1 && *count <= 1000 ? "" : "it must be 1 to 1000";
    }
    if (name == "compress" && (driver == "json-file" || driver == "local"))
        return value == "true" || value == "false" ? "" : "it must be 'true' or 'false'";
    if (name == "mode")
        return value == "blocking" || value == "non-blocking"
                   ? ""
                   : "it must be 'blocking' or 'non-blocking'";
    if (name == "max-buffer-size") return parse_bytes(value) ? "" : "it must be a size";
    // How these two read is said where the container is made: what they name is of this host.
    if ((driver == "journald" || driver == "syslog") && name == "tag") return {};
    if (driver == "syslog" &&
        (name == "syslog-address" || name == "syslog-facility" || name == "syslog-format"))
        return {};
    return "this option is not supported yet";
}

void bind_logging(const Node& node, Service& service, Diagnostics& diagnostics) {
    const Node* logging = node.find("logging");
    if (logging == nullptr || !logging->is_mapping()) return;
    if (const Node* driver = logging->find("driver"); driver != nullptr && driver->is_scalar()) {
        constexpr std::array<std::string_view, 5> kDrivers = {"json-file", "local", "none",
                                                              "journald", "syslog"};
        if (std::find(kDrivers.begin(), kDrivers.end(), driver->text) != kDrivers.end())
            service.logging.driver = driver->text;
        else
            diagnostics.error(fmt::format("the logging driver '{}' is not supported yet",
                                          printable(driver->text)),
                              driver->place(),
                              "use 'json-file', 'local', 'journald', 'syslog' or 'none'");
    }
    const Node* options = logging->find("options");
    if (options == nullptr) return;
    for (const Node& option : options->items) {
        if (!option.is_scalar()) continue;
        const std::string problem = option_problem(service.logging.driver, option.key, option.text);
        // As Docker's json-file takes them, for `logs --details`, which davit hasn't got.
        constexpr std::array<std::string_view, 5> kDetails = {"labels", "labels-regex", "env",
                                                              "env-regex", "tag"};
        const bool detail =
            service.logging.driver != "syslog" && service.logging.driver != "journald" &&
            std::find(kDetails.begin(), kDetails.end(), option.key) != kDetails.end();
        if (detail)
            diagnostics.warning(
                fmt::format("'services.{}.logging.options.{}' is not written into the log",
                            node.key, option.key),
                option.key_pos);
        else if (problem.empty())
            service.logging.options[option.key] = option.text;
        else
            diagnostics.error(
                fmt::format("'services.{}.logging.options.{}': {}", node.key, option.key, problem),
                option.key_pos,
                "the options are 'max-size', such as 10m, 'max-file', such as 3, and 'compress'");
    }
}

}  // namespace

void bind_lifecycle(const Node& node, Service& service, Diagnostics& diagnostics) {
    bind_restart(node, service, diagnostics);
    bind_dependencies(node, service);
    bind_scale(node, service, diagnostics);
    bind_logging(node, service, diagnostics);
    if (const Node* grace = node.find("stop_grace_period");
        grace != nullptr && grace->is_scalar()) {
        // Shorter than davit counts is at once.
        const bool instant = grace->text.ends_with("ns") && !grace->text.starts_with('-');
        const Result<std::chrono::microseconds> period =
            parse_duration(instant ? std::string("0") : grace->text);
        if (period)
            service.stop_grace_period = *period;
        else
            diagnostics.error(fmt::format("'services.{}.stop_grace_period': {}", node.key,
                                          period.error().to_string()),
                              grace->place(), period.error().help());
    }
    const Node* signal = node.find("stop_signal");
    if (signal == nullptr || !signal->is_scalar() || signal->text.empty()) return;
    if (is_signal(signal->text))
        service.stop_signal = signal->text;
    else
        diagnostics.error(fmt::format("'{}' is not a signal", printable(signal->text)),
                          signal->place(), "name one such as SIGTERM, or its number in quotes");
}

}  // namespace davit::compose
