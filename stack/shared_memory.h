#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>

/// /dev/shm of a container whose IPC namespace others may join (`ipc: shareable`). It is mounted on
/// the host, where those find it, for as long as the container runs.
namespace davit::stack {

/// Where it is, beside the other things of a run.
std::string shared_memory_folder(const std::string& run_dir);

/// Mounts an empty one, with `bytes` of room (0: Docker's 64 MiB), for the ids from `owner` on. One
/// of an earlier run is taken away.
Result<void> mount_shared_memory(const std::string& run_dir, std::uint32_t owner,
                                 std::int64_t bytes);

/// Takes it away, where there is one; who has joined keeps what it has.
Result<void> unmount_shared_memory(const std::string& run_dir);

}  // namespace davit::stack
