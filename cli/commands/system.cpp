#include "base/bytes.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/disk_usage.h"
#include "cli/exit_code.h"
#include "cli/row_format.h"
#include "cli/target.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace davit::cli {
namespace {

std::string reclaimable_text(const DiskUse& use) {
    const std::string bytes = format_bytes(use.reclaimable);
    if (use.bytes == 0) return bytes;
    return fmt::format("{} ({}%)", bytes, use.reclaimable * 100 / use.bytes);
}

/// The titles of all that `system df -v` lists. @source docker/cli formatter/disk_usage.go
RowKind detail_kind(const char* id, const char* name, std::vector<const char*> table) {
    return {{{"ID", id},
             {"Name", name},
             {"Repository", "REPOSITORY"},
             {"Tag", "TAG"},
             {"Image", "IMAGE"},
             {"Command", "COMMAND"},
             {"LocalVolumes", "LOCAL VOLUMES"},
             {"CreatedSince", "CREATED"},
             {"LastUsedSince", "LAST USED"},
             {"RunningFor", "CREATED"},
             {"Size", "SIZE"},
             {"SharedSize", "SHARED SIZE"},
             {"UniqueSize", "UNIQUE SIZE"},
             {"Containers", "CONTAINERS"},
             {"Status", "STATUS"},
             {"Names", "NAMES"},
             {"Links", "LINKS"},
             {"CacheType", "CACHE TYPE"},
             {"InUse", "USAGE"},
             {"Shared", "SHARED"}},
            std::move(table)};
}

RowKind summary_kind() {
    return {{{"Type", "TYPE"},
             {"TotalCount", "TOTAL"},
             {"Active", "ACTIVE"},
             {"Size", "SIZE"},
             {"Reclaimable", "RECLAIMABLE"}},
            {"Type", "TotalCount", "Active", "Size", "Reclaimable"},
            "{{.Type}}"};
}

Result<std::string> summary(const DiskUsage& usage, const RowFormat& format) {
    std::vector<ListedRow> rows;
    for (const DiskUse* use : {&usage.images, &usage.containers, &usage.volumes, &usage.cache})
        rows.push_back({{{"Active", std::to_string(use->active)},
                         {"Reclaimable", reclaimable_text(*use)},
                         {"Size", format_bytes(use->bytes)},
                         {"TotalCount", std::to_string(use->total)},
                         {"Type", use->name}},
                        {}});
    return format.text(rows);
}

Result<std::string> table_of(RowKind kind, const std::vector<Json>& rows) {
    const RowFormat table = TRY(RowFormat::parse("table", std::move(kind)));
    return table.text(as_rows(rows));
}

/// @source docker/cli formatter/disk_usage.go
Result<std::string> everything(const DiskUsage& usage, const RowFormat& format) {
    if (!format.is_default_table())
        return format.text_of({{"Images", usage.image_rows},
                               {"Containers", usage.container_rows},
                               {"Volumes", usage.volume_rows},
                               {"BuildCache", usage.cache_rows}});
    const RowKind images = detail_kind("IMAGE ID", "NAME",
                                       {"Repository", "Tag", "ID", "CreatedSince", "Size",
                                        "SharedSize", "UniqueSize", "Containers"});
    const RowKind containers = detail_kind(
        "CONTAINER ID", "NAME",
        {"ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"});
    const RowKind volumes = detail_kind("ID", "VOLUME NAME", {"Name", "Links", "Size"});
    const RowKind cache = detail_kind(
        "CACHE ID", "NAME",
        {"ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "InUse", "Shared"});
    std::string text = "Images space usage:\n\n" + TRY(table_of(images, usage.image_rows));
    text += "\nContainers space usage:\n\n" + TRY(table_of(containers, usage.container_rows));
    text += "\nLocal Volumes space usage:\n\n" + TRY(table_of(volumes, usage.volume_rows));
    text += fmt::format("\nBuild cache usage: {}\n\n", format_bytes(usage.cache.bytes));
    return text + TRY(table_of(cache, usage.cache_rows));
}

}  // namespace

void declare(CLI::App& command, SystemDfFlags& flags) {
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command.add_flag("-v,--verbose", flags.verbose, "Each image, container, volume and step");
}

Result<int> run(const Context& context, const SystemDfFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    paths.run_root = run_root(context);
    const RowFormat format = TRY(RowFormat::parse(flags.format, summary_kind()));
    const DiskUsage usage = TRY(disk_usage(paths, std::chrono::system_clock::now()));
    to_stdout(TRY(flags.verbose ? everything(usage, format) : summary(usage, format)));
    return kOk;
}

}  // namespace davit::cli
