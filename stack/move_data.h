#pragma once

#include "base/result.h"
#include "stack/records.h"

#include <cstdint>
#include <functional>
#include <string>

namespace davit::stack {

struct MoveRequest {
    Paths paths = {};     ///< `data_root`: what is moved.
    std::string to = {};  ///< Absolute; absent, an empty folder, or what an earlier try has left.
    /// "copying", "verifying" or "removing", and how many bytes of how many.
    std::function<void(const char* what, std::int64_t done, std::int64_t total)> on_progress = {};
    std::function<bool()> cancelled = {};
};

struct Moved {
    bool was_there = false;  ///< An earlier move had got as far as the switch.
    std::int64_t bytes = 0;  ///< Copied.
};

/// Moves a data root to another place, on another disk as a rule. Everything is copied, written
/// out, and compared with the original, read from the disk again; then a link to the new place
/// takes the old folder's in one step (renameat2, RENAME_EXCHANGE), so that every path that is
/// written down anywhere goes on to mean what it meant; then the original is removed.
///
/// Killed at any moment the old place has everything: as the folder that it was, or as a link to
/// the whole copy. The same call once more does what is left to do.
///
/// @errors Busy where a container runs, something is being pulled, loaded or built, or something is
/// mounted there; AlreadyExists; InvalidInput where one is inside the other or the file system
/// can't carry containers; System with the room that is missing; Cancelled. Then nothing has
/// changed.
Result<Moved> move_data_root(const MoveRequest& request);

}  // namespace davit::stack
