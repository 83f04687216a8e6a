#include "base/file.h"
#include "cli/commands/commands.h"
#include "cli/data_root.h"
#include "cli/exit_code.h"
#include "cli/file_watch.h"
#include "cli/intents.h"
#include "cli/interrupts.h"
#include "cli/render.h"
#include "cli/target.h"
#include "cli/watch_match.h"
#include "stack/copy.h"
#include "stack/hooks.h"
#include "stack/status.h"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::cli {
namespace {

using compose::WatchRule;

/// What changes mean for one service.
struct Work {
    std::map<std::string, std::string> copies = {};  ///< Path in the container, by that here.
    std::vector<compose::Hook> hooks = {};
    bool rebuild = false;
    bool restart = false;
};

struct Watcher {
    const Context& context;
    const WatchFlags& flags;
    Target target = {};
    std::vector<WatchMatch> rules = {};

    void say(const std::string& text) const {
        if (!flags.quiet) to_stderr(text);
    }
};

std::map<std::string, Work> work_of(const Watcher& watcher, const std::set<std::string>& changed) {
    std::map<std::string, Work> all;
    for (const WatchMatch& match : watcher.rules) {
        const WatchRule& rule = match.rule();
        bool any = false;
        for (const std::string& path : changed) {
            const std::optional<std::string> place = match.place_of(path);
            if (!place) continue;
            any = true;
            if (rule.syncs()) all[rule.service].copies[path] = *place;
        }
        if (!any) continue;
        Work& work = all[rule.service];
        work.rebuild = work.rebuild || rule.action == WatchRule::Action::Rebuild;
        work.restart = work.restart || rule.action == WatchRule::Action::Restart ||
                       rule.action == WatchRule::Action::SyncRestart;
        if (rule.action == WatchRule::Action::SyncExec && !rule.exec.command.empty())
            work.hooks.push_back(rule.exec);
    }
    return all;
}

/// Brings the files into a container, or takes them away where they are gone here.
Result<void> sync(const stack::ContainerView& view, const Work& work) {
    for (const auto& [path, place] : work.copies) {
        if (!exists(path)) {
            TRY(stack::remove_in(view, place));
            continue;
        }
        stack::CopyRequest request;
        request.from = path;
        request.to = place;
        request.exactly = true;
        request.alone = true;  // what is in a folder is asked about one by one, see add_contents
        const Result<void> copied = stack::copy_in(view, request);
        // Gone again meanwhile: that is another change.
        if (!copied && exists(path)) return copied;
    }
    return {};
}

Result<void> run_hooks(const Watcher& watcher, const stack::ContainerView& view, const Work& work) {
    const stack::Paths& paths = watcher.target.environment.paths;
    stack::HookPlace place;
    place.runtime_program = watcher.target.environment.runtime_program;
    place.bundle = paths.container(view.record.project, view.record.name);
    place.run_dir = paths.run_container(view.record.project, view.record.name);
    place.kind = "develop.watch";
    for (const compose::Hook& hook : work.hooks) TRY(stack::run_hook(view.record, hook, place));
    return {};
}

Result<void> rebuild(const Watcher& watcher, const std::string& service) {
    watcher.say(fmt::format("Rebuilding service \"{}\" after changes were detected...\n", service));
    UpFlags up;
    up.detach = true;
    up.build = true;
    up.no_deps = true;
    up.quiet_build = watcher.flags.quiet;
    up.services = {service};
    up.timeout_s = watcher.flags.timeout_s;
    for (const std::string& scale : watcher.flags.scale)
        if (scale.starts_with(service + "=")) up.scale.push_back(scale);
    if (TRY(run(watcher.context, up)) == kOk)
        watcher.say(fmt::format("service \"{}\" successfully built\n", service));
    return {};
}

/// Brings in what has changed and carries out hooks. A signal waits until that is done.
Result<void> sync_all(const Watcher& watcher, const std::string& service, const Work& work) {
    const Interrupts interrupts = TRY(Interrupts::install(2));
    if (!work.copies.empty())
        watcher.say(fmt::format("Syncing service \"{}\" after {} changes were detected\n", service,
                                work.copies.size()));
    for (const stack::ContainerView& view :
         TRY(stack::list_containers(watcher.target.environment.paths, watcher.target.project))) {
        if (view.record.service != service || view.record.one_off || view.state.pid == 0) continue;
        TRY_DOING(sync(view, work), "sync '{}'", view.record.name);
        TRY(run_hooks(watcher, view, work));
    }
    return {};
}

Result<void> carry_out(const Watcher& watcher, const std::string& service, const Work& work) {
    if (work.rebuild) return rebuild(watcher, service);
    TRY(sync_all(watcher, service, work));
    if (!work.restart || Interrupts::count() > 0) return {};
    RestartFlags restart;
    restart.no_deps = true;
    restart.timeout_s = watcher.flags.timeout_s;
    restart.services = {service};
    (void)TRY(run(watcher.context, restart));
    watcher.say(fmt::format("service(s) [\"{}\"] restarted\n", service));
    return {};
}

/// What is in `folder`: a rule may leave out some of it, so that it isn't copied as a whole.
void add_contents(const std::string& folder, std::set<std::string>& paths) {
    struct stat info {};
    if (::lstat(folder.c_str(), &info) == -1 || !S_ISDIR(info.st_mode)) return;
    const Result<std::vector<std::string>> names = list_directory(folder);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string path = folder + "/" + name;
        if (name != ".git" && paths.insert(path).second) add_contents(path, paths);
    }
}

/// Says to the `up` beside it that containers are to be looked at anew.
void tell(const Watcher& watcher) {
    if (watcher.flags.tell_fd < 0) return;
    // A pipe that is full says it already.
    [[maybe_unused]] const ssize_t put = ::write(watcher.flags.tell_fd, "", 1);
}

/// One that fails is told, and waiting goes on: the next change may mend it. False where a signal
/// came meanwhile: to be ended is all that is left.
bool carry_out_all(const Watcher& watcher, const std::set<std::string>& changed) {
    std::set<std::string> all = changed;
    for (const std::string& path : changed) add_contents(path, all);
    for (const auto& [service, work] : work_of(watcher, all)) {
        if (const Result<void> done = carry_out(watcher, service, work); !done)
            to_stderr(render(done.error(), watcher.context.terminal.err_colour));
        if (work.rebuild || work.restart) tell(watcher);
        // Those that did it have had handlers of their own; the count is of the last.
        if (Interrupts::count() > 0) return false;
    }
    return true;
}

/// Waits for changes, until there are none for a moment: who saves writes more than one file.
/// Nothing at Ctrl-C.
Result<std::set<std::string>> next_changes(FileWatch& watch) {
    constexpr int kQuietMs = 200;
    const Interrupts interrupts = TRY(Interrupts::install(2));
    std::set<std::string> changed;
    for (;;) {
        pollfd fds[2] = {{watch.fd(), POLLIN, 0}, {interrupts.fd(), POLLIN, 0}};
        const int ready = ::poll(fds, 2, changed.empty() ? -1 : kQuietMs);
        if (Interrupts::count() > 0) return std::set<std::string>();
        if (ready == 0) return changed;
        changed.merge(TRY(watch.take()));
    }
}

Result<int> watch_files(const Watcher& watcher) {
    std::vector<std::string> roots;
    std::set<std::string> first;
    for (const WatchMatch& match : watcher.rules) {
        roots.push_back(match.rule().path);
        if (match.rule().initial_sync) first.insert(match.rule().path);
    }
    FileWatch watch = TRY(FileWatch::create(roots));
    if (!carry_out_all(watcher, first)) return kInterrupted;
    watcher.say("Watch enabled\n");
    for (;;) {
        const std::set<std::string> changed = TRY(next_changes(watch));
        if (changed.empty() || !carry_out_all(watcher, changed)) return kInterrupted;
    }
}

}  // namespace

void declare(CLI::App& command, WatchFlags& flags) {
    command.add_flag("--no-up", flags.no_up, "Don't build and start the services first");
    command.add_flag("--quiet", flags.quiet, "Say nothing but mistakes");
    command.add_flag("--prune,!--no-prune", flags.prune,
                     "Accepted: an image that lost its name is kept until 'image prune'");
    // For `up --watch`.
    command.add_option("--scale", flags.scale)->allow_extra_args(false)->group("");
    command.add_option("--timeout", flags.timeout_s)->group("");
    command.add_option("--tell-fd", flags.tell_fd)->group("");
    command.add_option("SERVICE", flags.services, "Only these services");
}

Result<int> run(const Context& context, const WatchFlags& flags) {
    // For this process alone: what it starts must not keep `up` from seeing its end.
    if (flags.tell_fd >= 0) ::fcntl(flags.tell_fd, F_SETFD, FD_CLOEXEC);
    TargetOrExit found = TRY(find_target(context, FileNeed::Required, flags.services));
    if (!found.target) return found.exit_code;
    Watcher watcher{context, flags, *std::move(found.target)};
    TRY(check_services(watcher.target, flags.services, {}));
    for (WatchRule& rule : TRY(watch_rules(*watcher.target.loaded, flags.services)))
        watcher.rules.push_back(TRY(WatchMatch::create(std::move(rule))));
    if (context.globals.dry_run) {
        std::vector<Intent> intents;
        for (const WatchMatch& match : watcher.rules)
            intents.push_back({'~', "watch", "files", match.rule().path,
                               fmt::format("for {}", match.rule().service)});
        return tell_intents(intents);
    }
    watcher.target.environment.runtime_program = TRY(find_runtime(context));
    if (!flags.no_up) {
        UpFlags up;
        up.detach = true;
        up.build = true;
        up.quiet_build = flags.quiet;
        up.services = flags.services;
        if (const int status = TRY(run(context, up)); status != kOk) return status;
    }
    return watch_files(watcher);
}

}  // namespace davit::cli
