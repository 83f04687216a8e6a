#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/target.h"
#include "stack/observe.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

/// The named volumes that belong to the project: those of its file, or, without one, those that it
/// once made.
Result<std::vector<std::string>> own_volumes(const Target& target) {
    std::vector<std::string> names;
    if (target.loaded) {
        for (const auto& [key, volume] : target.loaded->project.volumes)
            if (!volume.external) names.push_back(volume.name);
        return names;
    }
    for (const auto& [name, record] : TRY(stack::read_volumes(target.environment.paths)))
        if (record.project == target.project) names.push_back(name);
    return names;
}

Result<int> preview(const Context& context, const Target& target, const DownFlags& flags) {
    const stack::Observation seen = TRY(stack::observe(target.environment, target.project));
    compose::DownOptions options;
    options.volumes = flags.volumes;
    if (flags.volumes) options.own_volumes = TRY(own_volumes(target));
    to_stdout(plan_text(compose::plan_down(seen.state, options), target.project,
                        context.terminal.out_colour));
    return kOk;
}

}  // namespace

void declare(CLI::App& command, DownFlags& flags) {
    command.add_flag("-v,--volumes", flags.volumes, "Also remove the named volumes of the file");
    command.add_flag("--remove-orphans", flags.remove_orphans, "Accepted; orphans always go");
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
}

Result<int> run(const Context& context, const DownFlags& flags) {
    const Progress::Style style = TRY(parse_progress(context.globals.progress));
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    if (target.project.empty()) {
        to_stderr(render(Error(ErrorKind::NotFound, "no compose file and no project here")
                             .help("go to its folder, or name a project with -p"),
                         context.terminal.err_colour));
        return kNoFile;
    }
    if (context.globals.dry_run) return preview(context, target, flags);
    target.environment.runtime_program = TRY(find_runtime(context));
    stack::DownRequest request;
    request.project = target.project;
    request.volumes = flags.volumes;
    if (flags.volumes) request.own_volumes = TRY(own_volumes(target));
    if (flags.timeout_s) request.stop_timeout = std::chrono::seconds(*flags.timeout_s);
    const bool colour = context.terminal.err_colour;
    Progress progress(style, colour);
    bool found_any = false;
    const auto failed =
        TRY(stack::down(target.environment, request, {}, progress.listener(), found_any));
    if (!found_any)
        to_stderr(render_warning(
            fmt::format("no resource found to remove for project '{}'", target.project), colour));
    for (const stack::FailedStep& step : failed) to_stderr(render(step, colour));
    return failed.empty() ? kOk : kFailed;
}

}  // namespace davit::cli
