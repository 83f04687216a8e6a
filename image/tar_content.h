#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/tar_reader.h"

#include <cstdint>
#include <vector>

namespace davit::image {

/// What an archive may at most bring; beyond is an attack, not an image.
struct UnpackLimits {
    std::int64_t bytes = std::int64_t{512} << 30U;
    std::int64_t entries = 10'000'000;
    std::int64_t free_bytes = 64'000'000;  ///< Of the disk: no archive takes the last of it.
};

/// Looks, while much is written, that some of the disk is left to others: one that is full to the
/// last byte harms more than davit.
class FreeSpace {
public:
    explicit FreeSpace(const UnpackLimits& limits) : least_(limits.free_bytes) {}
    /// `written` bytes have just gone to `file`. @errors ENOSPC, before there is nothing left
    Result<void> check(const UniqueFd& file, std::size_t written);

private:
    std::int64_t least_;
    std::int64_t unchecked_ = 0;  ///< Bytes written since the free space was last looked at.
};

/// Writes what files of an archive have in them. A hole stays a hole: in an archive it is a number,
/// and written out as zeros it fills any disk.
class TarContent {
public:
    /// Both must outlive it.
    TarContent(TarReader& reader, const UnpackLimits& limits)
        : reader_(reader), limits_(limits), space_(limits) {}

    /// All that `entry`, the reader's last one, has in it, into `file`, which is empty.
    /// @errors InvalidInput where it takes all files together over the limit; ENOSPC before the
    /// disk is full to the last byte
    Result<void> write(const TarEntry& entry, const UniqueFd& file);

    /// Of all files so far, holes included.
    std::int64_t bytes() const { return bytes_; }

private:
    TarReader& reader_;
    const UnpackLimits& limits_;
    std::int64_t bytes_ = 0;
    FreeSpace space_;
    std::vector<char> buffer_ = std::vector<char>(256U << 10U);
};

}  // namespace davit::image
