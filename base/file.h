#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace davit {

/// The whole of a regular file, FIFO or /proc file, at most `limit` bytes.
/// @errors NotFound, PermissionDenied, InvalidInput where it is larger than `limit`, System
Result<std::string> read_file(const std::string& path, std::size_t limit = 256U << 20U);

/// Writes all of `text` to `fd`, in as many write(2) calls as it takes.
Result<void> write_all(const UniqueFd& fd, std::string_view text);

/// Whether a file write must survive a power cut before the call returns.
enum class Sync { No, Yes };

/// Replaces `path` by `text` in one step: a reader sees the old file or the new one, never a part.
/// Written to a temporary file beside it, then renamed; with Sync::Yes also synced, file and
/// folder.
Result<void> write_atomically(const std::string& path, std::string_view text, mode_t mode,
                              Sync sync);

/// Writes into an existing or new file in place, keeping its inode (for files that are bind-mounted
/// into a container, where a rename would not be seen).
Result<void> write_in_place(const std::string& path, std::string_view text, mode_t mode);

/// Removes what `write_atomically` left in `folder` when it was killed before its rename. What a
/// process that lives is writing stays.
void remove_half_written(const std::string& folder);

/// Writes `text` to a control file of the kernel in one write(2), such as a sysctl or a cgroup
/// file.
Result<void> write_control_file(const std::string& path, std::string_view text);

/// mkdir -p: makes `path` and every missing parent with `mode`. One that is there already is fine.
Result<void> make_directories(const std::string& path, mode_t mode);

/// Names in a directory without "." and "..", sorted. An absent directory is empty.
Result<std::vector<std::string>> list_directory(const std::string& path);

/// Removes `path` and everything beneath it, without following symbolic links and without leaving
/// the file system it starts on: a mount that was left beneath it survives and is reported.
/// An absent path is fine. @errors Busy where something is mounted beneath it
Result<void> remove_tree(const std::string& path);

/// Whether something exists at `path`, links followed.
bool exists(const std::string& path);

/// "a/b" from "a" and "b"; an absolute second part is taken as it is.
std::string join_path(std::string_view first, std::string_view second);

/// The lexical form of an absolute or relative path: no ".", no "..", no doubled or trailing '/'.
std::string clean_path(std::string_view path);

/// A flock(2) that the kernel gives back when the process ends, however it ends.
/// The file stays: removing it would let two processes lock two different inodes.
class FileLock {
public:
    /// Waits for the lock. Makes the file and its folder where they are missing.
    /// @errors Cancelled where the user has interrupted: see LockWait
    static Result<FileLock> exclusive(const std::string& path);
    /// As `exclusive`, for readers that may share.
    static Result<FileLock> shared(const std::string& path);
    /// As `exclusive`, without waiting. @errors Busy where somebody else has it
    static Result<FileLock> exclusive_now(const std::string& path);

private:
    explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
    static Result<FileLock> take(const std::string& path, int operation);
    UniqueFd fd_;
};

}  // namespace davit
