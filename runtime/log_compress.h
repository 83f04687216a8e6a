#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <sys/types.h>

/// Rotated log files as gzip, for the option `compress`. A guard has it done by a process beside
/// it: it takes more memory than a guard has, and time in which the container's output must be
/// read.
namespace davit::runtime {

/// Makes PATH.gz out of PATH and removes PATH. The number of PATH's inode is kept in the header, so
/// that who had read PATH knows PATH.gz again. Killed at any moment, one of the two is whole.
/// @source RFC 1952, FCOMMENT
Result<void> compress_log(const std::string& path);

/// What `compress_log` writes into the header: "inode 1234".
std::string log_comment(ino_t inode);

/// Starts `davit-runtime compress-log PATH`. Returns its pid, which is to be collected.
Result<pid_t> spawn_compressor(const std::string& path);

}  // namespace davit::runtime
