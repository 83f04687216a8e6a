#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/selection.h"
#include "image/reference.h"
#include "stack/container_image.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, CommitFlags& flags) {
    command.add_option("-a,--author", flags.author, "Who made it: 'A Name <name@example.com>'");
    command.add_option("-m,--message", flags.message, "What is new");
    command
        .add_option("-c,--change", flags.changes,
                    "Dockerfile instruction to apply, such as 'CMD [\"nginx\"]'; may be repeated")
        ->allow_extra_args(false);
    command.add_flag("-p,--pause,!--no-pause", flags.pause,
                     "The container stands still meanwhile (default)");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_option("SERVICE", flags.container, "Service, or container by name or id")
        ->required();
    command.add_option("REPOSITORY", flags.reference, "Name of the new image")
        ->option_text("REPOSITORY[:TAG]");
}

Result<int> run(const Context& context, const CommitFlags& flags) {
    // What is wrong with the name comes before the work.
    if (!flags.reference.empty()) (void)TRY(image::parse_reference(flags.reference));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::ContainerView view =
        TRY(one_container(*found.target, flags.container, flags.index));
    if (context.globals.dry_run)
        return tell_intents({{'+', "create", "image",
                              flags.reference.empty() ? "(without a name)" : flags.reference,
                              fmt::format("from container {}", view.record.name)}});
    stack::CommitOptions options;
    options.author = flags.author;
    options.message = flags.message;
    options.changes = flags.changes;
    options.name = flags.reference;
    options.pause = flags.pause;
    const std::string id = TRY_DOING(stack::commit(found.target->environment, view, options),
                                     "commit '{}'", flags.container);
    to_stdout("sha256:" + id + "\n");
    return kOk;
}

}  // namespace davit::cli
