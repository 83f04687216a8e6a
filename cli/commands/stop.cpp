#include "cli/commands/life.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, StopFlags& flags) {
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const StopFlags& flags) {
    LifeCommand command;
    command.words = flags.services;
    command.timeout_s = flags.timeout_s;
    command.action = stack::LifeAction::Stop;
    command.operation = [](const auto& environment, const auto& request) {
        return stack::stop(environment, request);
    };
    return run_life(context, command);
}

}  // namespace davit::cli
