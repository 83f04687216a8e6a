#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, StopFlags& flags) {
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_option("SERVICE", flags.services, "Only these services");
}

Result<int> run(const Context& context, const StopFlags& flags) {
    const Progress::Style style = TRY(parse_progress(context.globals.progress));
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    if (target.project.empty())
        return Error(ErrorKind::NotFound, "no project here").help("name one with -p");
    const auto views = TRY(stack::list_containers(target.environment.paths, target.project));
    TRY(check_services(target, flags.services, views));
    target.environment.runtime_program = TRY(find_runtime(context));
    std::optional<std::chrono::milliseconds> timeout;
    if (flags.timeout_s) timeout = std::chrono::seconds(*flags.timeout_s);
    const bool colour = context.terminal.err_colour;
    Progress progress(style, colour);
    const auto failed = TRY(stack::stop(target.environment, target.project, flags.services, timeout,
                                        {}, progress.listener()));
    for (const stack::FailedStep& step : failed) to_stderr(render(step, colour));
    return failed.empty() ? kOk : kFailed;
}

}  // namespace davit::cli
