#pragma once

#include "runtime/spec.h"

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

}  // namespace davit::runtime
