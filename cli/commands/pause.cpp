#include "cli/commands/life.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, PauseFlags& flags) {
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

void declare(CLI::App& command, UnpauseFlags& flags) {
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const PauseFlags& flags) {
    LifeCommand command;
    command.words = flags.services;
    command.verb = "pause";
    command.done = "Paused";
    command.operation = [](const auto& environment, const auto& request) {
        return stack::pause(environment, request);
    };
    return run_life(context, command);
}

Result<int> run(const Context& context, const UnpauseFlags& flags) {
    LifeCommand command;
    command.words = flags.services;
    command.verb = "unpause";
    command.done = "Unpaused";
    command.operation = [](const auto& environment, const auto& request) {
        return stack::unpause(environment, request);
    };
    return run_life(context, command);
}

}  // namespace davit::cli
