#pragma once

#include "cli/container_watch.h"
#include "cli/log_view.h"
#include "stack/status.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace davit::cli {

/// What one stream has shown of a container, for another one that goes on behind it: no line is
/// lost between the two and none comes twice.
struct Shown {
    stack::LogPosition lines = {};
    std::string end = {};  ///< `finished_at` of the end told.
};

struct StreamRequest {
    stack::Paths paths = {};
    std::vector<stack::ContainerView> views = {};  ///< Whose output is shown.
    stack::LogOptions log_options = {};
    LogViewOptions view_options = {};
    bool follow = true;
    bool stderr_apart = false;  ///< What containers wrote to stderr goes to our stderr.
    /// "web-1 exited with code 3", also of what has ended since `log_options.since` already.
    bool tell_exits = false;
    /// By container; kept up to date. Null: nothing was shown before.
    std::map<std::string, Shown>* shown = nullptr;
};

/// The folders whose changes tell of the containers' ends.
std::vector<std::string> run_dirs(const stack::Paths& paths,
                                  const std::vector<stack::ContainerView>& views);

/// Prints what the containers have written and, where it is to follow, write, until all of them
/// have ended or `should_end`, asked after everything that `watch` reports, says so. `watch` and
/// `should_end` are only used to follow.
Result<void> stream(const StreamRequest& request, const ContainerWatch* watch,
                    const std::function<bool()>& should_end);

}  // namespace davit::cli
