#include "base/made_file.h"

#include "base/sys.h"

#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace davit {
Result<UniqueFd> open_made(const UniqueFd& folder, const std::string& name, mode_t type) {
    UniqueFd object = TRY(sys::open_at(folder, name, O_PATH | O_NOFOLLOW));
    struct stat info {};
    if (::fstat(object.get(), &info) == -1) return sys::failed("fstat(2)");
    if ((info.st_mode & S_IFMT) != type)
        return Error(ErrorKind::Busy,
                     fmt::format("'{}' was replaced by something else while it was made", name))
            .help("try again when nothing else writes there");
    return object;
}

Result<void> set_owner(const UniqueFd& object, uid_t uid, gid_t gid) {
    if (::fchownat(object.get(), "", uid, gid, AT_EMPTY_PATH) == -1) return sys::failed("chown(2)");
    return {};
}

Result<void> set_mode(const UniqueFd& object, mode_t mode) {
    // fchmod(2) takes no descriptor with O_PATH; this way leads to the object itself, never on.
    const std::string path = fmt::format("/proc/thread-self/fd/{}", object.get());
    if (::chmod(path.c_str(), mode) == -1) return sys::failed("chmod(2)");
    return {};
}

Result<void> set_times(const UniqueFd& object, const timespec& accessed, const timespec& modified) {
    const std::array<timespec, 2> times = {accessed, modified};
    if (::utimensat(object.get(), "", times.data(), AT_EMPTY_PATH) == -1)
        return sys::failed("utimensat(2)");
    return {};
}

}  // namespace davit
