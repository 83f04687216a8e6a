#include "cli/attached_up.h"

#include "cli/exit_code.h"
#include "cli/render.h"
#include "cli/stream.h"
#include "runtime/guard_client.h"
#include "stack/life.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <poll.h>
#include <thread>

namespace davit::cli {
namespace {

using stack::ContainerView;

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

/// Which of the containers has ended, looked for after everything that happens.
class FirstEnd {
public:
    FirstEnd(const AttachedUp& up, std::vector<ContainerView> views)
        : up_(up), views_(std::move(views)) {}

    /// Whether one has ended that ends all.
    bool look() {
        const UpFlags& flags = up_.flags;
        if (done_ || (!flags.abort_on_exit && !flags.abort_on_failure)) return done_;
        for (const ContainerView& view : views_) {
            const auto state = runtime::observe_state(
                up_.target.environment.paths.run_container(view.record.project, view.record.name));
            if (!state || state->status != runtime::Status::Exited) continue;
            if (!flags.abort_on_exit && state->exit_code == 0) continue;
            done_ = true;
            status_ = state->exit_code;
            return true;
        }
        return false;
    }

    bool done() const { return done_; }
    int status() const { return status_; }

private:
    const AttachedUp& up_;
    std::vector<ContainerView> views_;
    bool done_ = false;
    int status_ = 0;
};

/// What an attached `up` does about Ctrl-C, beside the stream of logs.
class Stopper {
public:
    Stopper(const AttachedUp& up, std::vector<std::string> containers)
        : up_(up), containers_(std::move(containers)) {}

    /// Acts on the Ctrl-C's that have come since; true when stopping has ended.
    bool step(const ContainerWatch& watch, FirstEnd& first) {
        const int count = Interrupts::count();
        if (count >= 1 && !thread_.joinable())
            begin(watch, "Gracefully stopping... (press Ctrl+C again to force)\n");
        if (!thread_.joinable() && first.look()) begin(watch, "Aborting on container exit...\n");
        if (count >= 2 && !forced_) force();
        return finished_;
    }

    /// Waits for the end of stopping, where it has begun.
    void wait() {
        if (thread_.joinable()) thread_.join();
    }

private:
    void begin(const ContainerWatch& watch, const char* words) {
        to_stderr(words);
        thread_ = std::jthread([this, &watch] {
            const bool colour = up_.context.terminal.err_colour;
            const auto failed = stop();
            if (!failed)
                to_stderr(render(failed.error(), colour));
            else
                report_failures(up_.target.environment.paths, up_.target.project, *failed, colour);
            finished_ = true;
            watch.wake();
        });
    }

    Result<stack::Failures> stop() {
        if (up_.watcher != nullptr) up_.watcher->end();  // or it would start some again
        stack::LifeRequest request;
        request.project = up_.target.project;
        request.containers = {containers_.begin(), containers_.end()};
        if (up_.flags.timeout_s) request.stop_timeout = std::chrono::seconds(*up_.flags.timeout_s);
        request.on_event = up_.progress.listener();
        return stack::stop(up_.target.environment, request);
    }

    /// Kills what the graceful stop is still waiting for; that then ends by itself.
    void force() {
        forced_ = true;
        const stack::Paths& paths = up_.target.environment.paths;
        // One that has ended meanwhile can't be killed, and needn't be.
        for (const std::string& name : containers_)
            (void)runtime::kill(paths.run_container(up_.target.project, name), SIGKILL);
    }

    const AttachedUp& up_;
    std::vector<std::string> containers_;
    bool forced_ = false;
    std::atomic<bool> finished_ = false;
    std::jthread thread_;  // last: joined before what it uses goes
};

/// Whose output is shown.
bool is_shown(const AttachedUp& up, const ContainerView& view) {
    const UpFlags& flags = up.flags;
    const std::string& service = view.record.service;
    if (view.record.log_path.empty() || contains(flags.no_attach, service)) return false;
    if (!flags.attach.empty()) return contains(flags.attach, service);
    const auto& services = up.target.loaded->project.services;
    const auto known = services.find(service);
    if (known != services.end() && !known->second.attach) return false;
    return flags.services.empty() || flags.attach_dependencies || contains(flags.services, service);
}

StreamRequest stream_request(const AttachedUp& up, std::vector<ContainerView> views) {
    StreamRequest request;
    request.paths = up.target.environment.paths;
    request.views = std::move(views);
    request.log_options.since = up.since;  // what went on running has said the rest to others
    request.view_options.prefix = !up.flags.no_log_prefix;
    request.view_options.colour = up.context.terminal.out_colour && !up.flags.no_color;
    request.view_options.terminal = up.context.terminal.out_is_terminal;
    request.view_options.timestamps = up.flags.timestamps;
    request.stderr_apart = true;
    request.tell_exits = true;
    return request;
}

/// The exit status of the container that `--exit-code-from` names.
Result<int> status_of(const AttachedUp& up, const std::string& service) {
    for (const ContainerView& view :
         TRY(stack::list_containers(up.target.environment.paths, up.target.project)))
        if (view.record.service == service && !view.record.one_off) return view.state.exit_code;
    return kFailed;
}

/// Attaches to what runs now. `again`: the watcher has done something to containers, so that they
/// are to be looked at anew.
Result<int> attach_once(const AttachedUp& up, bool first_time, bool& again,
                        std::map<std::string, Shown>& shown_before) {
    const stack::Paths& paths = up.target.environment.paths;
    std::vector<ContainerView> all = TRY(stack::list_containers(paths, up.target.project));
    std::erase_if(all, [&](const ContainerView& view) {
        return view.record.one_off || !up.started.contains(view.record.service);
    });
    std::vector<ContainerView> shown = all;
    std::erase_if(shown, [&](const ContainerView& view) { return !is_shown(up, view); });
    std::string names;
    for (const ContainerView& view : shown)
        names += (names.empty() ? "" : ", ") + short_name(view.record.name, up.target.project);
    if (first_time && Interrupts::count() == 0)
        to_stdout(fmt::format("Attaching to {}\n", harmless(names)));

    std::vector<std::string> to_stop;
    for (const ContainerView& view : all) to_stop.push_back(view.record.name);
    std::vector<int> more;
    if (up.watcher != nullptr && up.watcher->lives()) more.push_back(up.watcher->fd());
    const ContainerWatch watch =
        TRY(ContainerWatch::create(up.interrupts, run_dirs(paths, all), more));
    FirstEnd first(up, std::move(all));
    Stopper stopper(up, std::move(to_stop));
    StreamRequest request = stream_request(up, std::move(shown));
    request.shown = &shown_before;
    const Result<void> streamed = stream(request, &watch, [&] {
        // As docker compose: what is ended since another one has ended isn't told.
        if (first.done()) request.tell_exits = false;
        const bool told = up.watcher != nullptr && up.watcher->take();
        again = told && Interrupts::count() == 0;
        return stopper.step(watch, first) || again;
    });
    // The first end, and that of all that is shown, may have come between two looks.
    if (!again) (void)stopper.step(watch, first);
    stopper.wait();
    TRY(streamed);
    if (Interrupts::count() > 0) return kInterrupted;
    if (!up.flags.exit_code_from.empty()) return status_of(up, up.flags.exit_code_from);
    // All may have ended before anybody looked.
    first.look();
    return first.done() ? first.status() : kOk;
}

/// Waits until the watcher has done something, or has ended, or for Ctrl-C.
void await_watcher(const AttachedUp& up) {
    pollfd fds[2] = {{up.watcher->fd(), POLLIN, 0}, {up.interrupts.fd(), POLLIN, 0}};
    while (Interrupts::count() == 0 && up.watcher->lives() && !up.watcher->take())
        (void)::poll(fds, 2, -1);
}

}  // namespace

Result<int> attach_to_all(const AttachedUp& up) {
    std::map<std::string, Shown> shown;
    for (bool first_time = true;; first_time = false) {
        bool again = false;
        const int status = TRY(attach_once(up, first_time, again, shown));
        if (up.watcher == nullptr || Interrupts::count() > 0) return status;
        if (!again) await_watcher(up);
        if (Interrupts::count() > 0) {
            up.watcher->end();  // what it has started meanwhile is stopped like the others
            return attach_once(up, false, again, shown);
        }
        if (!again && !up.watcher->lives()) return status;
    }
}

namespace {

/// Whether the container may have said why the step failed. Of one whose start failed the log is
/// that of an earlier run, but where it runs: then a hook has failed.
bool has_spoken(compose::StepKind kind, const ContainerView& view) {
    return kind == compose::StepKind::AwaitContainer ||
           (kind == compose::StepKind::StartContainer && view.state.pid != 0);
}

/// The last lines that the container has written, under a title; empty where there are none.
std::string last_words(const stack::Paths& paths, const std::string& project,
                       const compose::Step& step) {
    constexpr std::size_t kLines = 10;
    const auto view = stack::find_container(paths, project, step.resource.name);
    if (!view || view->record.log_path.empty() || !has_spoken(step.kind, *view)) return {};
    stack::LogOptions options;
    options.tail = kLines;
    LogView log({short_name(view->record.name, project)}, {});
    std::string text;
    const auto read = stack::read_logs({view->record.log_path}, options,
                                       [&](const auto& line) { text += log.add(line); });
    text += log.flush();
    return read && !text.empty() ? "  its last words:\n" + harmless_lines(text) : std::string();
}

}  // namespace

int report_failures(const stack::Paths& paths, const std::string& project,
                    const std::vector<stack::FailedStep>& failed, bool colour) {
    std::set<std::string> told;  // several may wait for one container, each in its own way
    std::set<std::string> quoted;
    for (const stack::FailedStep& step : failed) {
        const std::string& name = step.step.resource.name;
        if (!told.insert(name + '\n' + step.error.to_string()).second) continue;
        to_stderr(render(step, colour));
        if (quoted.insert(name).second) to_stderr(last_words(paths, project, step.step));
    }
    return failed.empty() ? kOk : kFailed;
}

}  // namespace davit::cli
