#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

/// A file tree copied with everything that it has: owners, modes, times to the nanosecond, extended
/// attributes of every kind (overlayfs' own as well), hard links, holes, devices, FIFOs, sockets.
namespace davit::stack {

struct ExactCopyOptions {
    /// Asked for each path below the root ("images/tmp"); false leaves it out, with what is in it.
    std::function<bool(const std::string&)> wanted = {};
    std::function<void(std::int64_t bytes)> on_bytes = {};  ///< Hears of each piece that is done.
    std::function<bool()> cancelled = {};
};

/// Copies what is in `from` into the empty folder `to`. No link is followed.
/// @errors Busy where another file system is mounted in it; Cancelled; System
Result<void> copy_exactly(const UniqueFd& from, const UniqueFd& to,
                          const ExactCopyOptions& options);

/// How closely two trees are looked at.
enum class Likeness {
    Metadata,  ///< Names, kinds, owners, modes, sizes, times: whoever writes changes one of them.
    Contents,  ///< Every byte and attribute as well; those of the copy are read from the disk
               ///< again.
};

/// The path of the first thing that is not the same in both; nothing where all is.
Result<std::optional<std::string>> find_difference(const UniqueFd& from, const UniqueFd& copy,
                                                   Likeness likeness,
                                                   const ExactCopyOptions& options);

}  // namespace davit::stack
