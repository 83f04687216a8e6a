#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_filter.h"
#include "cli/image_rows.h"
#include "cli/target.h"
#include "cli/template.h"

#include <CLI/CLI.hpp>

namespace davit::cli {

void declare(CLI::App& command, ImagesFlags& flags) {
    command.add_flag("-q,--quiet", flags.quiet, "Only ids");
    command.add_flag("--digests", flags.digests, "Also show digests");
    command.add_flag("--no-trunc", flags.no_trunc, "Whole ids");
    command.add_flag("-a,--all", flags.all, "Accepted, without effect");
    command.add_option("--format", flags.format, "table, json (one object a line) or a template");
    command
        .add_option("-f,--filter", flags.filters,
                    "reference=PATTERN, dangling=true, label=NAME[=VALUE], before=IMAGE, "
                    "since=IMAGE or until=TIME; may be repeated")
        ->allow_extra_args(false);
    command.add_option("REPOSITORY", flags.reference, "Only these; a pattern")
        ->option_text("REPOSITORY[:TAG]");
}

Result<int> run(const Context& context, const ImagesFlags& flags) {
    const bool is_template = flags.format.find("{{") != std::string::npos;
    if (flags.format != "table" && flags.format != "json" && !is_template)
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use table, json or a template such as '{{.Repository}}'");
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
    ImageRowOptions options;
    options.digests = flags.digests || flags.format != "table";
    options.no_trunc = flags.no_trunc;
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
    if (flags.format == "table") {
        to_stdout(image_table(rows, options));
        return kOk;
    }
    for (const Json& row : rows) {
        if (is_template)
            to_stdout(TRY(fill_template(flags.format, row)) + "\n");
        else
            to_stdout(row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    }
    return kOk;
}

}  // namespace davit::cli
