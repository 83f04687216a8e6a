#include "cli/commands/life.h"
#include "cli/selection.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, StartFlags& flags) {
    command.add_flag("--wait", flags.wait, "Return when they run and are healthy");
    command.add_option("--wait-timeout", flags.wait_timeout_s, "Seconds to wait at most")
        ->check(CLI::NonNegativeNumber);
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const StartFlags& flags) {
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    LifeCommand command;
    command.words = flags.services;
    command.wait = flags.wait;
    command.wait_timeout_s = flags.wait_timeout_s;
    command.action = stack::LifeAction::Start;
    command.operation = [](const auto& environment, const auto& request) {
        return stack::start(environment, request);
    };
    const std::vector<Selection> selections = TRY(select_containers(*found.target, command.words));
    for (const std::string& word : flags.services) {
        const bool has_one =
            std::any_of(selections.begin(), selections.end(), [&](const Selection& selection) {
                return std::any_of(selection.views.begin(), selection.views.end(),
                                   [&](const stack::ContainerView& view) {
                                       return view.record.service == word ||
                                              view.record.name == word ||
                                              view.record.id.starts_with(word);
                                   });
            });
        if (!has_one)
            return Error(ErrorKind::NotFound,
                         fmt::format("service '{}' has no container to start", word))
                .help(fmt::format("make one: davit up -d {}", word));
    }
    return run_life(context, *found.target, selections, command);
}

}  // namespace davit::cli
