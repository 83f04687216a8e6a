#include "base/json.h"
#include "base/random.h"
#include "base/strings.h"
#include "cli/attached_up.h"
#include "cli/build_view.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/plan_text.h"
#include "cli/pull_images.h"
#include "cli/render.h"
#include "cli/run_overlay.h"
#include "cli/up_images.h"
#include "compose/build.h"
#include "compose/config_hash.h"
#include "runtime/attach_client.h"
#include "runtime/guard_client.h"
#include "stack/await.h"
#include "stack/life.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <unistd.h>

namespace davit::cli {
namespace {

/// One container that is run beside those of the services.
struct OneOff {
    const Context& context;
    const RunFlags& flags;
    Target target = {};
    compose::DesiredState desired = {};
    std::string name = {};     ///< Of the container.
    std::string service = {};  ///< In the model that was loaded for it.
    bool terminal = false;

    std::string run_dir() const {
        return target.environment.paths.run_container(target.project, name);
    }
};

bool on_terminal(const RunFlags& flags) {
    return !flags.no_tty && !flags.detach && ::isatty(STDIN_FILENO) == 1 &&
           ::isatty(STDOUT_FILENO) == 1;
}

/// What the service depends on is brought up first, and its conditions are waited for.
Result<int> bring_up_needs(const OneOff& run, const Interrupts& interrupts) {
    const compose::Service& service = run.target.loaded->project.services.at(run.service);
    UpFlags flags;
    for (const compose::Dependency& need : service.depends_on)
        flags.services.push_back(need.service);
    if (flags.services.empty()) return kOk;
    flags.quiet_pull = run.flags.quiet_pull;
    flags.quiet_build = run.flags.quiet_build;
    TRY(bring_images(run.context, run.target, flags, false));
    const bool colour = run.context.terminal.err_colour;
    Progress progress(TRY(parse_progress(run.context.globals.progress)), colour);
    stack::UpRequest request;
    request.loaded = &*run.target.loaded;
    request.options.services = flags.services;
    request.options.remove_orphans = run.flags.remove_orphans;
    request.cancel_fd = interrupts.fd();
    stack::ExecuteOptions options;
    options.cancelled = [] { return Interrupts::count() > 0; };
    stack::UpNotes notes;
    std::vector<stack::FailedStep> failed =
        TRY(stack::up(run.target.environment, request, options, progress.listener(), notes));
    for (const std::string& warning : notes.warnings) to_stderr(render_warning(warning, colour));
    const stack::Paths& paths = run.target.environment.paths;
    stack::AwaitOptions await;
    await.cancel_fd = interrupts.fd();
    for (const compose::Gate& gate : run.desired.containers.at(run.name).gates) {
        if (!failed.empty() || gate.condition == compose::Awaited::Started) continue;
        Result<void> waited = stack::await_container(paths, run.target.project, gate.container,
                                                     gate.condition, await);
        if (waited || !gate.required) continue;
        if (waited.error().kind() == ErrorKind::Cancelled) return kInterrupted;
        compose::Step step;
        step.kind = compose::StepKind::AwaitContainer;
        step.resource = {compose::ResourceKind::Container, gate.container};
        failed.push_back({std::move(step), std::move(waited).error()});
    }
    if (Interrupts::count() > 0) return kInterrupted;
    return report_failures(paths, run.target.project, failed, colour);
}

/// Builds its image where it has none, or where that was asked for.
Result<void> build_image(const OneOff& run) {
    if (!compose::is_built(*run.target.loaded, run.service)) return {};
    ServiceBuilds builds;
    builds.services = {run.service};
    builds.only_missing = !run.flags.build;
    builds.quiet = run.flags.quiet_build;
    TRY(build_services(run.context, run.target, builds));
    return {};
}

/// Pulls its image where the policy asks for it. @errors as `pull` has them
Result<void> bring_image(const OneOff& run) {
    const std::string& data_root = run.target.environment.paths.data_root;
    // What is built has no registry that it must come from.
    if (compose::is_built(*run.target.loaded, run.service)) return {};
    const std::vector<WantedImage> images =
        TRY(images_to_pull(run.target.loaded->project, {run.service}, data_root, run.flags.pull));
    for (const PullOutcome& outcome :
         TRY(pull_images(run.context, data_root, images, run.flags.quiet_pull)))
        if (!outcome.result) return outcome.result.error();
    return {};
}

/// Adds the steps of another plan that this one doesn't have yet.
void add_steps(compose::Plan& plan, const compose::Plan& other) {
    for (const compose::Step& step : other.steps) {
        const bool known =
            std::any_of(plan.steps.begin(), plan.steps.end(), [&](const compose::Step& there) {
                return there.kind == step.kind && there.resource == step.resource;
            });
        if (!known) plan.add(step);
    }
}

/// What would be done: to what the service depends on, and to the one container.
Result<int> preview(const OneOff& run) {
    const stack::Environment& environment = run.target.environment;
    compose::Plan plan;
    std::vector<Intent> intents;
    UpFlags flags;
    for (const compose::Dependency& need :
         run.target.loaded->project.services.at(run.service).depends_on)
        if (!run.flags.no_deps) flags.services.push_back(need.service);
    stack::UpRequest request;
    request.loaded = &*run.target.loaded;
    if (!flags.services.empty()) {
        const ImagePreview images = TRY(preview_images(run.target, flags));
        intents = images.intents;
        request.options.services = flags.services;
        request.options.remove_orphans = run.flags.remove_orphans;
        request.to_bring = images.to_bring;
        add_steps(plan, TRY(stack::preview_up(environment, request)).plan);
    }
    flags.services = {run.service};
    flags.no_deps = true;
    flags.build = run.flags.build;
    flags.pull = run.flags.pull;
    const ImagePreview images = TRY(preview_images(run.target, flags));
    intents.insert(intents.end(), images.intents.begin(), images.intents.end());
    request.options = {};
    request.desired = &run.desired;
    request.to_bring = images.to_bring;
    add_steps(plan, TRY(stack::preview_up(environment, request)).plan);
    to_stdout(intents_text(intents) +
              plan_text(plan, run.target.project, run.context.terminal.out_colour));
    return kOk;
}

Result<int> create(const OneOff& run) {
    stack::UpRequest request;
    request.loaded = &*run.target.loaded;
    request.desired = &run.desired;
    request.options.no_start = true;
    stack::UpNotes notes;
    const auto failed = TRY(stack::up(
        run.target.environment, request, {}, [](const auto&) {}, notes));
    const bool colour = run.context.terminal.err_colour;
    for (const std::string& warning : notes.warnings) to_stderr(render_warning(warning, colour));
    return report_failures(run.target.environment.paths, run.target.project, failed, colour);
}

void remove(const OneOff& run) {
    stack::RemoveRequest request;
    request.life.project = run.target.project;
    request.life.containers = {run.name};
    request.stop = true;
    request.anonymous_volumes = true;
    const auto failed = stack::remove(run.target.environment, request);
    const bool colour = run.context.terminal.err_colour;
    if (!failed) {
        to_stderr(render(failed.error(), colour));
        return;
    }
    report_failures(run.target.environment.paths, run.target.project, *failed, colour);
}

/// The status for a program that could not be started. @source docker run, "Exit status"
int status_of(const Error& error) {
    constexpr int kNotExecutable = 126;
    constexpr int kNotFound = 127;
    if (error.kind() == ErrorKind::NotFound) return kNotFound;
    return error.kind() == ErrorKind::PermissionDenied ? kNotExecutable : kFailed;
}

/// Starts the container; connected with it from before its first word where it is not detached.
Result<int> start(const OneOff& run) {
    std::optional<runtime::Attachment> attachment;
    if (!run.flags.detach) {
        runtime::AttachOptions options;
        options.input = run.flags.interactive;
        options.all_output = true;
        attachment = TRY(runtime::Attachment::open(run.run_dir(), options));
    }
    if (const Result<void> started = runtime::start(run.run_dir()); !started) {
        to_stderr(render(started.error(), run.context.terminal.err_colour));
        remove(run);
        return status_of(started.error());
    }
    if (!attachment) {
        const auto view =
            TRY(stack::find_container(run.target.environment.paths, run.target.project, run.name));
        to_stdout(view.record.id + "\n");
        return kOk;
    }
    const runtime::Attachment::End end = TRY(attachment->run());
    if (end.detached) return kOk;
    if (end.lost)
        return Error(ErrorKind::System,
                     fmt::format("the guard of container '{}' is gone", run.name));
    return end.exit_code;
}

/// Whether `word` is to be an image: there is no file here, or nothing else can bear such a name.
bool means_image(const Context& context, const std::string& word) {
    if (word.find_first_of("/:@") != std::string::npos) return true;
    const compose::LoadOptions options = load_options(context);
    return options.files.empty() && !compose::find_compose_file(options);
}

}  // namespace

void declare(CLI::App& command, RunFlags& flags) {
    command.add_flag("-d,--detach", flags.detach, "Return when it runs, and print its id");
    command.add_flag("--rm", flags.remove, "Remove the container when it has ended");
    command.add_option("--name", flags.name, "Name of the container");
    command.add_option("-e,--env", flags.env, "NAME=VALUE; may be repeated")
        ->allow_extra_args(false);
    command.add_option("--env-from-file", flags.env_files, "A file with variables")
        ->allow_extra_args(false);
    command.add_option("-p,--publish", flags.publish, "Publish a port, as in 'ports'")
        ->allow_extra_args(false);
    command.add_flag("-P,--service-ports", flags.service_ports, "Publish the service's ports");
    command.add_option("-v,--volume", flags.volumes, "Mount something, as in 'volumes'")
        ->allow_extra_args(false);
    command.add_option("-l,--label", flags.labels, "NAME=VALUE; may be repeated")
        ->allow_extra_args(false);
    command.add_flag("--no-deps", flags.no_deps, "Leave what the service depends on alone");
    command.add_flag("-T,--no-tty,--no-TTY", flags.no_tty, "Without a terminal");
    command.add_flag("-t,--tty", flags.tty, "With a terminal, the default on one");
    command.add_flag("-i,--interactive", flags.interactive, "Keep standard input, the default");
    command.add_option("--entrypoint", flags.entrypoint, "Instead of the image's entrypoint");
    command.add_option("-u,--user", flags.user, "User, or user:group");
    command.add_option("-w,--workdir", flags.working_dir, "Working directory");
    command.add_option("--cap-add", flags.cap_add, "Add a capability")->allow_extra_args(false);
    command.add_option("--cap-drop", flags.cap_drop, "Drop a capability")->allow_extra_args(false);
    command.add_option("--pull", flags.pull, "Bring the image: always, missing or never");
    command.add_flag("--quiet-pull", flags.quiet_pull, "Print no progress of that");
    command.add_flag("--build", flags.build, "Build its image, also where it is there");
    command.add_flag("--quiet-build", flags.quiet_build, "Don't show what that says");
    command.add_option("--restart", flags.restart, "Restart policy, of an image");
    command.add_flag("--use-aliases", flags.use_aliases, "Answer to the service's names, too");
    command.add_flag("--remove-orphans", flags.remove_orphans,
                     "Remove containers of services that the file doesn't have");
    command.add_option("SERVICE", flags.service, "Service, or an image outside of a project")
        ->required();
    command.add_option("COMMAND", flags.command, "Program and arguments");
}

Result<int> run(const Context& context, const RunFlags& flags) {
    OneOff one{context, flags};
    one.terminal = on_terminal(flags);
    const bool image = means_image(context, flags.service);
    RunModel model = TRY(load_for_run(context, flags, one.terminal, image));
    if (!model.target) return model.exit_code;
    one.target = *std::move(model.target);
    one.service = model.service;
    const compose::Project& project = one.target.loaded->project;
    one.name = !flags.name.empty() ? flags.name
               : image             ? model.service
                       : fmt::format("{}-{}-run-{}", project.name, one.service, random_hex(6));
    one.desired = compose::desired_one_off(project, project.services.at(one.service), one.name);
    compose::DesiredContainer& wanted = one.desired.containers.at(one.name);
    wanted.one_off = !image;
    wanted.aliases = image || flags.use_aliases;
    if (const auto taken =
            stack::find_container(one.target.environment.paths, one.target.project, one.name);
        taken && taken->record.name == one.name)
        return Error(ErrorKind::AlreadyExists,
                     fmt::format("there is a container '{}' already", one.name))
            .help(fmt::format("give another --name, or remove it: davit rm -f {}", one.name));
    if (context.globals.dry_run) return preview(one);
    one.target.environment.runtime_program = TRY(find_runtime(context));
    TRY(build_image(one));
    TRY(bring_image(one));
    if (!flags.no_deps && !image) {
        const Interrupts interrupts = TRY(Interrupts::install(2));
        if (const int status = TRY(bring_up_needs(one, interrupts)); status != kOk) return status;
    }
    if (const int status = TRY(create(one)); status != kOk) return status;
    const Result<int> status = start(one);
    if (flags.remove && !flags.detach) remove(one);
    return status;
}

}  // namespace davit::cli
