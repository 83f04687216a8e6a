#pragma once

#include "base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace davit::stack {

/// One line of a container's output, as the guard wrote it (JSON lines, Docker's json-file form).
struct LogLine {
    enum class Stream { Stdout, Stderr };
    std::size_t source = 0;  ///< Index of the container in the call.
    Stream stream = Stream::Stdout;
    std::chrono::system_clock::time_point time = {};
    std::string text =
        {};  ///< With its line break where it has one; bytes as the program wrote them.
};

/// How far a log was read.
struct LogPosition {
    ino_t inode = 0;   ///< Of the file that was being written; 0: it was not read.
    off_t offset = 0;  ///< Of the first line in it that was not handed out.
};

struct LogOptions {
    std::optional<std::size_t> tail = {};  ///< Lines per container; absent: all.
    std::optional<std::chrono::system_clock::time_point> since = {};
    std::optional<std::chrono::system_clock::time_point> until = {};
    /// By log, kept up to date by `follow_logs`: it goes on from there, where the log was read
    /// before. As many as there are logs, or null.
    std::vector<LogPosition>* positions = nullptr;
};

/// Reads what `log_paths` hold now, rotated files included, the lines of all containers by time. A
/// missing file is empty.
Result<void> read_logs(const std::vector<std::string>& log_paths, const LogOptions& options,
                       const std::function<void(const LogLine&)>& on_line);

/// As `read_logs`, then goes on with new lines (inotify, no polling) through rotations and
/// restarts, until `done` says so. `done` is asked after every wake-up and at least every
/// `wake_fd` readiness (an eventfd or signalfd of the caller's, or -1). `on_line` returning false
/// ends it too.
Result<void> follow_logs(const std::vector<std::string>& log_paths, const LogOptions& options,
                         int wake_fd, const std::function<bool()>& done,
                         const std::function<bool(const LogLine&)>& on_line);

}  // namespace davit::stack
