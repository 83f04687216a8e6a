#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/selection.h"
#include "image/output_file.h"
#include "stack/container_image.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ExportFlags& flags) {
    command.add_option("-o,--output", flags.output, "File to write; else standard output");
    command.add_option("--index", flags.index, "Which container of the service")
        ->check(CLI::PositiveNumber);
    command.add_option("SERVICE", flags.container, "Service, or container by name or id")
        ->required();
}

Result<int> run(const Context& context, const ExportFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::ContainerView view =
        TRY(one_container(*found.target, flags.container, flags.index));
    if (context.globals.dry_run)
        return tell_intents({{'+', "write", "archive", flags.output.empty() ? "-" : flags.output,
                              fmt::format("of container {}", view.record.name)}});
    TRY(image::write_out(flags.output, "export", [&](image::ByteSink& sink) {
        return stack::export_root(found.target->environment, view, sink);
    }));
    return kOk;
}

}  // namespace davit::cli
