#pragma once

#include "base/json.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace davit::runtime {

/// The default filter as an OCI `linux.seccomp` object, for a container with `capabilities` (bit
/// mask): known calls are allowed, the dangerous ones answer EPERM, and calls newer than this list
/// answer ENOSYS, on which the C library falls back to older ones. Pure.
/// @source docs/security.md, which lists the refused calls with their reasons
Json default_seccomp(std::uint64_t capabilities);

/// A compiled filter: the instructions for seccomp(2).
using SeccompProgram = std::string;

/// Compiles an OCI `linux.seccomp` object with libseccomp.
/// @errors InvalidInput for an unknown action, operator or architecture
Result<SeccompProgram> compile_seccomp(const Json& seccomp);

/// The `flags` of the object as seccomp(2) takes them.
unsigned seccomp_flags(const Json& seccomp);

/// As `compile_seccomp`, but takes the result from `cache_dir` where the same object was compiled
/// before: building a filter costs milliseconds, reading it microseconds. The cache is only ever a
/// help: a broken entry is compiled anew.
Result<SeccompProgram> cached_seccomp(const Json& seccomp, const std::string& cache_dir);

}  // namespace davit::runtime
