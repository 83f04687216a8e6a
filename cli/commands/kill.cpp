#include "cli/commands/life.h"
#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>
#include <csignal>

namespace davit::cli {
namespace {

/// Those that run; docker compose says so where none does.
std::vector<Selection> running(std::vector<Selection> selections) {
    for (Selection& selection : selections)
        std::erase_if(selection.views,
                      [](const stack::ContainerView& view) { return view.state.pid == 0; });
    std::erase_if(selections, [](const Selection& selection) { return selection.views.empty(); });
    return selections;
}

}  // namespace

void declare(CLI::App& command, KillFlags& flags) {
    command.add_option("-s,--signal", flags.signal, "The signal: SIGHUP, hup or 1")
        ->type_name("SIGNAL");
    command.add_flag("--remove-orphans", flags.remove_orphans,
                     "Accepted; containers of services that the file doesn't have are killed too");
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const KillFlags& flags) {
    const int signal = TRY(stack::parse_signal(flags.signal));
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    LifeCommand command;
    command.verb = "kill";
    command.told_as = ToldAs::Kill;
    if (signal != SIGKILL) command.done = "Killed";  // no step says so
    command.operation = [signal](const auto& environment, const auto& request) {
        return stack::kill(environment, request, signal);
    };
    const std::vector<Selection> selections =
        running(TRY(select_containers(*found.target, flags.services)));
    if (selections.empty()) {
        to_stderr(render_warning("no container to kill", context.terminal.err_colour));
        return kOk;
    }
    return run_life(context, *found.target, selections, command);
}

}  // namespace davit::cli
