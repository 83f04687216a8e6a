#include "image/compressed_input.h"

#include <algorithm>
#include <fmt/format.h>
#include <string>

namespace davit::image {
namespace {

constexpr std::size_t kInputSize = 256U << 10U;

/// Disks of virtual machines, which some put into images, are mostly zeros: these may be.
struct Bomb {
    std::int64_t size;
    std::int64_t ratio;
};
constexpr Bomb kBombs[] = {{std::int64_t{4} << 30U, 400}, {std::int64_t{50} << 30U, 100}};

}  // namespace

Result<void> check_ratio(std::int64_t packed, std::int64_t unpacked) {
    for (const Bomb& bomb : kBombs) {
        if (unpacked <= bomb.size || unpacked / bomb.ratio <= packed) continue;
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the data is more than {} times as large unpacked as packed, and "
                                 "more than {} GiB",
                                 bomb.ratio, bomb.size >> 30U));
    }
    return {};
}

Error damaged_data(const char* format) {
    return Error(ErrorKind::InvalidInput,
                 std::string("the ") + format + " data is damaged or cut short");
}

CompressedInput::CompressedInput(ByteSource& source, std::vector<char> first)
    : source_(source), buffer_(std::move(first)), end_(buffer_.size()) {
    buffer_.resize(std::max(buffer_.size(), kInputSize));
}

Result<bool> CompressedInput::fill() {
    if (at_ < end_) return true;
    at_ = 0;
    end_ = TRY(source_.read(buffer_.data(), buffer_.size()));
    return end_ > 0;
}

}  // namespace davit::image
