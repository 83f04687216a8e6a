#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace davit::image {

/// Takes bytes in order: a file, a pipe, a compressor, a request's body.
class ByteSink {
public:
    ByteSink() = default;
    ByteSink(const ByteSink&) = delete;
    ByteSink& operator=(const ByteSink&) = delete;
    virtual ~ByteSink() = default;

    virtual Result<void> write(std::string_view bytes) = 0;
};

/// Writes into an open descriptor, in large pieces, and counts and hashes what passes.
class FileSink : public ByteSink {
public:
    explicit FileSink(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<void> write(std::string_view bytes) override;

    /// Writes out what is held back. Must be called last.
    Result<void> flush();
    std::int64_t size() const { return size_; }
    /// Ends the hashing.
    std::string hex() && { return std::move(digest_).hex(); }

private:
    UniqueFd fd_;
    std::string held_;
    Sha256 digest_;
    std::int64_t size_ = 0;
};

}  // namespace davit::image
