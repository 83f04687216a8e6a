#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Sparse files in tar archives: only what is no hole is there, with a list of where it belongs.
/// @source GNU tar manual "Storing Sparse Files" (old GNU format; pax formats 0.0, 0.1, 1.0)
namespace davit::image {

/// Bytes that the archive has of a sparse file, and where they belong in it.
struct SparseExtent {
    std::int64_t offset = 0;
    std::int64_t size = 0;
};
using SparseMap = std::vector<SparseExtent>;

/// The same as a file is written from front to back: so many zeros, then so many bytes.
struct SparsePiece {
    std::int64_t hole = 0;
    std::int64_t data = 0;
};

/// @errors InvalidInput where the map goes back, reaches out of a file of `size` bytes, or doesn't
/// have the `stored` bytes that the archive has
Result<std::vector<SparsePiece>> sparse_pieces(const SparseMap& map, std::int64_t size,
                                               std::int64_t stored);

/// Adds the extents of `block` from `offset` on, at most `count`: those of a header of the old
/// form, or of a block that continues it. @errors InvalidInput
Result<void> add_old_extents(std::string_view block, std::size_t offset, std::size_t count,
                             SparseMap& map);
inline constexpr std::size_t kOldExtentsInHeader = 4;
inline constexpr std::size_t kOldExtentsInBlock = 21;
inline constexpr std::size_t kOldExtentSize = 24;

/// What pax records say of a sparse file.
struct PaxSparse {
    std::string name = {};              ///< Empty: that of the entry.
    std::int64_t size = 0;              ///< With its holes.
    std::optional<SparseMap> map = {};  ///< Nothing: it stands before the content (format 1.0).
};
/// Nothing where the file is not sparse. @errors InvalidInput, Unsupported (later formats)
Result<std::optional<PaxSparse>> pax_sparse(const std::map<std::string, std::string>& records);

/// Format 0.0 has one record for each number, all of the same two names: `records` gets them as
/// the list of format 0.1.
void add_sparse_number(std::map<std::string, std::string>& records, std::string_view value);

/// Reads the map of format 1.0, decimal lines, as its blocks arrive.
class SparseMapReader {
public:
    /// Takes one block. Returns whether the map ended in it. @errors InvalidInput
    Result<bool> take(std::string_view block);
    SparseMap map() && { return std::move(map_); }

private:
    Result<void> number(std::int64_t value);

    std::string digits_;
    std::int64_t extents_left_ = -1;  ///< -1: their count comes first.
    std::optional<std::int64_t> offset_;
    SparseMap map_;
};

}  // namespace davit::image
