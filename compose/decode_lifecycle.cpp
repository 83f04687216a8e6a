#include "base/bytes.h"
#include "base/strings.h"
#include "compose/decode.h"
#include "compose/decode_values.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fmt/format.h>

// How a service starts, restarts, stops and logs.
namespace davit::compose {
namespace {

void condition(DecodeContext& context, const Field& field, std::string& /*service*/) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text || *text == "service_started") return;
    const bool known = *text == "service_healthy" || *text == "service_completed_successfully";
    context.error(known ? fmt::format("the condition '{}' is not supported yet", *text)
                        : fmt::format("'{}' is not a condition", printable(*text)),
                  field.node.place(), "use 'service_started'");
}

/// A switch of depends_on that has one supported position.
template <bool supported>
void fixed(DecodeContext& context, const Field& field, std::string& /*service*/) {
    const std::optional<bool> value = decode_boolean(context, field);
    if (value && *value != supported)
        context.error(fmt::format("'{}: {}' is not supported yet", field.node.key, *value),
                      field.node.place(), "take it out for now");
}

constexpr Key<std::string> kDependencyKeys[] = {
    {"condition", condition},
    {"required", fixed<true>},
    {"restart", fixed<false>},
};

/// "on-failure:3" and the like.
std::optional<RestartPolicy> parse_restart(const std::string& text) {
    using Condition = RestartPolicy::Condition;
    if (text == "no") return RestartPolicy{Condition::No, 0};
    if (text == "always") return RestartPolicy{Condition::Always, 0};
    if (text == "unless-stopped") return RestartPolicy{Condition::UnlessStopped, 0};
    if (text == "on-failure") return RestartPolicy{Condition::OnFailure, 0};
    constexpr std::string_view kLimited = "on-failure:";
    if (!text.starts_with(kLimited)) return std::nullopt;
    const auto attempts = parse_integer(text.substr(kLimited.size()));
    if (!attempts || *attempts < 0 || *attempts > 1'000'000) return std::nullopt;
    return RestartPolicy{Condition::OnFailure, static_cast<int>(*attempts)};
}

void driver(DecodeContext& context, const Field& field, Logging& logging) {
    const std::optional<std::string> name = decode_string(context, field);
    if (!name) return;
    if (*name == "json-file" || *name == "local" || *name == "none")
        logging.driver = *name;
    else
        context.error(fmt::format("the logging driver '{}' is not supported yet", printable(*name)),
                      field.node.place(), "use 'json-file', 'local' or 'none'");
}

/// What is wrong with a logging option; empty where nothing is.
std::string option_problem(const std::string& name, const std::string& value) {
    if (name == "max-size") {
        const Result<std::int64_t> bytes = parse_bytes(value);
        if (!bytes) return bytes.error().to_string();
        return *bytes > 0 || value == "-1" ? "" : "it must be more than 0";
    }
    if (name == "max-file") {
        const auto count = parse_integer(value);
        return count && *count >= 1 && *count <= 1000 ? "" : "it must be 1 to 1000";
    }
    return "this option is not supported yet";
}

void options(DecodeContext& context, const Field& field, Logging& logging) {
    if (!expect_mapping(context, field)) return;
    for (const Node& node : field.node.items) {
        const Field entry = field.entry(node);
        remember_place(context, entry);
        const bool single = node.kind == NodeKind::Scalar;
        const std::string value = single ? canonical_text(node) : std::string();
        const std::string problem =
            single ? option_problem(node.key, value) : "it must be a single value";
        if (problem.empty())
            logging.options[node.key] = value;
        else
            context.error(fmt::format("'{}': {}", entry.path, problem), node.key_pos,
                          "the options are 'max-size', such as 10m, and 'max-file', such as 3");
    }
}

constexpr Key<Logging> kLoggingKeys[] = {
    {"driver", driver},
    {"options", options},
};

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

}  // namespace

void decode_depends_on(DecodeContext& context, const Field& field, Service& service) {
    if (field.node.kind == NodeKind::Mapping) {
        for (const Node& node : field.node.items) {
            const Field entry = field.entry(node);
            context.places.set(fmt::format("{}[{}]", field.path, service.depends_on.size()),
                               node.key_pos);
            std::string name = node.key;
            decode_mapping<std::string>(context, entry, "'depends_on'", kDependencyKeys, name);
            if (node.kind == NodeKind::Mapping && node.find("condition") == nullptr)
                context.error(fmt::format("'{}' has no condition", entry.path), node.key_pos,
                              "add 'condition: service_started'");
            service.depends_on.push_back(std::move(name));
        }
        return;
    }
    for (std::string& name : decode_string_list(context, field)) {
        const auto& known = service.depends_on;
        if (std::find(known.begin(), known.end(), name) == known.end())
            service.depends_on.push_back(std::move(name));
    }
}

void decode_restart(DecodeContext& context, const Field& field, Service& service) {
    const std::optional<std::string> text = decode_string(context, field);
    if (!text) return;
    if (const auto policy = parse_restart(*text))
        service.restart = *policy;
    else
        context.error(fmt::format("'{}' is not a restart policy", printable(*text)),
                      field.node.place(),
                      "use \"no\", 'always', 'unless-stopped', 'on-failure' or 'on-failure:3'");
}

void decode_logging(DecodeContext& context, const Field& field, Service& service) {
    decode_mapping<Logging>(context, field, "'logging'", kLoggingKeys, service.logging);
}

void decode_stop_signal(DecodeContext& context, const Field& field, Service& service) {
    const std::optional<std::string> name = decode_string(context, field);
    if (!name) return;
    if (is_signal(*name))
        service.stop_signal = *name;
    else
        context.error(fmt::format("'{}' is not a signal", printable(*name)), field.node.place(),
                      "name one such as SIGTERM, or its number in quotes");
}

}  // namespace davit::compose
