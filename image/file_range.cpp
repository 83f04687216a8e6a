#include "image/file_range.h"

#include "base/file.h"
#include "base/sys.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::image {

Result<std::unique_ptr<ByteSource>> open_range(const FileRange& range) {
    if (range.archive) {
        std::unique_ptr<ByteSource> stretch =
            std::make_unique<RangeSource>(range.archive, range.offset, range.size);
        return stretch;
    }
    UniqueFd fd = TRY(sys::open(range.path, O_RDONLY | O_NOFOLLOW));
    return read_descriptor(std::move(fd));
}

Result<std::size_t> RangeSource::read(char* buffer, std::size_t size) {
    const auto wanted = static_cast<std::size_t>(
        std::min<std::int64_t>(end_ - at_, static_cast<std::int64_t>(size)));
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::pread(file_->get(), buffer, wanted, at_); });
    if (got == -1) return sys::failed("pread(2)");
    at_ += got;
    return static_cast<std::size_t>(got);
}

Result<std::int64_t> RangeSource::skip(std::int64_t size) {
    const std::int64_t passed = std::min(size, end_ - at_);
    at_ += passed;
    return passed;
}

Result<std::size_t> CopyingSource::read(char* buffer, std::size_t size) {
    const std::size_t got = TRY(source_.read(buffer, size));
    copied_ += static_cast<std::int64_t>(got);
    if (copied_ > limits_.bytes)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("the blob has more than {} bytes", limits_.bytes));
    TRY_DOING(write_all(file_, {buffer, got}), "copy the blob");
    TRY(space_.check(file_, got));
    return got;
}

}  // namespace davit::image
