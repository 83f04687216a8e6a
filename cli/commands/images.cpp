#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_filter.h"
#include "cli/image_rows.h"
#include "cli/row_format.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ImagesFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only ids");
    command.add_flag("--digests", flags.digests, "Also show digests");
    command.add_flag("--no-trunc", flags.no_trunc, "Whole ids");
    command.add_flag("-a,--all", flags.all, "Accepted, without effect");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command
        .add_option("-f,--filter", flags.filters,
                    "reference=PATTERN, dangling=true, label=NAME[=VALUE], before=IMAGE, "
                    "since=IMAGE or until=TIME; may be repeated")
        ->allow_extra_args(false);
    command.add_option("REPOSITORY", flags.reference, "Only these; a pattern")
        ->option_text("REPOSITORY[:TAG]");
}

Result<int> run(const Context& context, const ImagesFlags& flags) {
    ImageRowOptions options;
    options.digests = flags.digests || flags.format != "table";
    options.no_trunc = flags.no_trunc;
    const RowFormat format = TRY(RowFormat::parse(flags.format, image_kind(options)));
    const std::string data_root = TRY(image_data_root(context));
    const std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    std::vector<image::Image> images;
    if (store) {
        images = TRY(store->list());
        ImageFilter filter = TRY(parse_image_filter(flags.filters, *store));
        if (!flags.reference.empty()) filter.references.push_back(flags.reference);
        std::vector<image::Image> chosen;
        for (image::Image& image : images)
            if (take_image(filter, image)) chosen.push_back(std::move(image));
        images = std::move(chosen);
    }
    const std::vector<Json> rows = image_rows(images, options, std::chrono::system_clock::now());
    if (flags.quiet) {
        std::string last;  // an image with several names is one image
        for (const Json& row : rows) {
            const std::string id = string_or(row, "ID");
            if (id != last) to_stdout(id + "\n");
            last = id;
        }
        return kOk;
    }
    to_stdout(TRY(format.text(as_rows(rows))));
    return kOk;
}

}  // namespace davit::cli
