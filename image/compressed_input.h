#pragma once

#include "image/byte_source.h"

#include <cstdint>
#include <memory>
#include <vector>

/// What the decompressors share; decompress() in byte_source.h is the way in.
namespace davit::image {

/// The compressed bytes, a buffer at a time, beginning with those that were read to look at.
class CompressedInput {
public:
    /// `source` must outlive it.
    CompressedInput(ByteSource& source, std::vector<char> first);

    /// Whether bytes are there; reads more where the buffer is empty.
    Result<bool> fill();
    const char* data() const { return buffer_.data() + at_; }
    std::size_t size() const { return end_ - at_; }
    void consume(std::size_t count) {
        at_ += count;
        taken_ += static_cast<std::int64_t>(count);
    }
    /// Bytes consumed so far.
    std::int64_t taken() const { return taken_; }

private:
    ByteSource& source_;
    std::vector<char> buffer_;
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    std::int64_t taken_ = 0;
};

/// Refuses what is far larger unpacked than packed, and large: that is no image but an attack on
/// the disk. Both in bytes.
Result<void> check_ratio(std::int64_t packed, std::int64_t unpacked);

Error damaged_data(const char* format);

/// The formats of older archives, which no registry has: of `docker load`, and of ADD.
std::unique_ptr<ByteSource> unpack_xz(CompressedInput input);
std::unique_ptr<ByteSource> unpack_bzip2(CompressedInput input);

}  // namespace davit::image
