#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/target.h"
#include "image/store.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ImportFlags& flags) {
    command
        .add_option("-c,--change", flags.changes,
                    "Dockerfile instruction for the image, such as 'CMD [\"sh\"]'")
        ->allow_extra_args(false);
    command.add_option("-m,--message", flags.message, "What the image's history says");
    command.add_option("FILE", flags.archive, "Root file system as tar, or - for standard input")
        ->required();
    command.add_option("REFERENCE", flags.reference, "Name of the image");
}

Result<int> run(const Context& context, const ImportFlags& flags) {
    if (flags.archive.starts_with("http://") || flags.archive.starts_with("https://"))
        return Error(ErrorKind::Unsupported, "importing from a URL is not supported yet")
            .help("download the archive first");
    if (context.globals.dry_run)
        return tell_intents({{'+', "create", "image",
                              flags.reference.empty() ? "(without a name)" : flags.reference,
                              fmt::format("from {}", flags.archive)}});
    const std::string data_root = TRY(image_data_root(context));
    image::Store store = TRY(image::Store::open(data_root));
    image::Store::ImportOptions options;
    options.reference = flags.reference;
    options.changes = flags.changes;
    options.message = flags.message;
    const std::string id = TRY(store.import(flags.archive, options));
    to_stdout(fmt::format("{}{}\n", id.starts_with("sha256:") ? "" : "sha256:", id));
    return kOk;
}

}  // namespace davit::cli
