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

/// Whether all words are names of containers and none is a service's: then `rm` is docker's, which
/// asks nothing, and with -f also removes what runs. Docker Compose asks, and leaves what runs.
bool names_containers(const Target& target, const std::vector<Selection>& selections,
                      const std::vector<std::string>& words) {
    const auto is_container = [&](const std::string& word) {
        if (target.loaded && target.loaded->project.services.contains(word)) return false;
        return std::any_of(selections.begin(), selections.end(), [&](const Selection& selection) {
            return std::any_of(
                selection.views.begin(), selection.views.end(), [&](const auto& view) {
                    return view.record.name == word || view.record.id.starts_with(word);
                });
        });
    };
    return !words.empty() && std::all_of(words.begin(), words.end(), is_container);
}

/// Says that there is nothing to remove, and how to remove what runs.
void tell_nothing_rests(const std::string& running) {
    to_stderr("No stopped containers\n");
    if (!running.empty())
        to_stderr(
            fmt::format("  help: 'davit rm -s' also removes what runs: {}\n", harmless(running)));
}

}  // namespace

void declare(CLI::App& command, RmFlags& flags) {
    command.add_flag("-f,--force", flags.force,
                     "Don't ask; containers that are named are killed first");
    command.add_flag("-s,--stop", flags.stop, "Stop those that run, and remove them too");
    command.add_flag("-v,--volumes", flags.volumes, "Also the data of anonymous volumes");
    command.add_flag("-a,--all", flags.all, "Accepted, without effect");
    command.add_option("SERVICE", flags.services, "Only these services, or containers by name");
}

Result<int> run(const Context& context, const RmFlags& flags) {
    TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    std::vector<Selection> selections = TRY(select_containers(*found.target, flags.services));
    const bool named = names_containers(*found.target, selections, flags.services);
    const bool stop = flags.stop || (named && flags.force);
    std::string names;
    std::string running;
    for (Selection& selection : selections) {
        for (const stack::ContainerView& view : selection.views) {
            std::string& list = stop || rests(view) ? names : running;
            list += (list.empty() ? "" : ", ") + view.record.name;
        }
        if (!stop) std::erase_if(selection.views, [](const auto& view) { return !rests(view); });
    }
    if (names.empty() && named)
        return Error(ErrorKind::InvalidInput, fmt::format("still running: {}", harmless(running)))
            .help("'davit rm -f' stops them first");
    if (names.empty()) {
        tell_nothing_rests(running);
        return kOk;
    }
    const bool asks = !flags.force && !named && !context.globals.dry_run;
    // As docker compose has it, also where nothing is asked.
    if (!context.globals.dry_run) to_stdout(fmt::format("Going to remove {}\n", harmless(names)));
    if (asks && !(flush_stdout() && confirmed("Are you sure? [yN] "))) return kOk;
    LifeCommand command;
    command.action = stop ? stack::LifeAction::RemoveAll : stack::LifeAction::Remove;
    // `docker rm -f` kills; `docker compose rm -s` stops.
    const bool kills = named && flags.force && !flags.stop;
    command.operation = [&](const auto& environment, const auto& request) {
        stack::LifeRequest own = request;
        if (kills) own.stop_timeout = std::chrono::milliseconds(0);
        own.hooks = own.hooks && !kills;
        return stack::remove(environment, {own, stop, flags.volumes});
    };
    return run_life(context, *found.target, selections, command);
}

}  // namespace davit::cli
