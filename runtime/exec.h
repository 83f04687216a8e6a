#pragma once

#include "base/json.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <sys/types.h>

namespace davit::runtime {

/// A further program in a container that runs.
struct ExecOptions {
    std::string bundle = {};   ///< Folder with the container's config.json.
    pid_t pid = 0;             ///< Of its init process, on the host.
    std::string process = {};  ///< File with the OCI `process` object of the program.
    bool terminal = false;     ///< A terminal of the container's, with this one's size.
    bool privileged = false;   ///< Without the filter.
    bool detach = false;       ///< Return when it runs, without waiting for its end.
    std::optional<Json> process_object = {};  ///< Instead of `process`.
    int console_socket = -1;     ///< Where the terminal is sent; -1: it is copied to this one's.
    std::string pid_file = {};   ///< Where the program's number is written; empty: nowhere.
    bool leave = false;          ///< Return when it runs; it becomes a child of who adopts ours.
    unsigned preserved = 0;      ///< How many descriptors from 3 on it inherits.
    std::string part = {};       ///< A part of the container's cgroup for it; empty: none.
    bool may_reexecute = false;  ///< This process is davit-runtime, and has begun nothing yet.
};

/// Runs the program with the caller's standard streams, passes signals on to it, and returns its
/// exit status: 128 + N where signal N ended it, 127 where it is not there, 126 where it can't be
/// run. @errors NotFound where the container doesn't run
Result<int> exec_in_container(const ExecOptions& options);

}  // namespace davit::runtime
