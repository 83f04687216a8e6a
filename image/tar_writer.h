#pragma once

#include "image/byte_sink.h"
#include "image/tar_reader.h"

#include <cstdint>
#include <string_view>

namespace davit::image {

/// Writes a tar archive from front to back: ustar headers, and a pax header before an entry whose
/// name, size, owner, time or extended attributes the old form can't hold. The same entries give
/// the same bytes.
/// @source POSIX.1-2017 pax "ustar Interchange Format", "pax Extended Header"
class TarWriter {
public:
    /// `sink` must outlive the writer.
    explicit TarWriter(ByteSink& sink) : sink_(sink) {}

    /// Begins an entry. Of a regular file `entry.size` bytes must follow by `write`; of all others
    /// the size is taken for 0.
    Result<void> begin(const TarEntry& entry);
    /// The next bytes of the entry's content.
    Result<void> write(std::string_view bytes);
    /// The end of the archive: two empty blocks.
    Result<void> finish();

private:
    Result<void> pad();

    ByteSink& sink_;
    std::int64_t left_ = 0;  ///< Content that the entry still lacks.
    std::int64_t padding_ = 0;
};

}  // namespace davit::image
