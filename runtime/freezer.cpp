#include "runtime/freezer.h"

#include "base/file.h"
#include "base/strings.h"
#include "runtime/cgroup.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr int kAttempts = 2000;
constexpr useconds_t kPause = 5000;

struct Freezer {
    std::string control = {};
    std::string state = {};  ///< Says whether it is so.
    std::string on = {};
    std::string off = {};
    std::string when_on = {};  ///< What `state` has in it then.
    std::string when_off = {};
};

Result<Freezer> find_freezer(const std::string& path) {
    const CgroupMounts mounts = find_cgroup_mounts();
    const std::string folder = mounts.unified + path;
    if (!mounts.unified.empty() && exists(folder + "/cgroup.freeze"))
        return Freezer{
            folder + "/cgroup.freeze", folder + "/cgroup.events", "1", "0", "frozen 1", "frozen 0"};
    const auto v1 = std::find_if(mounts.v1.begin(), mounts.v1.end(),
                                 [](const auto& known) { return known.first == "freezer"; });
    if (v1 == mounts.v1.end())
        return Error(ErrorKind::Unsupported, "this machine has no freezer for cgroups")
            .help("mount the cgroup2 file system, or the v1 controller 'freezer'");
    const std::string file = v1->second + path + "/freezer.state";
    return Freezer{file, file, "FROZEN", "THAWED", "FROZEN", "THAWED"};
}

}  // namespace

Result<void> set_frozen(const std::string& path, bool frozen) {
    const Freezer freezer = TRY(find_freezer(path));
    const std::string& wanted = frozen ? freezer.when_on : freezer.when_off;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        // Again each time: on v1 a process that is just being made can be missed.
        TRY(write_control_file(freezer.control, frozen ? freezer.on : freezer.off));
        const std::string now = TRY(read_file(freezer.state));
        if (now.find(wanted) != std::string::npos) return {};
        ::usleep(kPause);
    }
    (void)write_control_file(freezer.control, freezer.off);
    return Error(ErrorKind::TimedOut, "the container's processes don't stop within 10 s")
        .help("one of them waits for a disk or a network that doesn't answer");
}

}  // namespace davit::runtime
