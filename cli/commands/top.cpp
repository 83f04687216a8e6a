#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/selection.h"
#include "cli/table.h"
#include "stack/processes.h"

#include <CLI/CLI.hpp>
#include <ctime>

namespace davit::cli {
namespace {

/// As STIME of ps: the hour on the same day, else the day.
std::string start_text(std::chrono::system_clock::time_point started) {
    const std::time_t then = std::chrono::system_clock::to_time_t(started);
    const std::time_t now = std::time(nullptr);
    std::tm local_then{};
    std::tm local_now{};
    ::localtime_r(&then, &local_then);
    ::localtime_r(&now, &local_now);
    const bool today =
        local_then.tm_yday == local_now.tm_yday && local_then.tm_year == local_now.tm_year;
    char text[16];
    const std::size_t size = today ? std::strftime(text, sizeof text, "%H:%M", &local_then)
                                   : std::strftime(text, sizeof text, "%b%d", &local_then);
    return {text, size};
}

std::vector<std::string> cells_of(const stack::ContainerView& view, const stack::ProcessRow& row) {
    const auto seconds = row.cpu_time.count();
    return {view.record.service,
            fmt::format("{}", view.record.number),
            row.uid == 0 ? "root" : fmt::format("{}", row.uid),
            fmt::format("{}", row.pid),
            fmt::format("{}", row.parent),
            fmt::format("{}", row.cpu_percent),
            start_text(row.started),
            row.tty,
            fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
            row.command};
}

}  // namespace

void declare(CLI::App& command, TopFlags& flags) {
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const TopFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    std::vector<std::vector<std::string>> rows = {
        {"SERVICE", "#", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"}};
    for (const Selection& selection : TRY(select_containers(*found.target, flags.services))) {
        for (const stack::ContainerView& view : selection.views)
            for (const stack::ProcessRow& row : TRY(stack::processes_of(view)))
                rows.push_back(cells_of(view, row));
    }
    TableForm form;
    form.minimum = 0;
    form.padding = 2;
    to_stdout(render_table(rows, form));
    return kOk;
}

}  // namespace davit::cli
