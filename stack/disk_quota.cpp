#include "stack/disk_quota.h"

#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/unique_fd.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <optional>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::stack {
namespace {

#ifndef SYS_quotactl_fd
constexpr long SYS_quotactl_fd = 443;  // Linux 5.14; the same number on all architectures
#endif

/// Project numbers of davit's, so that nobody else's is changed.
constexpr std::uint32_t kOurs = 0x4d000000;
constexpr std::uint32_t kOursMask = 0xff000000;

/// QCMD of sys/quota.h, which can't be included beside linux/quota.h.
constexpr unsigned command(unsigned what) { return what << 8U | PRJQUOTA; }

long quota(const UniqueFd& folder, unsigned what, std::uint32_t project, if_dqblk& values) {
    return ::syscall(SYS_quotactl_fd, folder.get(), command(what), project, &values);
}

Result<fsxattr> attributes_of(const UniqueFd& folder) {
    fsxattr attributes{};
    if (::ioctl(folder.get(), FS_IOC_FSGETXATTR, &attributes) == -1)
        return Error::from_errno(errno, "ioctl(FS_IOC_FSGETXATTR)");
    return attributes;
}

Result<void> set_limit(const UniqueFd& folder, std::uint32_t project, std::int64_t bytes) {
    constexpr std::int64_t kBlock = 1024;  // QIF_DQBLKSIZE
    if_dqblk values{};
    values.dqb_bhardlimit = static_cast<std::uint64_t>((bytes + kBlock - 1) / kBlock);
    values.dqb_bsoftlimit = values.dqb_bhardlimit;
    values.dqb_valid = QIF_BLIMITS;
    if (quota(folder, Q_SETQUOTA, project, values) == -1)
        return Error::from_errno(errno, "quotactl_fd(2)");
    return {};
}

Error no_quotas(const std::string& folder) {
    return Error(ErrorKind::Unsupported,
                 fmt::format("the file system of '{}' has no project quotas", folder))
        .help(
            "mount it with 'prjquota' (xfs; ext4 made with '-O quota,project'), or take "
            "'storage_opt' out");
}

}  // namespace

Result<void> check_folder_limits(const std::string& folder) {
    std::string there = folder;
    while (!exists(there) && there.size() > 1)
        there.resize(std::max<std::size_t>(there.rfind('/'), 1));
    const UniqueFd fd = TRY(sys::open(there, O_RDONLY | O_DIRECTORY));
    const Result<fsxattr> attributes = attributes_of(fd);
    if_dqblk values{};
    // ESRCH says either that there are no quotas, or that nobody has had this number yet.
    if (!attributes || (quota(fd, Q_GETQUOTA, 0, values) == -1)) return no_quotas(there);
    return {};
}

Result<void> limit_folder(const std::string& folder, std::int64_t bytes, const std::string& seed) {
    constexpr std::size_t kDigits = 6;
    const auto project =
        static_cast<std::uint32_t>(kOurs | std::stoul(seed.substr(0, kDigits), nullptr, 16));
    const UniqueFd fd = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    Result<fsxattr> attributes = attributes_of(fd);
    if (!attributes) return no_quotas(folder);
    attributes->fsx_projid = project;
    attributes->fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (::ioctl(fd.get(), FS_IOC_FSSETXATTR, &*attributes) == -1) return no_quotas(folder);
    return set_limit(fd, project, bytes);
}

void lift_limit(const std::string& folder) {
    const Result<UniqueFd> fd = sys::open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) return;
    const Result<fsxattr> attributes = attributes_of(*fd);
    if (!attributes || (attributes->fsx_projid & kOursMask) != kOurs) return;
    if (const Result<void> lifted = set_limit(*fd, attributes->fsx_projid, 0); !lifted)
        log::debug("stack", "{}, ignoring", lifted.error().to_string());
}

}  // namespace davit::stack
