#include "cli/commands/commands.h"
#include "cli/container_filter.h"
#include "cli/container_rows.h"
#include "cli/exit_code.h"
#include "cli/row_format.h"
#include "cli/target.h"
#include "stack/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

/// @source docker/cli cli/command/formatter/container.go; docker/compose cmd/formatter/container.go
RowKind container_kind() {
    return {{{"ID", "CONTAINER ID"},
             {"Name", "NAME"},
             {"Names", "NAMES"},
             {"Image", "IMAGE"},
             {"Command", "COMMAND"},
             {"CreatedAt", "CREATED AT"},
             {"ExitCode", "EXIT CODE"},
             {"Health", "HEALTH"},
             {"Labels", "LABELS"},
             {"LocalVolumes", "LOCAL VOLUMES"},
             {"Mounts", "MOUNTS"},
             {"Networks", "NETWORKS"},
             {"Ports", "PORTS"},
             {"Project", "PROJECT"},
             {"RunningFor", "CREATED"},
             {"Service", "SERVICE"},
             {"Size", "SIZE"},
             {"State", "STATE"},
             {"Status", "STATUS"}}};
}

Result<std::string> listing(const std::vector<stack::ContainerView>& views, const PsFlags& flags) {
    std::string text;
    if (flags.quiet) {
        for (const stack::ContainerView& view : views) text += view.record.id + "\n";
        return text;
    }
    if (flags.services_only) {
        std::set<std::string> names;
        for (const stack::ContainerView& view : views) names.insert(view.record.service);
        for (const std::string& name : names) text += harmless(name) + "\n";
        return text;
    }
    const TimePoint now = std::chrono::system_clock::now();
    const RowFormat format = TRY(RowFormat::parse(flags.format, container_kind()));
    if (format.is_default_table()) return container_table(views, now, flags.no_trunc);
    std::vector<ListedRow> rows;
    for (const stack::ContainerView& view : views)
        rows.push_back(
            {container_row(view, now, flags.no_trunc), stack::compose_labels(view.record)});
    return format.text(rows);
}

}  // namespace

void declare(CLI::App& command, PsFlags& flags) {
    command.add_flag("-a,--all", flags.all, "Also those that don't run");
    command.add_flag("-q,--quiet", flags.quiet, "Only ids");
    command.add_flag("--services", flags.services_only, "Only names of services");
    command.add_option("--status", flags.statuses, "Only those that are so: running, exited, …")
        ->allow_extra_args(false);
    command.add_option("--filter", flags.filters, "status=running, name=, label= and the like")
        ->allow_extra_args(false);
    command.add_flag("--no-trunc", flags.no_trunc, "Whole ids and commands");
    command
        .add_option("--orphans", flags.orphans,
                    "Also containers of services that the file doesn't have: true or false")
        ->expected(0, 1)
        ->default_str("true");
    command.add_option("--format", flags.format,
                       "table, json (one object a line), a template or table TEMPLATE");
    command.add_option("SERVICE", flags.services, "Only these services");
}

Result<int> run(const Context& context, const PsFlags& flags) {
    const ContainerFilter filter = TRY(ContainerFilter::parse(flags.filters, flags.statuses));
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const Target& target = *found.target;
    const stack::Paths& paths = target.environment.paths;
    std::vector<stack::ContainerView> views =
        TRY(target.project.empty() ? stack::list_all_containers(paths)
                                   : stack::list_containers(paths, target.project));
    TRY(check_services(target, flags.services, views));
    std::erase_if(views, [&](const stack::ContainerView& view) {
        const bool wanted =
            flags.services.empty() || std::find(flags.services.begin(), flags.services.end(),
                                                view.record.service) != flags.services.end();
        const bool orphan =
            target.loaded && !view.record.one_off &&
            std::find(target.loaded->service_names.begin(), target.loaded->service_names.end(),
                      view.record.service) == target.loaded->service_names.end();
        if (!wanted || (orphan && !flags.orphans)) return true;
        if (!filter.takes(view)) return true;
        if (filter.any_status()) return false;
        return !flags.all && (!is_up(view) || view.record.one_off);
    });
    to_stdout(TRY(listing(views, flags)));
    return kOk;
}

}  // namespace davit::cli
