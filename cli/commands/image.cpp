#include "base/bytes.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_prune.h"
#include "cli/image_view.h"
#include "cli/images_in_use.h"
#include "cli/inspect_text.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/row_format.h"
#include "cli/selection.h"
#include "cli/target.h"
#include "image/store_check.h"
#include "image/store_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace davit::cli {
namespace {

/// @source docker/cli cli/command/image/formatter_history.go
RowKind history_kind() {
    return {{{"ID", "IMAGE"},
             {"CreatedSince", "CREATED"},
             {"CreatedAt", "CREATED AT"},
             {"CreatedBy", "CREATED BY"},
             {"Size", "SIZE"},
             {"Comment", "COMMENT"}},
            {"ID", "CreatedSince", "CreatedBy", "Size", "Comment"},
            "{{.ID}}"};
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
    TRY(show_inspected(flags.format, all));
    return status;
}

void declare(CLI::App& command, HistoryFlags& flags) {
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
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
    const char* wanted = flags.quiet ? "{{.ID}}" : flags.format.c_str();
    const RowFormat format = TRY(RowFormat::parse(wanted, history_kind()));
    to_stdout(TRY(format.text(as_rows(rows))));
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
