#include "stack/events.h"

#include "base/duration.h"
#include "base/json.h"
#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/when.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <poll.h>
#include <sys/timerfd.h>

namespace davit::cli {
namespace {

using stack::ContainerEvent;

Json as_json(const ContainerEvent& event) {
    Json attributes = {{"image", event.record.image}, {"name", event.record.name}};
    for (const auto& [key, value] : event.attributes) attributes[key] = value;
    return {{"action", event.action},      {"attributes", attributes},
            {"id", event.record.id},       {"service", event.record.service},
            {"time", rfc3339(event.time)}, {"type", "container"}};
}

/// "2026-11-23 21:42:52.679152 container create <id> (image=busybox, name=shop-web-1)"
std::string as_line(const ContainerEvent& event) {
    std::map<std::string, std::string> attributes = event.attributes;
    attributes["image"] = event.record.image;
    attributes["name"] = event.record.name;
    std::string list;
    for (const auto& [key, value] : attributes)
        list += fmt::format("{}{}={}", list.empty() ? "" : ", ", key, value);
    constexpr std::size_t kDate = 10;
    constexpr std::size_t kMicroseconds = 15;  // "21:42:52.679152"
    const std::string time = rfc3339(event.time);
    return harmless(fmt::format("{} {} container {} {} ({})", time.substr(0, kDate),
                                time.substr(kDate + 1, kMicroseconds), event.action,
                                event.record.id, list)) +
           "\n";
}

/// Readable at `time`.
Result<UniqueFd> alarm_at(std::chrono::system_clock::time_point time) {
    UniqueFd fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    itimerspec spec{};
    spec.it_value.tv_sec = seconds.count();
    spec.it_value.tv_nsec =
        std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count() + 1;
    if (!fd || ::timerfd_settime(fd.get(), TFD_TIMER_ABSTIME, &spec, nullptr) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "timerfd_settime(2)");
    }
    return fd;
}

}  // namespace

void declare(CLI::App& command, EventsFlags& flags) {
    command.add_flag("--json", flags.json, "One JSON object a line");
    command.add_option("--since", flags.since, "Also what happened from then on: a time, or 10m");
    command.add_option("--until", flags.until, "End then: a time, or 10m");
    command.add_option("SERVICE", flags.services, "Only these services");
}

Result<int> run(const Context& context, const EventsFlags& flags) {
    const auto since = TRY(parse_when(flags.since, "--since"));
    const auto until = TRY(parse_when(flags.until, "--until"));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    const auto tell = [&](const ContainerEvent& event) {
        const auto& services = flags.services;
        const bool wanted = services.empty() || std::find(services.begin(), services.end(),
                                                          event.record.service) != services.end();
        if (!wanted || (until && event.time > *until)) return true;
        to_stdout(flags.json
                      ? as_json(event).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
                      : as_line(event));
        return flush_stdout();
    };
    const Interrupts interrupts = TRY(Interrupts::install(1));
    if (since) {
        for (const ContainerEvent& event :
             stack::past(TRY(stack::look_at(target.environment.paths, target.project))))
            if (event.time >= *since) tell(event);
    }
    if (until && *until <= std::chrono::system_clock::now()) return kOk;
    const UniqueFd alarm = until ? TRY(alarm_at(*until)) : UniqueFd();
    TRY(stack::watch_events(target.environment.paths, target.project,
                            alarm ? alarm.get() : interrupts.fd(), tell));
    return kOk;
}

}  // namespace davit::cli
