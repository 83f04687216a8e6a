#include "base/bytes.h"
#include "base/file.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/images_in_use.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/template.h"
#include "image/store_check.h"
#include "stack/records.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>

namespace davit::cli {
namespace {

/// Bytes that files under `path` take, one with several names once; what can't be read is nothing.
std::int64_t disk_usage(const std::string& path, std::set<std::pair<dev_t, ino_t>>& seen) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == -1) return 0;
    if (!S_ISDIR(info.st_mode)) {
        const bool counted =
            info.st_nlink > 1 && !seen.insert(std::pair(info.st_dev, info.st_ino)).second;
        return counted ? 0 : info.st_blocks * 512;
    }
    std::int64_t total = info.st_blocks * 512;
    const auto names = list_directory(path);
    for (const std::string& name : names ? *names : std::vector<std::string>())
        total += disk_usage(path + "/" + name, seen);
    return total;
}

struct Kind {
    const char* name = "";
    std::size_t total = 0;
    std::size_t active = 0;
    std::int64_t bytes = 0;
    std::int64_t reclaimable = 0;
};

Result<Kind> images_of(const std::string& data_root) {
    Kind kind{"Images"};
    const std::optional<image::Store> store = TRY(image::Store::open_existing(data_root));
    if (!store) return kind;
    const std::set<std::string> in_use = TRY(images_in_use(data_root));
    const std::vector<image::Image> images = TRY(store->list());
    kind.total = images.size();
    for (const image::Image& image : images) kind.active += in_use.count(image.id);
    const image::StoreUsage usage = TRY(image::usage(*store, in_use));
    kind.bytes = usage.bytes;
    kind.reclaimable = usage.reclaimable;
    return kind;
}

/// Containers, and the volumes that they have.
Result<std::pair<Kind, Kind>> containers_of(const stack::Paths& paths) {
    Kind containers{"Containers"};
    Kind volumes{"Local Volumes"};
    std::set<std::pair<dev_t, ino_t>> seen;
    std::set<std::string> mounted;
    const std::vector<std::string> projects = TRY(stack::list_projects(paths));
    for (const std::string& project : projects) {
        const auto records = TRY(stack::read_containers(paths, project));
        for (const auto& [name, record] : records) {
            ++containers.total;
            const std::int64_t bytes = disk_usage(record.state_dir + "/rw", seen);
            containers.bytes += bytes;
            if (exists(paths.run_container(project, name) + "/control.sock"))
                ++containers.active;
            else
                containers.reclaimable += bytes;
            for (const auto& mount : record.mounts) mounted.insert(mount.source);
        }
    }
    const auto records = TRY(stack::read_volumes(paths));
    for (const auto& [name, record] : records) {
        ++volumes.total;
        const std::string folder = paths.volumes() + "/" + name + "/_data";
        const std::int64_t bytes = disk_usage(folder, seen);
        volumes.bytes += bytes;
        if (mounted.contains(folder))
            ++volumes.active;
        else
            volumes.reclaimable += bytes;
    }
    return std::pair(containers, volumes);
}

std::string reclaimable_text(const Kind& kind) {
    const std::string bytes = format_bytes(kind.reclaimable);
    if (kind.bytes == 0) return bytes;
    return fmt::format("{} ({}%)", bytes, kind.reclaimable * 100 / kind.bytes);
}

}  // namespace

void declare(CLI::App& command, SystemDfFlags& flags) {
    command.add_option("--format", flags.format, "table, json (one object a line) or a template");
}

Result<int> run(const Context& context, const SystemDfFlags& flags) {
    stack::Paths paths;
    paths.data_root = TRY(image_data_root(context));
    paths.run_root = run_root(context);
    const Kind images = TRY(images_of(paths.data_root));
    const auto [containers, volumes] = TRY(containers_of(paths));
    std::vector<std::vector<std::string>> table = {
        {"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}};
    for (const Kind& kind : {images, containers, volumes, Kind{"Build Cache"}}) {
        const Json row = {{"Active", std::to_string(kind.active)},
                          {"Reclaimable", reclaimable_text(kind)},
                          {"Size", format_bytes(kind.bytes)},
                          {"TotalCount", std::to_string(kind.total)},
                          {"Type", kind.name}};
        if (flags.format == "json")
            to_stdout(row.dump() + "\n");
        else if (flags.format != "table")
            to_stdout(TRY(fill_template(flags.format, row)) + "\n");
        else
            table.push_back({kind.name, string_or(row, "TotalCount"), string_or(row, "Active"),
                             string_or(row, "Size"), string_or(row, "Reclaimable")});
    }
    if (flags.format == "table") to_stdout(render_table(table));
    return kOk;
}

}  // namespace davit::cli
