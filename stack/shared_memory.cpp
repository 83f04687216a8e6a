#include "stack/shared_memory.h"

#include "base/file.h"
#include "base/sys.h"
#include "stack/volume_mount.h"

#include <fmt/format.h>
#include <sys/mount.h>

namespace davit::stack {

std::string shared_memory_folder(const std::string& run_dir) { return run_dir + "/shm"; }

Result<void> mount_shared_memory(const std::string& run_dir, std::uint32_t owner,
                                 std::int64_t bytes) {
    constexpr std::int64_t kDockersSize = 64 << 20;
    TRY(unmount_shared_memory(run_dir));
    const std::string folder = shared_memory_folder(run_dir);
    TRY(make_directories(folder, 0755));
    return sys::mount({.source = "shm",
                       .target = folder,
                       .type = "tmpfs",
                       .flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
                       .data = fmt::format("mode=1777,size={},uid={},gid={}",
                                           bytes > 0 ? bytes : kDockersSize, owner, owner)});
}

Result<void> unmount_shared_memory(const std::string& run_dir) {
    const std::string folder = shared_memory_folder(run_dir);
    while (is_mount_point(folder)) {
        if (::umount2(folder.c_str(), MNT_DETACH) == -1)
            return sys::failed("umount(2)").doing("unmount '{}'", folder);
    }
    return {};
}

}  // namespace davit::stack
