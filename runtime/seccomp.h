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

/// The default filter by its name, in the place of a `linux.seccomp` object. To write, read and
/// keep the names of all calls for each container costs more than the rest of its configuration.
/// Another runtime finds no `defaultAction` in it and refuses, so that nothing runs without a
/// filter.
Json named_default_seccomp(std::uint64_t capabilities);

/// A compiled filter: the instructions for seccomp(2).
using SeccompProgram = std::string;

/// Compiles an OCI `linux.seccomp` object, or what `named_default_seccomp` gives, with libseccomp.
/// @errors InvalidInput for an unknown action, operator or architecture
Result<SeccompProgram> compile_seccomp(const Json& seccomp);

/// The `flags` of the object as seccomp(2) takes them.
unsigned seccomp_flags(const Json& seccomp);

/// As `compile_seccomp`, but takes the result from `cache_dir` where the same object was compiled
/// before: building a filter costs milliseconds, reading it microseconds. The cache is only ever a
/// help: a broken entry is compiled anew.
Result<SeccompProgram> cached_seccomp(const Json& seccomp, const std::string& cache_dir);

}  // namespace davit::runtime
