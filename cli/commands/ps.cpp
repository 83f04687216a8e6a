#include "cli/commands/commands.h"
#include "cli/container_filter.h"
#include "cli/container_rows.h"
#include "cli/exit_code.h"
#include "cli/target.h"
#include "cli/template.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

namespace davit::cli {
namespace {

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
    if (flags.format == "table") return container_table(views, now, flags.no_trunc);
    const bool is_template = flags.format.find("{{") != std::string::npos;
    if (flags.format != "json" && !is_template)
        return Error(ErrorKind::InvalidInput, fmt::format("unknown format '{}'", flags.format))
            .help("use table, json or a template such as '{{.Name}}'");
    for (const stack::ContainerView& view : views) {
        const Json row = container_row(view, now, flags.no_trunc);
        text += is_template ? TRY(fill_template(flags.format, row))
                            : row.dump(-1, ' ', false, Json::error_handler_t::replace);
        text += '\n';
    }
    return text;
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
    command.add_option("--format", flags.format, "table, json (one object a line) or a template");
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
