#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <memory>
#include <string>

namespace davit::image {

/// Bytes in order, from a file, a pipe or a decompressor.
class ByteSource {
public:
    ByteSource() = default;
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;
    virtual ~ByteSource() = default;

    /// At most `size` bytes into `buffer`; 0 at the end.
    virtual Result<std::size_t> read(char* buffer, std::size_t size) = 0;

    /// Passes over `size` bytes. Returns how many there were: fewer only at the end.
    virtual Result<std::int64_t> skip(std::int64_t size);
};

/// The bytes of an open descriptor.
std::unique_ptr<ByteSource> read_descriptor(UniqueFd fd);

/// Passes the bytes of `source` on and counts and hashes them on the way. Both must outlive it.
class HashingSource : public ByteSource {
public:
    explicit HashingSource(ByteSource& source) : source_(source) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override;

    /// Reads what is left, so that digest and size cover everything.
    Result<void> drain();
    std::int64_t size() const { return size_; }
    /// Ends the hashing.
    std::string hex() && { return std::move(digest_).hex(); }

private:
    ByteSource& source_;
    Sha256 digest_;
    std::int64_t size_ = 0;
};

/// The plain bytes of `source`, which is gzip (several members in a row are one), zstd, xz, bzip2
/// or plain, as its first bytes say. `source` must outlive the result.
/// @errors InvalidInput for data that is damaged or cut short
Result<std::unique_ptr<ByteSource>> decompress(ByteSource& source);

}  // namespace davit::image
