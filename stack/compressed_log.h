#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <optional>
#include <string>
#include <sys/types.h>

/// Log files that a guard has compressed after their rotation; see runtime/log_compress.h.
namespace davit::stack {

struct CompressedLog {
    UniqueFd fd = {};
    ino_t inode = 0;  ///< Of the file that it was before it was compressed.
};

/// Opens a compressed file as far as to know which it was.
/// @errors NotFound; InvalidInput where it is no file of a guard's
Result<CompressedLog> open_compressed(const std::string& path);

/// What is in it, as a file in memory with the same times.
Result<UniqueFd> decompress_log(const CompressedLog& log);

}  // namespace davit::stack
