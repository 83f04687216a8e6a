#include "stack/prune.h"

#include "base/bytes.h"
#include "base/duration.h"
#include "base/file.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/disk_usage.h"
#include "cli/exit_code.h"
#include "cli/image_filter.h"
#include "cli/image_prune.h"
#include "cli/intents.h"
#include "cli/render.h"
#include "cli/selection.h"
#include "cli/table.h"
#include "cli/when.h"
#include "stack/volumes.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

using builder::CacheEntry;

/// Whether a container or network, with its labels and time, is one that the filters take.
/// `until` and `label` are all that Docker has for both.
Result<bool> takes(const std::vector<std::string>& filters,
                   const std::map<std::string, std::string>& labels, const std::string& created) {
    for (const std::string& filter : filters) {
        const std::size_t equals = filter.find('=');
        const std::string key = filter.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : filter.substr(equals + 1);
        if (key == "until") {
            const auto time = TRY(parse_when(value, "--filter until"));
            const auto made = parse_rfc3339(created);
            if (!time || !made || *made >= *time) return false;
        } else if (key == "label" || key == "label!") {
            if (has_label(labels, value) != (key == "label")) return false;
        } else {
            return Error(ErrorKind::InvalidInput, fmt::format("invalid filter '{}'", key))
                .help("use until or label");
        }
    }
    return true;
}

/// Prints a list under its title, as Docker does, where there is anything in it.
void show(const char* title, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    std::string text = fmt::format("{}:\n", title);
    for (const std::string& line : lines) text += harmless(line) + "\n";
    to_stdout(text + "\n");
}

Result<stack::PruneRequest> idle_of(const stack::Paths& paths, const std::string& project,
                                    const std::vector<std::string>& filters) {
    stack::PruneRequest request;
    request.project = project;
    for (const stack::ContainerView& view : TRY(stack::list_containers(paths, project)))
        if (TRY(takes(filters, view.record.labels, view.record.created)))
            request.containers.insert(view.record.name);
    const auto networks = TRY(stack::read_networks(paths, project));
    for (const auto& [name, record] : networks)
        if (TRY(takes(filters, record.labels, record.created))) request.networks.insert(name);
    return request;
}

/// Containers that don't run, and networks without containers, of all projects.
Result<int> prune_projects(const Context& context, const stack::Environment& environment,
                           const std::vector<std::string>& filters, std::int64_t& bytes) {
    std::vector<std::string> containers;
    std::vector<std::string> networks;
    int status = kOk;
    for (const std::string& project : TRY(stack::list_projects(environment.paths))) {
        const stack::PruneRequest request = TRY(idle_of(environment.paths, project, filters));
        std::int64_t writable = 0;
        for (const stack::ContainerView& view :
             TRY(stack::list_containers(environment.paths, project)))
            if (view.state.pid == 0 && request.containers.contains(view.record.name))
                writable += bytes_on_disk(view.record.state_dir + "/rw");
        const Result<stack::Pruned> pruned = stack::prune(environment, request);
        if (!pruned) {
            to_stderr(render(pruned.error(), context.terminal.err_colour));
            status = kFailed;
            continue;
        }
        for (const stack::FailedStep& failed : pruned->failed) {
            to_stderr(render(failed.error, context.terminal.err_colour));
            status = kFailed;
        }
        if (!pruned->containers.empty()) bytes += writable;
        containers.insert(containers.end(), pruned->containers.begin(), pruned->containers.end());
        networks.insert(networks.end(), pruned->networks.begin(), pruned->networks.end());
    }
    show("Deleted Containers", containers);
    show("Deleted Networks", networks);
    return status;
}

Intent intent_of(const CacheEntry& entry) {
    return {'-', "remove", "build", entry.id.substr(0, 12),
            entry.mount ? "a cache mount" : "a step of a build"};
}

/// The part of `system prune` that is about builds; steps have no labels, so that with a filter for
/// these none of them is meant.
std::optional<CachePrune> cache_request(const SystemPruneFlags& flags) {
    CachePrune cache;
    cache.all = flags.all;
    for (const std::string& filter : flags.filters)
        if (filter.starts_with("until=")) cache.filters.push_back(filter);
    if (cache.filters.size() != flags.filters.size()) return std::nullopt;
    return cache;
}

Result<int> preview(const stack::Environment& environment, const SystemPruneFlags& flags) {
    const stack::Paths& paths = environment.paths;
    std::vector<Intent> intents;
    for (const std::string& project : TRY(stack::list_projects(paths))) {
        const stack::PruneRequest request = TRY(idle_of(paths, project, flags.filters));
        for (const compose::Step& step : TRY(stack::preview_prune(environment, request)).steps)
            intents.push_back(
                {'-', "remove",
                 step.kind == compose::StepKind::RemoveNetwork ? "network" : "container",
                 step.resource.name, step.cause});
    }
    if (flags.volumes)
        for (const stack::VolumeView& volume : TRY(stack::unused_volumes(paths, false)))
            intents.push_back({'-', "remove", "volume", volume.record.name, "nothing uses it"});
    for (const image::Image& image : TRY(unused_images(paths.data_root, flags.all, flags.filters)))
        intents.push_back(cli::intent_of(image));
    if (const auto cache = cache_request(flags))
        for (const CacheEntry& entry : TRY(unused_cache(paths.data_root, *cache)))
            intents.push_back(intent_of(entry));
    return tell_intents(intents);
}

std::string warning_of(const SystemPruneFlags& flags) {
    return fmt::format(
        "WARNING! This will remove:\n"
        "  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "{}"
        "  - all {}\n"
        "  - {}build cache\n\n"
        "Are you sure you want to continue? [y/N] ",
        flags.volumes ? "  - all anonymous volumes not used by at least one container\n" : "",
        flags.all ? "images without at least one container associated to them" : "dangling images",
        flags.all ? "all " : "unused ");
}

}  // namespace

void declare(CLI::App& command, SystemPruneFlags& flags) {
    command.add_flag("-a,--all", flags.all, "All unused images, not only those without a name");
    command.add_flag("--volumes", flags.volumes, "Also anonymous volumes that nothing uses");
    command.add_flag("-f,--force", flags.force, "Don't ask");
    command.add_option("--filter", flags.filters, "until=TIME, label=NAME[=VALUE] or label!=…")
        ->allow_extra_args(false);
}

Result<int> run(const Context& context, const SystemPruneFlags& flags) {
    // A word that means nothing must not come up when half is gone.
    (void)TRY(takes(flags.filters, {}, {}));
    const bool has_until = std::any_of(flags.filters.begin(), flags.filters.end(),
                                       [](const auto& f) { return f.starts_with("until="); });
    if (flags.volumes && has_until)
        return Error(ErrorKind::InvalidInput, "the filter 'until' does not go with --volumes")
            .help("volumes are not pruned by their age: use two commands");
    stack::Environment environment;
    environment.paths.data_root = TRY(image_data_root(context));
    environment.paths.run_root = run_root(context);
    environment.runtime_program = TRY(find_runtime(context));
    if (context.globals.dry_run) return preview(environment, flags);
    if (!flags.force && !confirmed(warning_of(flags))) return kOk;
    const std::string& data_root = environment.paths.data_root;
    std::int64_t bytes = 0;
    int status = TRY(prune_projects(context, environment, flags.filters, bytes));
    if (flags.volumes) {
        std::int64_t before = 0;
        for (const stack::VolumeView& volume : TRY(stack::list_volumes(environment.paths)))
            if (volume.anonymous && volume.users.empty())
                before += bytes_on_disk(volume.mountpoint);
        const auto removed = TRY(stack::prune_volumes(environment.paths, false));
        if (!removed.empty()) bytes += before;
        show("Deleted Volumes", removed);
    }
    const PrunedImages images = TRY(prune_images(data_root, flags.all, flags.filters));
    if (!images.lines.empty()) to_stdout("Deleted Images:\n" + images.lines + "\n");
    bytes += images.bytes;
    if (const auto cache = cache_request(flags)) {
        const Result<builder::CachePruned> pruned = prune_build_cache(data_root, *cache);
        if (pruned) {
            show("Deleted build cache objects", pruned->ids);
            bytes += pruned->bytes;
        } else {
            to_stderr(render(pruned.error(), context.terminal.err_colour));
            status = kFailed;
        }
    }
    to_stdout(fmt::format("Total reclaimed space: {}\n", format_bytes(bytes)));
    return status;
}

void declare(CLI::App& command, BuilderPruneFlags& flags) {
    command.add_flag("-a,--all", flags.all, "Also what images have too");
    command.add_flag("-f,--force", flags.force, "Don't ask");
    command.add_option("--filter", flags.filters, "until=24h, id=ID or type=exec.cachemount")
        ->allow_extra_args(false);
    command.add_option("--keep-storage,--reserved-space", flags.keep,
                       "Leave what was used last, up to this size");
}

Result<int> run(const Context& context, const BuilderPruneFlags& flags) {
    const std::string data_root = TRY(image_data_root(context));
    CachePrune request;
    request.all = flags.all;
    request.filters = flags.filters;
    if (!flags.keep.empty()) request.keep_bytes = TRY(parse_bytes(flags.keep));
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const CacheEntry& entry : TRY(unused_cache(data_root, request)))
            intents.push_back(intent_of(entry));
        return tell_intents(intents);
    }
    const std::string question = fmt::format(
        "WARNING! This will remove all {}build cache. Are you sure you want to "
        "continue? [y/N] ",
        flags.all ? "" : "dangling ");
    if (!flags.force && !confirmed(question)) return kOk;
    const builder::CachePruned pruned = TRY(prune_build_cache(data_root, request));
    show("Deleted build cache objects", pruned.ids);
    to_stdout(fmt::format("Total reclaimed space: {}\n", format_bytes(pruned.bytes)));
    return kOk;
}

}  // namespace davit::cli
