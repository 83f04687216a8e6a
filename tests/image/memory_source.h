#pragma once

#include "image/byte_source.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace davit::testing {

/// The bytes of a string, a few at a time, so that every boundary is met.
class MemorySource : public image::ByteSource {
public:
    explicit MemorySource(std::string bytes, std::size_t piece = 777)
        : bytes_(std::move(bytes)), piece_(piece) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        const std::size_t count = std::min({size, piece_, bytes_.size() - at_});
        std::memcpy(buffer, bytes_.data() + at_, count);
        at_ += count;
        return count;
    }

private:
    std::string bytes_;
    std::size_t piece_;
    std::size_t at_ = 0;
};

}  // namespace davit::testing
