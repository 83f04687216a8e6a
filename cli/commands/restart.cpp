#include "cli/commands/life.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, RestartFlags& flags) {
    command.add_flag("--no-deps", flags.no_deps,
                     "Not those that 'depends_on.restart: true' would restart, too");
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const RestartFlags& flags) {
    LifeCommand command;
    command.words = flags.services;
    command.timeout_s = flags.timeout_s;
    command.no_deps = flags.no_deps;
    command.told_as = ToldAs::Restart;
    command.action = stack::LifeAction::Restart;
    command.operation = [](const auto& environment, const auto& request) {
        return stack::restart(environment, request);
    };
    return run_life(context, command);
}

}  // namespace davit::cli
