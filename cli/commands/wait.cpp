#include "base/sys.h"
#include "cli/commands/commands.h"
#include "cli/container_watch.h"
#include "cli/exit_code.h"
#include "cli/selection.h"
#include "cli/stream.h"

#include <CLI/CLI.hpp>
#include <poll.h>

namespace davit::cli {
namespace {

/// Between the end of the process and the guard's word about it there is neither a pid nor an exit
/// status yet.
bool ended(const runtime::ContainerState& state) {
    return state.status == runtime::Status::Exited ||
           (state.status == runtime::Status::Created && state.pid == 0);
}

bool restarts(const runtime::ContainerState& state) {
    return state.status == runtime::Status::Restarting;
}

/// The containers that still run, and the exit status of the one that ended last.
class Waiting {
public:
    Waiting(const stack::Paths& paths, std::vector<stack::ContainerView> views)
        : paths_(paths), views_(std::move(views)) {}

    /// Tells of those that have ended since; true where none is left.
    bool look() {
        std::erase_if(views_, [&](const stack::ContainerView& view) {
            const auto state =
                runtime::observe_state(paths_.run_container(view.record.project, view.record.name));
            if (state && (restarts(*state) || !ended(*state))) return false;
            // One whose folder is gone was removed: nothing more can be said of it.
            last_ = state ? state->exit_code : last_;
            ++ended_;
            to_stdout(fmt::format("container \"{}\" exited with status code {}\n", view.record.id,
                                  last_));
            return true;
        });
        return views_.empty();
    }

    int last() const { return last_; }
    int ended_count() const { return ended_; }

private:
    stack::Paths paths_;
    std::vector<stack::ContainerView> views_;
    int last_ = 0;
    int ended_ = 0;
};

/// Waits for all of them, or for the first; returns the exit status of the one that ended last.
Result<int> wait_for(const stack::Paths& paths, std::vector<stack::ContainerView> views,
                     bool first) {
    const Interrupts interrupts = TRY(Interrupts::install(1));
    const ContainerWatch watch = TRY(ContainerWatch::create(interrupts, run_dirs(paths, views)));
    Waiting waiting(paths, std::move(views));
    while (!waiting.look() && !(first && waiting.ended_count() > 0)) {
        if (!flush_stdout()) break;
        pollfd readable{watch.fd(), POLLIN, 0};
        sys::retry_on_eintr([&] { return ::poll(&readable, 1, -1); });
        watch.drain();
    }
    return waiting.last();
}

}  // namespace

void declare(CLI::App& command, WaitFlags& flags) {
    command.add_flag("--down-project", flags.down_project,
                     "Take the project down when the first container has ended");
    command.add_option("SERVICE", flags.services, "Services, or containers by name")->required();
}

Result<int> run(const Context& context, const WaitFlags& flags) {
    const TargetOrExit found = TRY(find_target(context, FileNeed::Optional));
    if (!found.target) return found.exit_code;
    const stack::Paths& paths = found.target->environment.paths;
    std::vector<stack::ContainerView> views;
    for (Selection& selection : TRY(select_containers(*found.target, flags.services))) {
        std::erase_if(selection.views, [](const stack::ContainerView& view) {
            return view.state.pid == 0 && !restarts(view.state);
        });
        std::move(selection.views.begin(), selection.views.end(), std::back_inserter(views));
    }
    if (views.empty())
        return Error(ErrorKind::NotFound,
                     fmt::format("no containers for project \"{}\"", found.target->project))
            .help("'davit ps' lists those that run");
    const int status = TRY(wait_for(paths, std::move(views), flags.down_project));
    if (!flags.down_project) return status;
    const int taken_down = TRY(run(context, DownFlags{}));
    return taken_down != kOk ? taken_down : status;
}

}  // namespace davit::cli
