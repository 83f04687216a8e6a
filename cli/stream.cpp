#include "cli/stream.h"

#include "base/duration.h"
#include "cli/terminal.h"

#include <chrono>
#include <fmt/format.h>
#include <optional>

namespace davit::cli {
namespace {

bool ended(const runtime::ContainerState& state) {
    return state.status == runtime::Status::Exited ||
           (state.status == runtime::Status::Created && state.pid == 0);
}

/// Whether it ended after `since`: then nobody has told of it.
bool ended_since(const runtime::ContainerState& state,
                 const std::optional<std::chrono::system_clock::time_point>& since) {
    const auto finished = parse_rfc3339(state.finished_at);
    return since && finished && *finished >= *since;
}

/// Which of the containers have ended, and that each end is told once.
class Ends {
public:
    Ends(const StreamRequest& request, const std::vector<std::string>& names)
        : request_(request), names_(names), run_dirs_(run_dirs(request.paths, request.views)) {
        for (const stack::ContainerView& view : request.views)
            ended_.push_back(ended(view.state) &&
                             (!ended_since(view.state, request.log_options.since) ||
                              was_told(view.record.name, view.state)));
    }

    /// Looks at all of them; true where none runs.
    bool all() {
        bool all = true;
        for (std::size_t i = 0; i < run_dirs_.size(); ++i) {
            const auto state = runtime::observe_state(run_dirs_[i]);
            // One that can't be looked at can't be waited for either.
            const bool now = !state || ended(*state);
            if (now && !ended_[i] && state) tell(i, *state);
            ended_[i] = now;
            all = all && now;
        }
        return all;
    }

private:
    bool was_told(const std::string& container, const runtime::ContainerState& state) const {
        if (request_.shown == nullptr) return false;
        const auto before = request_.shown->find(container);
        return before != request_.shown->end() && before->second.end == state.finished_at;
    }

    void tell(std::size_t i, const runtime::ContainerState& state) {
        if (request_.shown != nullptr)
            (*request_.shown)[request_.views[i].record.name].end = state.finished_at;
        if (!request_.tell_exits) return;
        to_stdout(fmt::format("{} exited with code {}\n", harmless(names_[i]), state.exit_code));
    }

    const StreamRequest& request_;
    const std::vector<std::string>& names_;
    std::vector<std::string> run_dirs_;
    std::vector<bool> ended_ = {};
};

}  // namespace

std::vector<std::string> run_dirs(const stack::Paths& paths,
                                  const std::vector<stack::ContainerView>& views) {
    std::vector<std::string> folders;
    for (const stack::ContainerView& view : views)
        folders.push_back(paths.run_container(view.record.project, view.record.name));
    return folders;
}

Result<void> stream(const StreamRequest& request, const ContainerWatch* watch,
                    const std::function<bool()>& should_end) {
    std::vector<std::string> names;
    std::vector<std::string> log_paths;
    for (const stack::ContainerView& view : request.views) {
        names.push_back(short_name(view.record.name, view.record.project));
        log_paths.push_back(view.record.log_path);
    }
    LogView view(names, request.view_options);
    const auto print = [&](const stack::LogLine& line) {
        const std::string text = view.add(line);
        const bool apart = request.stderr_apart && line.stream == stack::LogLine::Stream::Stderr;
        apart ? to_stderr(text) : to_stdout(text);
    };
    stack::LogOptions options = request.log_options;
    std::vector<stack::LogPosition> positions;
    if (request.shown != nullptr) {
        for (const stack::ContainerView& one : request.views)
            positions.push_back((*request.shown)[one.record.name].lines);
        options.positions = &positions;
    }
    Result<void> result;
    if (!request.follow) {
        result = stack::read_logs(log_paths, options, print);
    } else {
        Ends ends(request, names);
        result = stack::follow_logs(
            log_paths, options, watch->fd(),
            [&] {
                watch->drain();
                const bool end = should_end();
                return ends.all() || end;
            },
            [&](const stack::LogLine& line) {
                print(line);
                return flush_stdout();
            });
    }
    for (std::size_t i = 0; i < positions.size(); ++i)
        (*request.shown)[request.views[i].record.name].lines = positions[i];
    to_stdout(view.flush());
    return result;
}

}  // namespace davit::cli
