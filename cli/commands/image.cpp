#include "base/bytes.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/image_view.h"
#include "cli/images_in_use.h"
#include "cli/render.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/template.h"
#include "image/store_check.h"
#include "image/store_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

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
    const image::CheckResult result = TRY(image::check(store, flags.repair, in_use));
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
}

Result<int> run(const Context& context, const ImagePruneFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    if (!flags.force) {
        if (::isatty(STDIN_FILENO) != 1)
            return Error(ErrorKind::InvalidInput,
                         "nobody can be asked: standard input is no "
                         "terminal")
                .help("add --force");
        to_stderr(fmt::format("This removes all {} images. Continue? [y/N] ",
                              flags.all ? "unused" : "nameless unused"));
        char answer = 'n';
        if (::read(STDIN_FILENO, &answer, 1) != 1 || (answer != 'y' && answer != 'Y')) return kOk;
    }
    image::Store store = TRY(image::Store::open(data_root));
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    const image::StoreUsage before = TRY(image::usage(store, in_use));
    const std::vector<image::Image> images = TRY(store.list());
    std::string deleted;
    for (const image::Image& image : images) {
        if (in_use.contains(image.id) || (!flags.all && !image.names.empty())) continue;
        const Result<image::Removed> removed = store.remove(image.id, in_use, true);
        // Gone or taken meanwhile: then it is not ours to remove.
        if (!removed) continue;
        for (const std::string& name : removed->untagged)
            deleted += fmt::format("untagged: {}\n", harmless(name));
        for (const std::string& id : removed->deleted)
            deleted += fmt::format("deleted: {}\n", harmless(id));
    }
    const image::StoreUsage after = TRY(image::usage(store, in_use));
    if (!deleted.empty()) to_stdout("Deleted Images:\n" + deleted + "\n");
    to_stdout(fmt::format("Total reclaimed space: {}\n",
                          format_bytes(std::max<std::int64_t>(before.bytes - after.bytes, 0))));
    return kOk;
}

}  // namespace davit::cli
