#include "base/bytes.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/disk_usage.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/template.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace davit::cli {
namespace {

std::string reclaimable_text(const DiskUse& use) {
    const std::string bytes = format_bytes(use.reclaimable);
    if (use.bytes == 0) return bytes;
    return fmt::format("{} ({}%)", bytes, use.reclaimable * 100 / use.bytes);
}

using Columns = std::vector<std::pair<const char*, const char*>>;

std::string table_of(const Columns& columns, const std::vector<Json>& rows) {
    std::vector<std::vector<std::string>> table(1);
    for (const auto& [title, key] : columns) table[0].emplace_back(title);
    for (const Json& row : rows) {
        std::vector<std::string> cells;
        for (const auto& [title, key] : columns) cells.push_back(string_or(row, key));
        table.push_back(std::move(cells));
    }
    return render_table(table);
}

Result<std::string> summary(const DiskUsage& usage, const std::string& format) {
    std::vector<Json> rows;
    for (const DiskUse* use : {&usage.images, &usage.containers, &usage.volumes, &usage.cache})
        rows.push_back({{"Active", std::to_string(use->active)},
                        {"Reclaimable", reclaimable_text(*use)},
                        {"Size", format_bytes(use->bytes)},
                        {"TotalCount", std::to_string(use->total)},
                        {"Type", use->name}});
    if (format == "table")
        return table_of({{"TYPE", "Type"},
                         {"TOTAL", "TotalCount"},
                         {"ACTIVE", "Active"},
                         {"SIZE", "Size"},
                         {"RECLAIMABLE", "Reclaimable"}},
                        rows);
    std::string text;
    for (const Json& row : rows)
        text += (format == "json" ? row.dump() : TRY(fill_template(format, row))) + "\n";
    return text;
}

/// @source docker/cli formatter/disk_usage.go
Result<std::string> everything(const DiskUsage& usage, const std::string& format) {
    if (format != "table") {
        const Json all = {{"Images", usage.image_rows},
                          {"Containers", usage.container_rows},
                          {"Volumes", usage.volume_rows},
                          {"BuildCache", usage.cache_rows}};
        if (format != "json") return TRY(fill_template(format, all)) + "\n";
        return all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    const Columns images = {{"REPOSITORY", "Repository"},
                            {"TAG", "Tag"},
                            {"IMAGE ID", "ID"},
                            {"CREATED", "CreatedSince"},
                            {"SIZE", "Size"},
                            {"SHARED SIZE", "SharedSize"},
                            {"UNIQUE SIZE", "UniqueSize"},
                            {"CONTAINERS", "Containers"}};
    const Columns containers = {{"CONTAINER ID", "ID"}, {"IMAGE", "Image"},
                                {"COMMAND", "Command"}, {"LOCAL VOLUMES", "LocalVolumes"},
                                {"SIZE", "Size"},       {"CREATED", "RunningFor"},
                                {"STATUS", "Status"},   {"NAMES", "Names"}};
    const Columns volumes = {{"VOLUME NAME", "Name"}, {"LINKS", "Links"}, {"SIZE", "Size"}};
    const Columns cache = {
        {"CACHE ID", "ID"},          {"CACHE TYPE", "CacheType"},    {"SIZE", "Size"},
        {"CREATED", "CreatedSince"}, {"LAST USED", "LastUsedSince"}, {"USAGE", "InUse"},
        {"SHARED", "Shared"}};
    return fmt::format(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\n"
        "Local Volumes space usage:\n\n{}\nBuild cache usage: {}\n\n{}",
        table_of(images, usage.image_rows), table_of(containers, usage.container_rows),
        table_of(volumes, usage.volume_rows), format_bytes(usage.cache.bytes),
        table_of(cache, usage.cache_rows));
}

}  // namespace

void declare(CLI::App& command, SystemDfFlags& flags) {
    command.add_option("--format", flags.format, "table, json (one object a line) or a template");
    command.add_flag("-v,--verbose", flags.verbose, "Each image, container, volume and step");
}

Result<int> run(const Context& context, const SystemDfFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    paths.run_root = run_root(context);
    const DiskUsage usage = TRY(disk_usage(paths, std::chrono::system_clock::now()));
    to_stdout(TRY(flags.verbose ? everything(usage, flags.format) : summary(usage, flags.format)));
    return kOk;
}

}  // namespace davit::cli
