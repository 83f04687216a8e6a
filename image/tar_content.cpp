#include "image/tar_content.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"

#include <cerrno>
#include <fmt/format.h>
#include <string_view>
#include <sys/statvfs.h>
#include <unistd.h>

namespace davit::image {
namespace {

constexpr std::int64_t kCheckEvery = 32 << 20;

}  // namespace

Result<void> TarContent::write(const TarEntry& entry, const UniqueFd& file) {
    if (entry.size > limits_.bytes - bytes_)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("entry '{}' takes the layer over {} bytes", printable(entry.path),
                                 limits_.bytes));
    bool ends_in_hole = false;
    for (;;) {
        if (const std::int64_t hole = reader_.pass_hole(); hole > 0) {
            if (::lseek(file.get(), hole, SEEK_CUR) == -1) return sys::failed("lseek(2)");
            ends_in_hole = true;
            continue;
        }
        const std::size_t got = TRY(reader_.read(buffer_.data(), buffer_.size()));
        if (got == 0) break;
        TRY(write_all(file, std::string_view(buffer_.data(), got)));
        TRY(space_.check(file, got));
        ends_in_hole = false;
    }
    if (ends_in_hole && ::ftruncate(file.get(), entry.size) == -1)
        return sys::failed("ftruncate(2)");
    bytes_ += entry.size;
    return {};
}

Result<void> FreeSpace::check(const UniqueFd& file, std::size_t written) {
    unchecked_ += static_cast<std::int64_t>(written);
    if (unchecked_ < kCheckEvery) return {};
    unchecked_ = 0;
    struct statvfs info {};
    if (::fstatvfs(file.get(), &info) == -1) return {};
    const auto free = static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
    if (free >= least_) return {};
    return Error::from_errno(ENOSPC, "statvfs(2)")
        .doing("leave the last {} MB of the disk, of which {} MB are free, to others",
               least_ / 1'000'000, free / 1'000'000);
}

}  // namespace davit::image
