#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/byte_source.h"
#include "image/tar_content.h"

#include <cstdint>
#include <memory>
#include <string>

namespace davit::image {

/// Where the bytes of a file are: a file on disk, or a stretch of an archive that is open.
struct FileRange {
    std::string path = {};  ///< The file; empty where it stands in an archive.
    std::shared_ptr<const UniqueFd> archive = {};
    std::int64_t offset = 0;  ///< In the archive.
    std::int64_t size = 0;    ///< In bytes; of a file on disk as it was looked at, or 0.

    bool empty() const { return path.empty() && !archive; }
};

/// The bytes of `range`, from their beginning; each call reads for itself. A file on disk is not
/// opened through a link. @errors those of open(2)
Result<std::unique_ptr<ByteSource>> open_range(const FileRange& range);

/// The bytes of an open file that can be read anywhere, from `offset` on, `size` of them at most.
/// What is passed over is not read.
class RangeSource : public ByteSource {
public:
    RangeSource(std::shared_ptr<const UniqueFd> file, std::int64_t offset, std::int64_t size)
        : file_(std::move(file)), at_(offset), end_(offset + size) {}

    Result<std::size_t> read(char* buffer, std::size_t size) override;
    Result<std::int64_t> skip(std::int64_t size) override;

    /// Where in the file the next byte is.
    std::int64_t position() const { return at_; }

private:
    std::shared_ptr<const UniqueFd> file_;
    std::int64_t at_;
    std::int64_t end_;
};

/// Passes the bytes of `source` on, and writes each of them to `file`. All must outlive it.
class CopyingSource : public ByteSource {
public:
    CopyingSource(ByteSource& source, const UniqueFd& file, const UnpackLimits& limits)
        : source_(source), file_(file), limits_(limits), space_(limits) {}
    /// @errors those of `source` and write(2); InvalidInput beyond the limit, ENOSPC before the
    /// disk is full to the last byte
    Result<std::size_t> read(char* buffer, std::size_t size) override;

private:
    ByteSource& source_;
    const UniqueFd& file_;
    const UnpackLimits& limits_;
    FreeSpace space_;
    std::int64_t copied_ = 0;
};

}  // namespace davit::image
