#pragma once

#include "base/result.h"
#include "runtime/spec.h"

#include <cstdint>
#include <string>
#include <vector>

/// What execve(2) is given, made ready before the child exists.
namespace davit::runtime {

/// Where execvp(3) would look for the program, along the container's own PATH.
std::vector<std::string> program_candidates(const Spec& spec);

/// The strings as execve(2) takes them, a null at the end. They must outlive the result.
std::vector<char*> exec_pointers(const std::vector<std::string>& strings);

/// The highest capability that this kernel knows.
int last_capability();

/// What this process could give to the container: everything in a user namespace of the container's
/// own, else what it has itself. Says in the log what is asked for and not there.
std::uint64_t available_capabilities(const Spec& spec);

/// "0-2,7", CPUs or memory nodes, as sched_setaffinity(2) and set_mempolicy(2) take them.
/// @errors InvalidInput
Result<std::vector<unsigned long>> number_mask(const std::string& list);

}  // namespace davit::runtime
