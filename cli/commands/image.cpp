#include "base/bytes.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_prune.h"
#include "cli/image_view.h"
#include "cli/images_in_use.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/selection.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/template.h"
#include "image/store_check.h"
#include "image/store_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace davit::cli {
namespace {

std::string compact(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void declare(CLI::App& command, ImageInspectFlags& flags) {
    command.add_option("-f,--format", flags.format, "json, or a template such as '{{.Id}}'");
    command.add_option("IMAGE", flags.images, "Names or ids")->required();
}

Result<int> run(const Context& context, const ImageInspectFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    const image::Store store = TRY(image::Store::open(data_root));
    Json all = Json::array();
    int status = kOk;
    for (const std::string& name : flags.images) {
        const Result<image::Image> image = store.find(name);
        if (!image) {
            to_stderr(render(image.error(), context.terminal.err_colour));
            status = kFailed;
            continue;
        }
        const Json config = TRY(image::read_blob(data_root, image->id));
        all.push_back(image_inspect(*image, config));
    }
    if (flags.format.empty())
        to_stdout(all.dump(4, ' ', false, Json::error_handler_t::replace) + "\n");
    else if (flags.format == "json")
        to_stdout(compact(all) + "\n");
    else
        for (const Json& one : all) to_stdout(TRY(fill_template(flags.format, one)) + "\n");
    return status;
}

void declare(CLI::App& command, HistoryFlags& flags) {
    command.add_option("--format", flags.format, "table, json (one object a line) or a template");
    command.add_flag("--no-trunc", flags.no_trunc, "Whole lines");
    command.add_flag("-q,--quiet", flags.quiet, "Only ids");
    command.add_option("IMAGE", flags.image, "Name or id")->required();
}

Result<int> run(const Context& context, const HistoryFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    const image::Store store = TRY(image::Store::open(data_root));
    const image::Image image = TRY(store.find(flags.image));
    const Json config = TRY(image::read_blob(data_root, image.id));
    std::vector<std::int64_t> sizes;
    for (const std::string& diff_id : image.diff_ids) {
        const Json notes =
            TRY(read_record(image::layer_path(data_root, diff_id) + "/meta.json", 1));
        sizes.push_back(integer_or(notes, "size"));
    }
    const std::vector<Json> rows =
        history_rows(image, config, sizes, flags.no_trunc, std::chrono::system_clock::now());
    std::vector<std::vector<std::string>> table = {
        {"IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"}};
    for (const Json& row : rows) {
        if (flags.quiet)
            to_stdout(string_or(row, "ID") + "\n");
        else if (flags.format == "json")
            to_stdout(compact(row) + "\n");
        else if (flags.format != "table")
            to_stdout(TRY(fill_template(flags.format, row)) + "\n");
        else
            table.push_back({string_or(row, "ID"), string_or(row, "CreatedSince"),
                             string_or(row, "CreatedBy"), string_or(row, "Size"),
                             string_or(row, "Comment")});
    }
    if (!flags.quiet && flags.format == "table") to_stdout(render_table(table));
    return kOk;
}

void declare(CLI::App& command, ImageCheckFlags& flags) {
    command.add_flag("--repair", flags.repair, "Mend what can be mended");
}

Result<int> run(const Context& context, const ImageCheckFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    const image::Store store = TRY(image::Store::open(data_root));
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    const image::CheckResult result =
        TRY(image::check(store, flags.repair && !context.globals.dry_run, in_use));
    int status = kOk;
    for (const image::Finding& finding : result.findings) {
        to_stdout(fmt::format("{}: {}{}\n", harmless(finding.image), harmless(finding.what),
                              finding.repaired ? " (mended)" : ""));
        if (finding.repaired) continue;
        to_stdout(fmt::format("  help: {}\n", harmless(finding.cure)));
        status = kFailed;
    }
    to_stdout(fmt::format("{} images with {} layers: {}\n", result.images, result.layers,
                          result.findings.empty()
                              ? "all as they should be"
                              : fmt::format("{} findings", result.findings.size())));
    return status;
}

void declare(CLI::App& command, ImagePruneFlags& flags) {
    command.add_flag("-a,--all", flags.all, "All that no container was made of, not only nameless");
    command.add_flag("-f,--force", flags.force, "Don't ask");
    command
        .add_option("--filter", flags.filters,
                    "until=TIME, label=NAME[=VALUE], label!=… or dangling=…")
        ->allow_extra_args(false);
}

Result<int> run(const Context& context, const ImagePruneFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    const std::string question = fmt::format(
        "WARNING! This will remove all {}.\nAre you sure you want to continue? [y/N] ",
        flags.all ? "images without at least one container associated to them" : "dangling images");
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const image::Image& image : TRY(unused_images(data_root, flags.all, flags.filters)))
            intents.push_back(intent_of(image));
        return tell_intents(intents);
    }
    if (!flags.force && !confirmed(question)) return kOk;
    const PrunedImages pruned = TRY(prune_images(data_root, flags.all, flags.filters));
    if (!pruned.lines.empty()) to_stdout("Deleted Images:\n" + pruned.lines + "\n");
    to_stdout(fmt::format("Total reclaimed space: {}\n", format_bytes(pruned.bytes)));
    return kOk;
}

}  // namespace davit::cli
