#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/selection.h"
#include "cli/stream.h"
#include "cli/when.h"

#include <CLI/CLI.hpp>

namespace davit::cli {
namespace {

Result<std::optional<std::size_t>> parse_tail(const std::string& text) {
    if (text == "all") return std::optional<std::size_t>();
    const auto number = parse_integer(text);
    if (!number)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' of --tail is not a number of lines", printable(text)))
            .help("write a number, or 'all'");
    if (*number < 0) return std::optional<std::size_t>();  // docker takes -1 for all
    return std::optional<std::size_t>(static_cast<std::size_t>(*number));
}

Result<stack::LogOptions> log_options(const LogsFlags& flags) {
    stack::LogOptions options;
    options.tail = TRY(parse_tail(flags.tail));
    options.since = TRY(parse_when(flags.since, "--since"));
    options.until = TRY(parse_when(flags.until, "--until"));
    return options;
}

/// The containers that are meant, of one project or of several.
Result<std::vector<stack::ContainerView>> chosen_containers(const Target& target,
                                                            const LogsFlags& flags) {
    std::vector<stack::ContainerView> views;
    for (Selection& selection : TRY(select_containers(target, flags.services)))
        for (stack::ContainerView& view : selection.views) views.push_back(std::move(view));
    std::erase_if(views, [&](const stack::ContainerView& view) {
        const bool index = flags.index == 0 || view.record.number == flags.index;
        return !index || view.record.log_path.empty();
    });
    return views;
}

}  // namespace

void declare(CLI::App& command, LogsFlags& flags) {
    command.add_flag("-f,--follow", flags.follow, "Go on until all containers have ended");
    command.add_option("-n,--tail", flags.tail, "Lines from the end, of each container");
    command.add_flag("-t,--timestamps", flags.timestamps, "Show when each line was written");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_option("--since", flags.since, "Only lines from then on: a time, or 10m");
    command.add_option("--until", flags.until, "Only lines up to then: a time, or 10m");
    command.add_flag("--no-log-prefix", flags.no_log_prefix, "Leave the names out");
    command.add_flag("--no-color", flags.no_color, "No colours");
    command.add_option("SERVICE", flags.services, "Only these services");
}

Result<int> run(const Context& context, const LogsFlags& flags) {
    StreamRequest request;
    request.log_options = TRY(log_options(flags));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    request.paths = found.target->environment.paths;
    request.views = TRY(chosen_containers(*found.target, flags));
    request.follow = flags.follow;
    request.view_options.prefix = !flags.no_log_prefix;
    request.view_options.colour = context.terminal.out_colour && !flags.no_color;
    request.view_options.terminal = context.terminal.out_is_terminal;
    request.view_options.timestamps = flags.timestamps;
    if (!flags.follow) {
        TRY(stream(request, nullptr, {}));
        return kOk;
    }
    const Interrupts interrupts = TRY(Interrupts::install(2));
    const ContainerWatch watch =
        TRY(ContainerWatch::create(interrupts, run_dirs(request.paths, request.views)));
    TRY(stream(request, &watch, [] { return Interrupts::count() > 0; }));
    return Interrupts::count() > 0 ? kInterrupted : kOk;
}

}  // namespace davit::cli
