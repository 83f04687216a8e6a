#include "base/strings.h"
#include "cli/attached_up.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/plan_file.h"
#include "cli/plan_text.h"
#include "cli/port_reach.h"
#include "cli/render.h"
#include "cli/scale_words.h"
#include "cli/up_images.h"
#include "cli/wait_for_all.h"
#include "cli/watch_beside.h"
#include "cli/watch_match.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace davit::cli {
namespace {

/// Ctrl-C while attached: the first stops, the second forces, the third leaves at once. Detached
/// there is nothing to stop: the second one leaves.
constexpr int kLastAttached = 3;
constexpr int kLastDetached = 2;

/// Several containers of a service can't have one name, nor one port of the host.
Result<void> check_scale(const compose::LoadedProject& loaded,
                         const std::map<std::string, int>& scale) {
    for (const auto& [name, service] : loaded.project.services) {
        const auto asked = scale.find(name);
        const int count = asked == scale.end() ? service.scale : asked->second;
        if (count <= 1) continue;
        if (!service.container_name.empty())
            return Error(ErrorKind::InvalidInput,
                         fmt::format("service '{}' is to have {} containers, and one name, '{}', "
                                     "for all of them",
                                     name, count, service.container_name))
                .at(loaded.places.find("services." + name + ".container_name"))
                .help("take 'container_name' out");
        for (std::size_t i = 0; i < service.ports.size(); ++i) {
            const compose::Port& port = service.ports[i];
            const int room = std::max(port.published_last - port.published + 1, 1);
            if (port.published == 0 || count <= room) continue;
            const std::string those =
                room == 1 ? fmt::format("one of them can have port {}", port.published)
                          : fmt::format("{} of them can have one of the ports {}-{}", room,
                                        port.published, port.published_last);
            return Error(ErrorKind::InvalidInput,
                         fmt::format("service '{}' is to have {} containers, and only {} of the "
                                     "host",
                                     name, count, those))
                .at(loaded.places.find(fmt::format("services.{}.ports[{}]", name, i)))
                .help(
                    "leave the host's port out, and each container gets a free one; or name a "
                    "range that is wide enough");
        }
    }
    return {};
}

/// What `up` would do; its images come first.
Result<int> preview(const Context& context, const Target& target, const UpFlags& flags,
                    stack::UpRequest request) {
    const ImagePreview images = TRY(preview_images(target, flags));
    request.to_bring = images.to_bring;
    const compose::Plan plan = TRY(stack::preview_up(target.environment, request)).plan;
    for (const std::string& warning : plan.warnings)
        to_stderr(render_warning(warning, context.terminal.err_colour));
    to_stdout(intents_text(images.intents) +
              plan_text(plan, target.project, context.terminal.out_colour));
    return kOk;
}

/// `--wait`, for the containers of this `up`.
Result<int> wait_for_services(const AttachedUp& up, const Deadline& deadline) {
    const stack::Paths& paths = up.target.environment.paths;
    std::vector<std::string> names;
    for (const stack::ContainerView& view : TRY(stack::list_containers(paths, up.target.project)))
        if (!view.record.one_off && up.started.contains(view.record.service))
            names.push_back(view.record.name);
    return wait_for_all(up.context, paths, up.target.project, names, deadline, up.interrupts,
                        up.progress);
}

/// Which containers run that nothing had to be done for, and, unless there are warnings to be read,
/// from where the ports of all that run are reachable.
Result<void> tell_what_runs(const AttachedUp& up, stack::UpNotes notes) {
    const bool ports = notes.warnings.empty();
    std::vector<stack::ContainerView> views =
        notes.unchanged
            ? *std::move(notes.unchanged)
            : TRY(stack::list_containers(up.target.environment.paths, up.target.project));
    std::erase_if(views, [&](const stack::ContainerView& view) {
        return view.state.status != runtime::Status::Running ||
               !up.started.contains(view.record.service);
    });
    for (const stack::ContainerView& view : views) up.progress.running(view.record.name);
    for (const stack::ContainerView& view : views) {
        if (!ports || view.record.one_off) continue;
        for (const std::string& line : port_reach(view.record)) up.progress.note(line);
    }
    return {};
}

/// Whether there is something to be watched, and a file that can be read twice.
Result<void> check_watch(const Context& context, const Target& target, const UpFlags& flags) {
    for (const std::string& file : context.globals.files)
        if (file == "-")
            return Error(ErrorKind::InvalidInput, "--watch can't read standard input once more")
                .help("name the Compose file with -f");
    TRY(watch_rules(*target.loaded, flags.services));
    return {};
}

void declare_attaching(CLI::App& command, UpFlags& flags) {
    command.add_flag("--abort-on-container-exit", flags.abort_on_exit,
                     "Stop all when one container has ended");
    command.add_flag("--abort-on-container-failure", flags.abort_on_failure,
                     "Stop all when one container has failed");
    command.add_option("--exit-code-from", flags.exit_code_from,
                       "Exit with the status of this service; implies --abort-on-container-exit");
    command.add_option("--attach", flags.attach, "Show the output of this service only")
        ->allow_extra_args(false);
    command.add_option("--no-attach", flags.no_attach, "Don't show the output of this service")
        ->allow_extra_args(false);
    command.add_flag("--attach-dependencies", flags.attach_dependencies,
                     "Also show the output of what the services depend on");
    command.add_flag("--no-log-prefix", flags.no_log_prefix, "Leave the names out of the logs");
    command.add_flag("--no-color", flags.no_color, "No colours in the logs");
    command.add_flag("--timestamps", flags.timestamps, "Show when each line was written");
    command.add_flag("-w,--watch", flags.watch,
                     "Bring changed files into the containers meanwhile, as 'davit watch' does");
}

}  // namespace

/// Flags that say the opposite of each other. @source docker/compose cmd/compose/up.go
Result<void> check_flags(const UpFlags& flags) {
    const auto both = [](const char* one, const char* other) {
        return Error(ErrorKind::InvalidInput,
                     fmt::format("{} and {} are incompatible", one, other));
    };
    const bool aborts =
        flags.abort_on_exit || flags.abort_on_failure || !flags.exit_code_from.empty();
    if (flags.force_recreate && flags.no_recreate) return both("--force-recreate", "--no-recreate");
    if (flags.always_recreate_deps && flags.no_recreate)
        return both("--always-recreate-deps", "--no-recreate");
    if (flags.renew_anon_volumes && flags.no_recreate)
        return both("--renew-anon-volumes", "--no-recreate");
    if (flags.detach && (aborts || !flags.attach.empty() || flags.attach_dependencies))
        return both("--detach", aborts ? "--abort-on-container-exit" : "--attach");
    if (flags.detach && flags.watch) return both("--detach", "--watch");
    if (flags.wait && flags.watch) return both("--wait", "--watch");
    if (flags.no_start && flags.watch) return both("--no-start", "--watch");
    if (flags.watch && aborts) return both("--watch", "--abort-on-container-exit");
    if (flags.wait && aborts) return both("--wait", "--abort-on-container-exit");
    if (!flags.attach.empty() && flags.attach_dependencies)
        return both("--attach", "--attach-dependencies");
    return {};
}

Result<stack::UpRequest> up_request_of(const Context& context, const Target& target,
                                       const UpFlags& flags) {
    stack::UpRequest request;
    request.loaded = &*target.loaded;
    request.options.force_recreate = flags.force_recreate;
    request.options.no_recreate = flags.no_recreate;
    request.options.no_deps = flags.no_deps;
    request.options.always_recreate_deps = flags.always_recreate_deps;
    request.options.remove_orphans =
        flags.remove_orphans || context.is_on("COMPOSE_REMOVE_ORPHANS");
    request.options.ignore_orphans = context.is_on("COMPOSE_IGNORE_ORPHANS");
    request.options.services = flags.services;
    request.options.no_start = flags.no_start;
    request.renew_anonymous = flags.renew_anon_volumes;
    if (flags.timeout_s) request.stop_timeout = std::chrono::seconds(*flags.timeout_s);
    request.scale = TRY(parse_scale(flags.scale));
    for (const auto& [service, count] : request.scale) TRY(check_services(target, {service}, {}));
    TRY(check_scale(*target.loaded, request.scale));
    return request;
}

void declare_planning(CLI::App& command, UpFlags& flags) {
    command.add_flag("--force-recreate", flags.force_recreate, "Recreate what has not changed too");
    command.add_flag("--no-recreate", flags.no_recreate, "Leave what is there as it is");
    command.add_flag("--always-recreate-deps", flags.always_recreate_deps,
                     "Recreate what the services depend on");
    command.add_flag("--no-deps", flags.no_deps, "Leave what the services depend on alone");
    command.add_flag("-V,--renew-anon-volumes", flags.renew_anon_volumes,
                     "Begin with empty anonymous volumes where containers are recreated");
    command.add_flag("--remove-orphans", flags.remove_orphans,
                     "Remove containers of services that the file doesn't have");
    command.add_option("--scale", flags.scale, "SERVICE=NUMBER of containers; may be repeated")
        ->allow_extra_args(false);
}

void declare(CLI::App& command, UpFlags& flags) {
    command.add_flag("-d,--detach", flags.detach, "Return when everything has started");
    command.add_flag("--build", flags.build, "Build images before anything is started");
    command.add_flag("--no-build", flags.no_build, "Build no image, even where one is missing");
    command.add_flag("--quiet-build", flags.quiet_build, "Don't show what builds say");
    command.add_flag("--no-start", flags.no_start, "Create, but don't start");
    command.add_flag("--wait", flags.wait, "Return when everything runs and is healthy");
    command.add_option("--wait-timeout", flags.wait_timeout_s, "Seconds to wait at most")
        ->check(CLI::NonNegativeNumber);
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_option("--pull", flags.pull, "Bring images: always, missing or never");
    command.add_flag("--quiet-pull", flags.quiet_pull, "Print no progress of that");
    command.add_flag("-y,--yes", flags.yes, "Accepted: nothing is asked");
    declare_planning(command, flags);
    command
        .add_option("--plan", flags.plan,
                    "Carry out the plan that 'davit plan --out FILE' has written, or nothing")
        ->type_name("FILE");
    declare_attaching(command, flags);
    command.add_option("SERVICE", flags.services, "Only these services and what they depend on");
}

Result<int> run(const Context& context, const UpFlags& given) {
    UpFlags flags = given;
    if (!flags.exit_code_from.empty()) flags.abort_on_exit = true;
    TRY(check_flags(flags));
    std::optional<PlanFile> agreed;
    if (!flags.plan.empty()) {
        if (has_planning_flags(flags))
            return Error(ErrorKind::InvalidInput, "--plan says already what is to be done")
                .help("give services, and flags that change the plan, to 'davit plan --out FILE'");
        agreed = TRY(read_plan_file(join_path(context.working_dir, flags.plan)));
        apply(*agreed, flags);
    }
    const Progress::Style style = TRY(progress_style(context));
    TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.services));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    for (const auto* words : {&flags.services, &flags.attach, &flags.no_attach})
        TRY(check_services(target, *words, {}));
    if (!flags.exit_code_from.empty()) TRY(check_services(target, {flags.exit_code_from}, {}));
    if (flags.watch) TRY(check_watch(context, target, flags));
    stack::UpRequest request = TRY(up_request_of(context, target, flags));
    if (agreed) {
        if (agreed->project != target.project)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the plan is for project '{}', and this is '{}'",
                                     printable(agreed->project), target.project))
                .help("go to its folder, or name its file with -f");
        request.expected = agreed->fingerprint;
    }
    if (context.globals.dry_run) return preview(context, target, flags, std::move(request));
    target.environment.runtime_program = TRY(find_runtime(context));

    const bool attached = !flags.detach && !flags.no_start && !flags.wait;
    const Interrupts interrupts =
        TRY(Interrupts::install(attached ? kLastAttached : kLastDetached));
    request.cancel_fd = interrupts.fd();
    if (flags.wait) request.wait_until = deadline_after(flags.wait_timeout_s);
    stack::ExecuteOptions execute_options;
    execute_options.cancelled = [] { return Interrupts::count() > 0; };
    execute_options.parallel = context.globals.parallel;
    // Before anything is changed, and before the project's lock is taken: it may take long.
    TRY(bring_images(context, target, flags, style == Progress::Style::Quiet));
    if (Interrupts::count() > 0) return kInterrupted;
    const bool colour = context.terminal.err_colour;
    Progress progress(style, colour);
    stack::UpNotes notes;
    AttachedUp up{context, target, flags, interrupts, progress};
    up.since = std::chrono::system_clock::now();
    up.started = selected_services(target.loaded->project, flags);
    const auto failed =
        stack::up(target.environment, request, execute_options, progress.listener(), notes);
    progress.finish();
    for (const std::string& warning : notes.warnings) to_stderr(render_warning(warning, colour));
    if (!failed) return std::move(failed).error();
    const int status = report_failures(target.environment.paths, target.project, *failed, colour);
    if (status != kOk) return status;
    TRY(tell_what_runs(up, std::move(notes)));
    if (attached) {
        std::optional<WatchBeside> watch;
        if (flags.watch) up.watcher = &watch.emplace(TRY(WatchBeside::start(context, flags)));
        return attach_to_all(up);
    }
    if (Interrupts::count() > 0) return kInterrupted;
    return flags.wait && !flags.no_start ? wait_for_services(up, request.wait_until)
                                         : Result<int>(kOk);
}

}  // namespace davit::cli
