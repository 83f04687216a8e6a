#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/plan_file.h"
#include "cli/plan_text.h"
#include "cli/render.h"
#include "cli/target.h"
#include "cli/up_images.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

Json json_of(const compose::Plan& plan, const std::string& project,
             const std::vector<Intent>& intents) {
    Json json = plan_json(plan, project);
    json["images"] = Json::array();
    for (const Intent& intent : intents)
        json["images"].push_back(
            {{"action", intent.verb}, {"image", intent.name}, {"cause", intent.cause}});
    return json;
}

}  // namespace

void declare(CLI::App& command, PlanFlags& flags) {
    command.add_option("--format", flags.format, "text or json");
    command.add_option("--out", flags.out, "Write the plan into a file, for 'up --plan'")
        ->type_name("FILE");
    command.add_flag("--detailed-exitcode", flags.detailed_exitcode,
                     "Exit with 2 where there is something to change");
    declare_planning(command, flags.up);
    command.add_option("SERVICE", flags.up.services, "Only these services and what they depend on");
}

Result<int> run(const Context& context, const PlanFlags& flags) {
    if (flags.format != "text" && flags.format != "json")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use text or json");
    TRY(check_flags(flags.up));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.up.services));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    TRY(check_services(target, flags.up.services, {}));
    stack::UpRequest request = TRY(up_request_of(context, target, flags.up));
    const ImagePreview images = TRY(preview_images(target, flags.up));
    // A plan that is agreed on is about the images that are here.
    if (flags.out.empty()) request.to_bring = images.to_bring;
    const stack::UpPreview preview = TRY(stack::preview_up(target.environment, request));
    const compose::Plan& plan = preview.plan;
    if (!flags.out.empty() && !context.globals.dry_run)
        TRY(write_json(join_path(context.working_dir, flags.out),
                       plan_file(preview, target.project, flags.up), Sync::Yes));
    for (const std::string& warning : plan.warnings)
        to_stderr(render_warning(warning, context.terminal.err_colour));
    if (flags.format == "json")
        to_stdout(json_of(plan, target.project, images.intents)
                      .dump(2, ' ', false, Json::error_handler_t::replace) +
                  "\n");
    else
        to_stdout(intents_text(images.intents) +
                  plan_text(plan, target.project, context.terminal.out_colour));
    return flags.detailed_exitcode && !plan.empty() ? kChanges : kOk;
}

}  // namespace davit::cli
