#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/exec_terminal.h"

#include <sys/types.h>

namespace davit::runtime {

/// Stays beside a program until it has ended (`ended`: its pidfd): passes signals on to it, and
/// copies between its terminal and the caller's where `terminal` is open. Does not collect it.
Result<void> attend(pid_t pid, const UniqueFd& ended, const UniqueFd& terminal);

}  // namespace davit::runtime
