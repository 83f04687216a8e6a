#include "stack/inspect.h"

#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/target.h"
#include "cli/template.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, InspectFlags& flags) {
    command.add_option("-f,--format", flags.format, "A template such as '{{.State.Pid}}'");
    command.add_option("NAME", flags.names, "Containers, by name, id or service")->required();
}

Result<int> run(const Context& context, const InspectFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::Paths& paths = found.target->environment.paths;
    Json all = Json::array();
    int status = kOk;
    for (const std::string& name : flags.names) {
        const auto view = stack::find_container(paths, found.target->project, name);
        if (view) {
            const std::string bundle = paths.container(view->record.project, view->record.name);
            const Result<Json> config = read_json(bundle + "/config.json");
            all.push_back(stack::inspect(paths, *view, config ? *config : Json()));
            continue;
        }
        to_stderr(render(view.error(), context.terminal.err_colour));
        status = kFailed;
    }
    if (flags.format.empty()) {
        to_stdout(all.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
        return status;
    }
    if (flags.format == "json") {
        to_stdout(all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
        return status;
    }
    for (const Json& one : all) to_stdout(TRY(fill_template(flags.format, one)) + "\n");
    return status;
}

}  // namespace davit::cli
