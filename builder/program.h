#pragma once

#include "base/result.h"

#include <functional>
#include <string>
#include <vector>

namespace davit::builder {

/// A program of the host that a build needs, such as git(1).
struct ProgramCall {
    std::vector<std::string> argv = {};         ///< The first is an absolute path.
    std::vector<std::string> environment = {};  ///< All of it: nothing is inherited.
    std::function<bool()> cancelled = {};
};

struct ProgramOutcome {
    int exit_code = 0;  ///< 128 + signal where a signal ended it.
    std::string out = {};
    std::string err = {};
};

/// Runs the program to its end without a shell, a terminal or input, in a process group of its own,
/// which is killed whole when the build is cancelled. Files that it makes are open to all to read
/// (umask 022), whatever davit's own umask is.
/// @errors NotFound where the program isn't there, Cancelled, InvalidInput where it prints too much
Result<ProgramOutcome> run_program(const ProgramCall& call);

}  // namespace davit::builder
