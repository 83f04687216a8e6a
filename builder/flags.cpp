#include "base/duration.h"
#include "base/strings.h"
#include "builder/instructions.h"
#include "builder/run_mount.h"

#include <algorithm>
#include <fmt/format.h>

namespace davit::builder {
namespace {

enum class FlagForm : std::uint8_t { Text, Switch, Mount, Duration, Count, Network, Security };

struct KnownFlag {
    Keyword keyword;
    const char* name;
    FlagForm form = FlagForm::Text;
};

constexpr KnownFlag kFlags[] = {
    {Keyword::From, "platform"},
    {Keyword::Run, "mount", FlagForm::Mount},
    {Keyword::Run, "network", FlagForm::Network},
    {Keyword::Run, "security", FlagForm::Security},
    {Keyword::Run, "device"},
    {Keyword::Copy, "from"},
    {Keyword::Copy, "chown"},
    {Keyword::Copy, "chmod"},
    {Keyword::Copy, "link", FlagForm::Switch},
    {Keyword::Copy, "parents", FlagForm::Switch},
    {Keyword::Copy, "exclude"},
    {Keyword::Add, "chown"},
    {Keyword::Add, "chmod"},
    {Keyword::Add, "link", FlagForm::Switch},
    {Keyword::Add, "exclude"},
    {Keyword::Add, "checksum"},
    {Keyword::Add, "keep-git-dir", FlagForm::Switch},
    {Keyword::Add, "unpack", FlagForm::Switch},
    {Keyword::Healthcheck, "interval", FlagForm::Duration},
    {Keyword::Healthcheck, "timeout", FlagForm::Duration},
    {Keyword::Healthcheck, "start-period", FlagForm::Duration},
    {Keyword::Healthcheck, "start-interval", FlagForm::Duration},
    {Keyword::Healthcheck, "retries", FlagForm::Count},
};

Error bad(std::string message, std::string help) {
    return Error(ErrorKind::InvalidInput, std::move(message)).help(std::move(help));
}

Result<void> check_choice(const Flag& flag, const std::vector<std::string>& choices) {
    if (std::find(choices.begin(), choices.end(), flag.value) != choices.end()) return {};
    const auto meant = nearest(flag.value, choices);
    return bad(fmt::format("--{} is '{}'", flag.name, printable(flag.value)),
               meant ? fmt::format("the nearest is '{}'", *meant)
                     : fmt::format("it may be {}", fmt::join(choices, ", ")));
}

Result<std::chrono::microseconds> duration_of(const Flag& flag) {
    const auto parsed = parse_duration(flag.value);
    if (parsed && (parsed->count() == 0 || *parsed >= std::chrono::milliseconds(1))) return *parsed;
    return bad(fmt::format("--{} is '{}', which is no duration of at least 1ms", flag.name,
                           printable(flag.value)),
               "write it like 30s or 1m30s");
}

Result<int> count_of(const Flag& flag) {
    const auto parsed = parse_integer(flag.value);
    if (parsed && *parsed >= 0 && *parsed <= 1'000'000) return static_cast<int>(*parsed);
    return bad(
        fmt::format("--{} is '{}', which is no whole number", flag.name, printable(flag.value)),
        "write it like 3");
}

Result<void> check_value(const Flag& flag, FlagForm form) {
    switch (form) {
        case FlagForm::Switch:
            if (flag.value.empty()) return {};
            return check_choice(flag, {"true", "false"});
        case FlagForm::Mount: TRY(parse_run_mount(flag.value, nullptr)); return {};
        case FlagForm::Duration: TRY(duration_of(flag)); return {};
        case FlagForm::Count: TRY(count_of(flag)); return {};
        case FlagForm::Network: return check_choice(flag, {"default", "none", "host"});
        case FlagForm::Security: return check_choice(flag, {"sandbox", "insecure"});
        case FlagForm::Text: break;
    }
    if (flag.value.empty())
        return bad(fmt::format("--{} has no value", flag.name),
                   fmt::format("write --{}=…", flag.name));
    return {};
}

void refuse(const Instruction& instruction, const Flag& flag, Diagnostics& diagnostics) {
    std::vector<std::string> known;
    for (const KnownFlag& candidate : kFlags)
        if (candidate.keyword == instruction.keyword)
            known.push_back(std::string("--") + candidate.name);
    const auto meant = nearest("--" + flag.name, known);
    const std::string help =
        meant ? fmt::format("the nearest flag is '{}'", *meant)
        : known.empty()
            ? fmt::format("{} has no flags", to_string(instruction.keyword))
            : fmt::format("{} knows {}", to_string(instruction.keyword), fmt::join(known, ", "));
    diagnostics.error(fmt::format("unknown flag '--{}' of {}", printable(flag.name),
                                  to_string(instruction.keyword)),
                      flag.where, help);
}

void check_from(const Flag& flag, Diagnostics& diagnostics) {
    if (flag.value.find('$') == std::string::npos) return;
    diagnostics.error("--from can't hold a variable", flag.where,
                      "make a stage with FROM and the variable, and name that stage");
}

}  // namespace

void check_flags(const Instruction& instruction, Diagnostics& diagnostics) {
    for (const Flag& flag : instruction.flags) {
        const auto* known =
            std::find_if(std::begin(kFlags), std::end(kFlags), [&](const KnownFlag& candidate) {
                return candidate.keyword == instruction.keyword && candidate.name == flag.name;
            });
        if (known == std::end(kFlags)) {
            refuse(instruction, flag, diagnostics);
            continue;
        }
        const auto checked = check_value(flag, known->form);
        if (!checked)
            diagnostics.error(checked.error().to_string(), flag.where, checked.error().help());
        if (instruction.keyword == Keyword::Copy && flag.name == "from")
            check_from(flag, diagnostics);
    }
}

Result<HealthTimes> health_times(const Instruction& instruction) {
    HealthTimes times;
    for (const Flag& flag : instruction.flags) {
        if (flag.name == "interval") times.interval = TRY(duration_of(flag));
        if (flag.name == "timeout") times.timeout = TRY(duration_of(flag));
        if (flag.name == "start-period") times.start_period = TRY(duration_of(flag));
        if (flag.name == "start-interval") times.start_interval = TRY(duration_of(flag));
        if (flag.name == "retries") times.retries = TRY(count_of(flag));
    }
    return times;
}

std::optional<std::string> Instruction::flag(std::string_view name) const {
    std::optional<std::string> value;
    for (const Flag& flag : flags)
        if (flag.name == name) value = flag.value;
    return value;
}

bool Instruction::switched_on(std::string_view name) const {
    const auto value = flag(name);
    return value && *value != "false";
}

}  // namespace davit::builder
