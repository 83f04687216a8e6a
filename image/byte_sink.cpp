#include "image/byte_sink.h"

#include "base/file.h"

namespace davit::image {
namespace {

/// A tar is written in blocks of 512 bytes: one system call for each would be most of the work.
constexpr std::size_t kHeld = 256U << 10U;

}  // namespace

Result<void> FileSink::write(std::string_view bytes) {
    digest_.update(bytes);
    size_ += static_cast<std::int64_t>(bytes.size());
    if (held_.size() + bytes.size() > kHeld) TRY(flush());
    if (bytes.size() >= kHeld) return write_all(fd_, bytes);
    held_.append(bytes);
    return {};
}

Result<void> FileSink::flush() {
    TRY(write_all(fd_, held_));
    held_.clear();
    return {};
}

}  // namespace davit::image
