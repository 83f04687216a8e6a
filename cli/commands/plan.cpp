#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/plan_text.h"
#include "cli/render.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, PlanFlags& flags) {
    command.add_option("--format", flags.format, "text or json");
    command.add_flag("--detailed-exitcode", flags.detailed_exitcode,
                     "Exit with 2 where there is something to change");
    command.add_option("SERVICE", flags.services, "Only these services and what they depend on");
}

Result<int> run(const Context& context, const PlanFlags& flags) {
    if (flags.format != "text" && flags.format != "json")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use text or json");
    const TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.services));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    TRY(check_services(target, flags.services, {}));
    stack::UpRequest request;
    request.loaded = &*target.loaded;
    request.options.services = flags.services;
    const compose::Plan plan = TRY(stack::preview_up(target.environment, request));
    for (const std::string& warning : plan.warnings)
        to_stderr(render_warning(warning, context.terminal.err_colour));
    if (flags.format == "json")
        to_stdout(
            plan_json(plan, target.project).dump(2, ' ', false, Json::error_handler_t::replace) +
            "\n");
    else
        to_stdout(plan_text(plan, target.project, context.terminal.out_colour));
    return flags.detailed_exitcode && !plan.empty() ? kChanges : kOk;
}

}  // namespace davit::cli
