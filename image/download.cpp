#include "image/download.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/sys.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::image {
Result<std::unique_ptr<Download>> Download::open(const std::string& file, std::int64_t size) {
    UniqueFd fd = TRY(sys::open(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    struct stat info {};
    if (::fstat(fd.get(), &info) == -1) return sys::failed("fstat(2)");
    std::int64_t have = info.st_size;
    // Longer than it can be: no part of this blob.
    if (have > size) {
        if (::ftruncate(fd.get(), 0) == -1) return sys::failed("ftruncate(2)");
        have = 0;
    }
    if (::lseek(fd.get(), have, SEEK_SET) == -1) return sys::failed("lseek(2)");
    return std::unique_ptr<Download>(new Download(std::move(fd), have, size));
}

Result<void> Download::fetch(Registry& registry, Registry::BlobRequest request,
                             const std::function<void(std::int64_t)>& on_bytes) {
    request.offset = [this] {
        const std::lock_guard lock(mutex_);
        return have_;
    };
    request.take = [&](std::string_view bytes) -> Result<void> {
        FAILPOINT("image.part");
        TRY(write_all(fd_, bytes));
        std::int64_t have = 0;
        {
            const std::lock_guard lock(mutex_);
            if (given_up_) return Error(ErrorKind::Cancelled, "given up");
            have = have_ += static_cast<std::int64_t>(bytes.size());
        }
        changed_.notify_all();
        on_bytes(have);
        return {};
    };
    Result<void> done = resumed_from_ == size_ ? Result<void>() : registry.blob(request);
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (!done) failure_ = done.error();
    changed_.notify_all();
    return done;
}

void Download::give_up() {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
}

Result<std::size_t> Download::read(char* buffer, std::size_t size) {
    std::int64_t there = 0;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return have_ > read_ || ended_; });
        if (have_ == read_) {
            if (failure_) return *failure_;
            return std::size_t{0};
        }
        there = have_ - read_;
    }
    const auto wanted =
        static_cast<std::size_t>(std::min<std::int64_t>(there, static_cast<std::int64_t>(size)));
    const ssize_t got =
        sys::retry_on_eintr([&] { return ::pread(fd_.get(), buffer, wanted, read_); });
    if (got == -1) return sys::failed("pread(2)");
    read_ += got;
    return static_cast<std::size_t>(got);
}

}  // namespace davit::image
