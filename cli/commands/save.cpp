#include "image/save.h"

#include "base/random.h"
#include "base/sys.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/target.h"
#include "image/gzip_sink.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

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
    const bool to_file = !flags.output.empty() && flags.output != "-";
    if (!to_file && ::isatty(STDOUT_FILENO) == 1)
        return Error(ErrorKind::InvalidInput, "standard output is a terminal")
            .help("name a file with -o, or use '> FILE'");
    const std::string data_root = TRY(image_data_root(context));
    const image::Store store = TRY(image::Store::open(data_root));
    // Under another name until it is whole: a half archive must not look like one.
    const std::string part = flags.output + ".part-" + random_hex(4);
    const auto write = [&]() -> Result<void> {
        UniqueFd fd(to_file ? -1 : ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
        if (to_file) fd = TRY(sys::open(part, O_WRONLY | O_CREAT | O_EXCL, 0666));
        image::FileSink file(std::move(fd));
        image::GzipSink gzip(file);
        image::ByteSink& sink = flags.gzip ? static_cast<image::ByteSink&>(gzip) : file;
        const auto format =
            flags.format == "oci" ? image::SaveFormat::Oci : image::SaveFormat::Docker;
        TRY(image::save(store, flags.images, format, sink));
        if (flags.gzip) TRY(gzip.finish());
        TRY(file.flush());
        if (!to_file || ::rename(part.c_str(), flags.output.c_str()) == 0) return {};
        const int error_number = errno;
        return Error::from_errno(error_number, "rename(2)");
    };
    if (Result<void> written = write(); !written) {
        if (to_file) ::unlink(part.c_str());
        return std::move(written).error().doing("save to '{}'",
                                                to_file ? flags.output : "standard output");
    }
    return kOk;
}

}  // namespace davit::cli
