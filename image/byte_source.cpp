#include "image/byte_source.h"

#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <vector>

namespace davit::image {
namespace {

class DescriptorSource : public ByteSource {
public:
    explicit DescriptorSource(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        const ssize_t got = sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, size); });
        if (got == -1) return Error::from_errno(errno, "read(2)");
        return static_cast<std::size_t>(got);
    }

private:
    UniqueFd fd_;
};

}  // namespace

Result<std::int64_t> ByteSource::skip(std::int64_t size) {
    std::vector<char> thrown_away(
        static_cast<std::size_t>(std::clamp<std::int64_t>(size, 0, 65536)));
    std::int64_t passed = 0;
    while (passed < size) {
        const auto wanted = static_cast<std::size_t>(
            std::min<std::int64_t>(size - passed, static_cast<std::int64_t>(thrown_away.size())));
        const std::size_t got = TRY(read(thrown_away.data(), wanted));
        if (got == 0) break;
        passed += static_cast<std::int64_t>(got);
    }
    return passed;
}

std::unique_ptr<ByteSource> read_descriptor(UniqueFd fd) {
    return std::make_unique<DescriptorSource>(std::move(fd));
}

Result<std::size_t> HashingSource::read(char* buffer, std::size_t size) {
    const std::size_t got = TRY(source_.read(buffer, size));
    digest_.update(buffer, got);
    size_ += static_cast<std::int64_t>(got);
    return got;
}

Result<void> HashingSource::drain() {
    std::vector<char> rest(65536);
    while (TRY(read(rest.data(), rest.size())) > 0) {
    }
    return {};
}

}  // namespace davit::image
