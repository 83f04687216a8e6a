#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/target.h"
#include "image/store.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

namespace davit::cli {

void declare(CLI::App& command, LoadFlags& flags) {
    command.add_option("-i,--input", flags.input,
                       "Archive (docker-archive or OCI) or OCI layout folder; else standard input");
    command.add_flag("-q,--quiet", flags.quiet, "Print no progress: the default");
}

Result<int> run(const Context& context, const LoadFlags& flags) {
    if (flags.input.empty() && ::isatty(STDIN_FILENO) == 1)
        return Error(ErrorKind::InvalidInput,
                     "no archive is given, and standard input is a terminal")
            .help("name one with -i FILE, or use '< FILE'");
    if (context.globals.dry_run)
        return tell_intents({{'+', "load", "archive", flags.input.empty() ? "-" : flags.input}});
    const std::string data_root = TRY(image_data_root(context));
    image::Store store = TRY(image::Store::open(data_root));
    const std::string archive = flags.input.empty() ? "-" : flags.input;
    for (const std::string& name : TRY(store.load(archive))) {
        const bool nameless = name.starts_with("sha256:");
        to_stdout(fmt::format("Loaded image{}: {}\n", nameless ? " ID" : "", harmless(name)));
    }
    return kOk;
}

}  // namespace davit::cli
