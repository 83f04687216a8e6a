#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

bool rests(const stack::ContainerView& view) {
    return view.state.pid == 0 && view.state.status != runtime::Status::Restarting;
}

}  // namespace

void declare(CLI::App& command, RmFlags& flags) {
    command.add_flag("-f,--force", flags.force, "Don't ask");
    command.add_flag("-s,--stop", flags.stop, "Stop those that run, and remove them too");
    command.add_flag("-v,--volumes", flags.volumes, "Also the data of anonymous volumes");
    command.add_flag("-a,--all", flags.all, "Accepted, without effect");
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const RmFlags& flags) {
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    std::vector<Selection> selections = TRY(select_containers(*found.target, flags.services));
    std::string names;
    for (Selection& selection : selections) {
        if (!flags.stop)
            std::erase_if(selection.views, [](const auto& view) { return !rests(view); });
        for (const stack::ContainerView& view : selection.views)
            names += (names.empty() ? "" : ", ") + view.record.name;
    }
    if (names.empty()) {
        to_stderr("No stopped containers\n");
        return kOk;
    }
    const bool asks = !flags.force && !context.globals.dry_run;
    // As docker compose has it, also where nothing is asked.
    if (!context.globals.dry_run) to_stdout(fmt::format("Going to remove {}\n", harmless(names)));
    if (asks && !(flush_stdout() && confirmed("Are you sure? [yN] "))) return kOk;
    LifeCommand command;
    command.action = flags.stop ? stack::LifeAction::RemoveAll : stack::LifeAction::Remove;
    command.operation = [&](const auto& environment, const auto& request) {
        return stack::remove(environment, {request, flags.stop, flags.volumes});
    };
    return run_life(context, *found.target, selections, command);
}

}  // namespace davit::cli
