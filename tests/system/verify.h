#pragma once

#include <string>
#include <vector>

namespace davit::testing {

/// The oracle of the fault tests: what davit has written down against what the kernel says, for
/// everything below one run root and one data root. It reads files and /proc by itself, and uses
/// none of davit's own code for observing.
///
/// Invariants (docs/reliability.md): I1 a container that is said to run has a living process with
/// the same start time, and nothing else is in the project's cgroups; I2 no link, rule, mount,
/// cgroup, guard, socket, zone or temporary file that no record accounts for; every record is whole
/// JSON. I8: an end that nobody saw is not told as success.
///
/// Returns what is wrong, one line each; empty: all is well. What is on its way, such as a guard
/// that is about to end, looks wrong: ask again (see `eventually`).
std::vector<std::string> verify(const std::string& run_root, const std::string& data_root);

}  // namespace davit::testing
