#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "stack/logs.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace davit::stack {

/// The log of one container as one stream of lines, whatever rotation does to its files meanwhile:
/// `path` is being written, `path`.1 was before it, `path`.2 before that. Rotation is by rename, so
/// an open descriptor stays on its file and the inode tells where that file stands now. A file that
/// was compressed after its rotation (`path`.1.gz) keeps the number in its header.
class LogFiles {
public:
    explicit LogFiles(std::string path) : path_(std::move(path)) {}

    /// Sets the place from which `read_new` goes on: before the last `tail` lines of all files, or
    /// before the first. Files that were last written before `since_s` (seconds since 1970) are
    /// passed over.
    Result<void> seek(std::optional<std::size_t> tail, std::optional<std::int64_t> since_s);

    /// Sets the place to where another reader of this log ended. Where that file is gone, all that
    /// is there came after it.
    Result<void> seek_behind(const LogPosition& place);

    /// Where this reader is.
    LogPosition position() const;

    /// Hands every whole line that was written since the last call to `on_line`, oldest first,
    /// without its line break. Returns false as soon as `on_line` does.
    Result<bool> read_new(const std::function<bool(std::string_view)>& on_line);

    /// As `read_new`, but only about as much as is read at once, of what was there at `seek`. False
    /// at the end of that; `read_new` goes on from there.
    Result<bool> read_some(const std::function<void(std::string_view)>& on_line);

    const std::string& path() const { return path_; }

private:
    struct File {
        UniqueFd fd = {};
        ino_t inode = 0;
        off_t offset = 0;       ///< What was read so far.
        std::string rest = {};  ///< A line whose end was not there yet.
    };

    /// Opens the files from the newest to the oldest, or up to the one that is `known`; gives them
    /// oldest first. Opening in this order, a rotation in between hides none.
    Result<std::vector<File>> open_newer_than(ino_t known) const;
    static Result<File> open_one(const std::string& path, ino_t known);
    static Result<bool> drain(File& file, const std::function<bool(std::string_view)>& on_line);
    /// Reads one piece. Zero at the end of the file; `stopped` where `on_line` wants no more.
    static Result<std::size_t> read_piece(File& file, bool& stopped,
                                          const std::function<bool(std::string_view)>& on_line);

    std::string path_;
    std::vector<File> files_;  ///< Still to be read, oldest first; the last one may grow.
};

}  // namespace davit::stack
