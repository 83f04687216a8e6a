#pragma once

#include "cli/commands/commands.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "cli/watch_beside.h"

#include <chrono>
#include <set>
#include <string>
#include <vector>

/// `up` in the foreground: the logs of all containers as one stream, and what ends it.
namespace davit::cli {

struct AttachedUp {
    const Context& context;
    const Target& target;
    const UpFlags& flags;
    const Interrupts& interrupts;
    Progress& progress;
    std::set<std::string> started = {};  ///< Services that this `up` is about.
    std::chrono::system_clock::time_point since = {};
    WatchBeside* watcher = nullptr;  ///< Of --watch; else null.
};

/// Shows the logs until all containers have ended, Ctrl-C has stopped them, or one has ended that
/// the flags say ends all. While a watcher lives, which may start them again, only Ctrl-C ends it.
/// Returns the exit status.
Result<int> attach_to_all(const AttachedUp& up);

/// Tells of each failed step, with the last lines that its container has written. Returns the exit
/// status.
int report_failures(const stack::Paths& paths, const std::string& project,
                    const std::vector<stack::FailedStep>& failed, bool colour);

}  // namespace davit::cli
