#include "image/save.h"

#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/intents.h"
#include "cli/target.h"
#include "image/gzip_sink.h"
#include "image/output_file.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, SaveFlags& flags) {
    command.add_option("-o,--output", flags.output, "File to write; else standard output");
    command.add_option("--format", flags.format, "docker (default; any loader takes it) or oci");
    command.add_flag("--gzip", flags.gzip, "Compress the whole archive too");
    command.add_option("IMAGE", flags.images, "Names or ids")->required();
}

Result<int> run(const Context& context, const SaveFlags& flags) {
    if (flags.format != "docker" && flags.format != "oci")
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use docker or oci");
    const std::string data_root = TRY(image_data_root(context));
    if (context.globals.dry_run)
        return tell_intents({{'+', "write", "archive", flags.output.empty() ? "-" : flags.output,
                              fmt::format("of {}", fmt::join(flags.images, ", "))}});
    const image::Store store = TRY(image::Store::open(data_root));
    const auto write = [&](image::ByteSink& sink) -> Result<void> {
        const auto format =
            flags.format == "oci" ? image::SaveFormat::Oci : image::SaveFormat::Docker;
        if (!flags.gzip) return image::save(store, flags.images, format, sink);
        image::GzipSink gzip(sink);
        TRY(image::save(store, flags.images, format, gzip));
        return gzip.finish();
    };
    TRY(image::write_out(flags.output, "save", write));
    return kOk;
}

}  // namespace davit::cli
