#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <vector>

/// The file of davit-runtime, as programs in containers meet it: a container's first process is
/// cloned from it, and a program that is called '/proc/self/exe' is that file. Where the container
/// has no user namespace of its own, its root could change it, and with it what runs on the host.
/// CVE-2019-5736
namespace davit::runtime {

/// The program as a descriptor for execveat(2), on a mount of its own that nobody can write
/// through.
/// @source open_tree(2) @errors NotFound
Result<UniqueFd> open_read_only(const std::string& path);

/// Has this process executed its own program anew, with the same arguments and environment, from
/// such a mount; returns where it was already. `kept` stay open.
Result<void> execute_read_only(const std::vector<int>& kept = {});

}  // namespace davit::runtime
