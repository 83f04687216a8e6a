#include "stack/mount_points.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/sys.h"

#include <fcntl.h>

namespace davit::stack {

std::string mount_point_layer(const std::string& data_root) { return data_root + "/mount-points"; }

Result<void> ensure_mount_point_layer(const std::string& data_root) {
    const std::string folder = mount_point_layer(data_root);
    if (exists(folder + "/etc/resolv.conf")) return {};  // the last that is made
    FAILPOINT("mount-points.make");
    for (const char* name : {"/dev", "/proc", "/sys", "/etc"})
        TRY(make_directories(folder + name, 0755));
    for (const char* name : {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
        (void)TRY(sys::open(folder + name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    return {};
}

}  // namespace davit::stack
