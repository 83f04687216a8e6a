#include "cli/build_view.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/interrupts.h"
#include "cli/plan_text.h"
#include "cli/progress.h"
#include "cli/pull_images.h"
#include "cli/render.h"
#include "cli/stream.h"
#include "cli/target.h"
#include "compose/build.h"
#include "runtime/guard_client.h"
#include "stack/life.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <set>
#include <thread>

namespace davit::cli {
namespace {

/// Ctrl-C while attached: the first stops, the second forces, the third leaves at once. Detached
/// there is nothing to stop: the second one leaves.
constexpr int kLastAttached = 3;
constexpr int kLastDetached = 2;

std::optional<std::chrono::milliseconds> timeout_of(const UpFlags& flags) {
    if (!flags.timeout_s) return std::nullopt;
    return std::chrono::seconds(*flags.timeout_s);
}

/// The services that were asked for, with all that they depend on; all where none was named.
std::set<std::string> selected_services(const compose::Project& project,
                                        const std::vector<std::string>& asked) {
    std::set<std::string> selected;
    std::vector<std::string> queue = asked;
    if (queue.empty())
        for (const auto& [name, service] : project.services) queue.push_back(name);
    while (!queue.empty()) {
        const std::string name = std::move(queue.back());
        queue.pop_back();
        const auto service = project.services.find(name);
        if (service == project.services.end() || !selected.insert(name).second) continue;
        queue.insert(queue.end(), service->second.depends_on.begin(),
                     service->second.depends_on.end());
    }
    return selected;
}

int report(const std::vector<stack::FailedStep>& failed, bool colour) {
    for (const stack::FailedStep& step : failed) to_stderr(render(step, colour));
    return failed.empty() ? kOk : kFailed;
}

/// What an attached `up` does about Ctrl-C, beside the stream of logs.
class Stopper {
public:
    Stopper(const Context& context, const Target& target, const UpFlags& flags,
            std::vector<std::string> services, Progress& progress)
        : colour_(context.terminal.err_colour),
          target_(target),
          services_(std::move(services)),
          timeout_(timeout_of(flags)),
          progress_(progress) {}

    /// Acts on the Ctrl-C's that have come since; true when stopping has ended.
    bool step(const ContainerWatch& watch) {
        const int count = Interrupts::count();
        if (count >= 1 && !thread_.joinable()) begin(watch);
        if (count >= 2 && !forced_) force();
        return finished_;
    }

    /// Waits for the end of stopping, where it has begun.
    void wait() {
        if (thread_.joinable()) thread_.join();
    }

private:
    void begin(const ContainerWatch& watch) {
        to_stderr("Gracefully stopping... (press Ctrl+C again to force)\n");
        thread_ = std::jthread([this, &watch] {
            const auto failed = stop();
            if (!failed)
                to_stderr(render(failed.error(), colour_));
            else
                report(*failed, colour_);
            finished_ = true;
            watch.wake();
        });
    }

    Result<stack::Failures> stop() {
        stack::LifeRequest request;
        request.project = target_.project;
        for (const stack::ContainerView& view : ours()) request.containers.insert(view.record.name);
        request.stop_timeout = timeout_;
        request.on_event = progress_.listener();
        return stack::stop(target_.environment, request);
    }

    std::vector<stack::ContainerView> ours() const {
        auto views = stack::list_containers(target_.environment.paths, target_.project);
        if (!views) return {};
        std::erase_if(*views, [&](const stack::ContainerView& view) {
            return !services_.empty() && std::find(services_.begin(), services_.end(),
                                                   view.record.service) == services_.end();
        });
        return *std::move(views);
    }

    /// Kills what the graceful stop is still waiting for; that then ends by itself.
    void force() {
        forced_ = true;
        const stack::Paths& paths = target_.environment.paths;
        // One that has ended meanwhile can't be killed, and needn't be.
        for (const stack::ContainerView& view : ours())
            (void)runtime::kill(paths.run_container(target_.project, view.record.name), SIGKILL);
    }

    bool colour_;
    const Target& target_;
    std::vector<std::string> services_;
    std::optional<std::chrono::milliseconds> timeout_;
    Progress& progress_;
    bool forced_ = false;
    std::atomic<bool> finished_ = false;
    std::jthread thread_;  // last: joined before what it uses goes
};

/// Shows the logs of the containers until all have ended or Ctrl-C has stopped them.
Result<int> attach(const Context& context, const Target& target, const UpFlags& flags,
                   const Interrupts& interrupts, std::chrono::system_clock::time_point since,
                   Progress& progress) {
    const std::set<std::string> started = selected_services(target.loaded->project, flags.services);
    StreamRequest request;
    request.paths = target.environment.paths;
    request.views = TRY(stack::list_containers(request.paths, target.project));
    std::erase_if(request.views, [&](const stack::ContainerView& view) {
        return started.count(view.record.service) == 0 || view.record.log_path.empty();
    });
    request.log_options.since = since;  // what went on running has said the rest to others
    request.view_options.prefix = !flags.no_log_prefix;
    request.view_options.colour = context.terminal.out_colour && !flags.no_color;
    request.view_options.terminal = context.terminal.out_is_terminal;
    request.stderr_apart = true;
    request.tell_exits = true;

    std::string names;
    for (const stack::ContainerView& view : request.views)
        names += (names.empty() ? "" : ", ") + short_name(view.record.name, target.project);
    if (Interrupts::count() == 0) to_stderr(fmt::format("Attaching to {}\n", harmless(names)));

    const std::vector<std::string> to_stop =
        flags.services.empty() ? std::vector<std::string>()
                               : std::vector<std::string>(started.begin(), started.end());
    const ContainerWatch watch =
        TRY(ContainerWatch::create(interrupts, run_dirs(request.paths, request.views)));
    Stopper stopper(context, target, flags, to_stop, progress);
    const Result<void> streamed = stream(request, &watch, [&] { return stopper.step(watch); });
    stopper.wait();
    TRY(streamed);
    return Interrupts::count() > 0 ? kInterrupted : kOk;
}

/// Pulls the images that the policies ask for. @errors the first failure, at the place in the file
Result<void> bring_images(const Context& context, const Target& target, const UpFlags& flags) {
    const compose::Project& project = target.loaded->project;
    const std::string& data_root = target.environment.paths.data_root;
    std::set<std::string> services = selected_services(project, flags.services);
    // What is built has no registry that it must come from.
    std::erase_if(services, [&](const std::string& service) {
        return compose::is_built(*target.loaded, service);
    });
    const std::vector<WantedImage> images =
        TRY(images_to_pull(project, services, data_root, flags.pull));
    const std::vector<PullOutcome> outcomes =
        TRY(pull_images(context, data_root, images, flags.quiet_pull));
    for (const PullOutcome& outcome : outcomes) {
        if (outcome.result) continue;
        Error error = outcome.result.error();
        return std::move(error).at(target.loaded->places.find(
            fmt::format("services.{}.image", outcome.wanted.services.front())));
    }
    return {};
}

}  // namespace

void declare(CLI::App& command, UpFlags& flags) {
    command.add_flag("-d,--detach", flags.detach, "Return when everything has started");
    command.add_flag("--force-recreate", flags.force_recreate, "Recreate what has not changed too");
    command.add_flag("--remove-orphans", flags.remove_orphans,
                     "Remove containers of services that the file doesn't have");
    command.add_flag("--build", flags.build, "Build images before anything is started");
    command.add_flag("--no-build", flags.no_build, "Build no image, even where one is missing");
    command.add_flag("--quiet-build", flags.quiet_build, "Don't show what builds say");
    command.add_flag("--no-start", flags.no_start, "Create, but don't start");
    command.add_option("--pull", flags.pull, "Bring images: always, missing or never");
    command.add_flag("--quiet-pull", flags.quiet_pull, "Print no progress of that");
    command.add_option("-t,--timeout", flags.timeout_s, "Seconds to wait for a container to stop")
        ->check(CLI::NonNegativeNumber);
    command.add_flag("--no-log-prefix", flags.no_log_prefix, "Leave the names out of the logs");
    command.add_flag("--no-color", flags.no_color, "No colours in the logs");
    command.add_option("SERVICE", flags.services, "Only these services and what they depend on");
}

Result<int> run(const Context& context, const UpFlags& flags) {
    const Progress::Style style = TRY(parse_progress(context.globals.progress));
    TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.services));
    if (!found.target) return found.exit_code;
    Target& target = *found.target;
    TRY(check_services(target, flags.services, {}));
    stack::UpRequest request;
    request.loaded = &*target.loaded;
    request.options.force_recreate = flags.force_recreate;
    request.options.remove_orphans = flags.remove_orphans;
    request.options.services = flags.services;
    request.options.no_start = flags.no_start;
    request.stop_timeout = timeout_of(flags);
    const bool colour = context.terminal.err_colour;
    if (context.globals.dry_run) {
        const compose::Plan plan = TRY(stack::preview_up(target.environment, request));
        for (const std::string& warning : plan.warnings) to_stderr(render_warning(warning, colour));
        to_stdout(plan_text(plan, target.project, context.terminal.out_colour));
        return kOk;
    }
    target.environment.runtime_program = TRY(find_runtime(context));

    const bool attached = !flags.detach && !flags.no_start;
    const Interrupts interrupts =
        TRY(Interrupts::install(attached ? kLastAttached : kLastDetached));
    stack::ExecuteOptions execute_options;
    execute_options.cancelled = [] { return Interrupts::count() > 0; };
    if (!flags.no_build) {
        ServiceBuilds builds;
        builds.services = flags.services;
        builds.dependencies = true;
        builds.only_missing = !flags.build;
        builds.quiet = flags.quiet_build || style == Progress::Style::Quiet;
        TRY(build_services(context, target, builds));
        if (Interrupts::count() > 0) return kInterrupted;
    }
    // Before anything is changed, and before the project's lock is taken: it may take long.
    TRY(bring_images(context, target, flags));
    Progress progress(style, colour);
    std::vector<std::string> warnings;
    const auto begun = std::chrono::system_clock::now();
    const auto failed =
        stack::up(target.environment, request, execute_options, progress.listener(), warnings);
    for (const std::string& warning : warnings) to_stderr(render_warning(warning, colour));
    if (!failed) return std::move(failed).error();
    const int status = report(*failed, colour);
    if (status != kOk) return status;
    const std::set<std::string> started = selected_services(target.loaded->project, flags.services);
    const auto views = TRY(stack::list_containers(target.environment.paths, target.project));
    for (const stack::ContainerView& view : views)
        if (view.state.status == runtime::Status::Running && started.count(view.record.service) > 0)
            progress.running(view.record.name);
    if (!attached) return Interrupts::count() > 0 ? kInterrupted : kOk;
    return attach(context, target, flags, interrupts, begun, progress);
}

}  // namespace davit::cli
