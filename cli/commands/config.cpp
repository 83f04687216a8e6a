#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ConfigFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only check; print nothing but mistakes");
    command.add_flag("--services", flags.services, "Print the names of the services");
    command.footer("Printing the whole model is not supported yet; use -q or --services.");
}

Result<int> run(const Context& context, const ConfigFlags& flags) {
    if (!flags.quiet && !flags.services)
        return Error(ErrorKind::Unsupported, "printing the whole model is not supported yet")
            .help("check the file with -q, or list its services with --services");
    const TargetOrExit found = TRY(find_target(context, FileNeed::Required));
    if (!found.target) return found.exit_code;
    if (!flags.quiet)
        for (const auto& [name, service] : found.target->loaded->project.services)
            to_stdout(name + "\n");
    return kOk;
}

}  // namespace davit::cli
