#pragma once

#include "base/result.h"
#include "cli/context.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "stack/records.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace davit::cli {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// So many seconds from now; none without a number.
Deadline deadline_after(const std::optional<int>& seconds);

/// `--wait`: until all `containers` run, and are healthy where their health is checked, or Ctrl-C.
/// Tells who is not, with its last words. Returns the exit status.
Result<int> wait_for_all(const Context& context, const stack::Paths& paths,
                         const std::string& project, const std::vector<std::string>& containers,
                         const Deadline& deadline, const Interrupts& interrupts,
                         Progress& progress);

}  // namespace davit::cli
