#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

#include <string>
#include <sys/types.h>
#include <vector>

/// `up --watch`: `davit watch` as a process of its own, beside the logs.
namespace davit::cli {

class WatchBeside {
public:
    /// Starts `davit watch --no-up SERVICES` with the flags that hold for all commands, and those
    /// of `up` that a rebuild has to heed. Ctrl-C of the terminal does not reach it; it ends when
    /// this process does.
    static Result<WatchBeside> start(const Context& context, const UpFlags& up);
    WatchBeside(WatchBeside&& other) noexcept;
    WatchBeside& operator=(WatchBeside&&) noexcept = delete;
    /// As `end`.
    ~WatchBeside();

    /// Readable when something was done to containers, so that they are to be looked at anew, and
    /// when the watcher has ended.
    int fd() const { return told_.get(); }
    /// Takes what was told; whether there was something.
    bool take();
    /// Whether it has not ended by itself.
    bool lives() const { return told_.get() != -1; }
    /// Ends it, once what it is about is done; after half a minute at once.
    void end();

private:
    WatchBeside(pid_t pid, UniqueFd told) : pid_(pid), told_(std::move(told)) {}
    pid_t pid_;      ///< Ours to wait for; 0 where there is none.
    UniqueFd told_;  ///< Empty after its end.
};

/// The command line of it, without the program's name.
std::vector<std::string> watch_arguments(const Globals& globals, const UpFlags& up, int tell_fd);

}  // namespace davit::cli
