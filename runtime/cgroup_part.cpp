#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/cgroup.h"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

// A part of a container's cgroup: a cgroup below it in one hierarchy, so that some of its processes
// can be ended alone. Its limits are the container's.
namespace davit::runtime {
namespace {

/// Signals until nobody is left: a process may be forking while it is listed.
void kill_listed(const std::string& folder) {
    for (int round = 0; round < 50; ++round) {
        const Result<std::string> processes = read_file(folder + "/cgroup.procs");
        if (!processes || processes->empty()) return;
        for (const std::string& line : split(*processes, '\n'))
            if (const auto pid = parse_integer(line); pid && *pid > 0)
                ::kill(static_cast<pid_t>(*pid), SIGKILL);
        ::usleep(1000);
    }
}

}  // namespace

std::string Cgroup::part_folder(const std::string& part) const {
    const std::vector<std::string> all = folders();
    const std::string& first =
        mounts_.unified.empty() && !all.empty() ? all.front() : mounts_.unified + path_;
    return first + "/" + part;
}

Result<Cgroup> Cgroup::running_part(const std::string& path, const std::string& part) {
    Cgroup found = at(path);
    TRY(found.open_for_joining());
    const std::string folder = found.part_folder(part);
    if (::mkdir(folder.c_str(), 0755) == -1 && errno != EEXIST)
        return Error::from_errno(errno, "mkdir(2)").doing("make cgroup '{}'", folder);
    if (found.unified_) {
        found.unified_ = TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    } else if (!found.tasks_.empty()) {
        found.tasks_.front() = TRY(sys::open(folder + "/tasks", O_WRONLY));
    }
    return found;
}

void Cgroup::remove_part(const std::string& part) const {
    const std::string folder = part_folder(part);
    if (!exists(folder)) return;
    if (exists(folder + "/cgroup.kill"))
        (void)write_control_file(folder + "/cgroup.kill", "1");
    else
        kill_listed(folder);
    for (int attempt = 0; attempt <= 100; ++attempt) {
        if (::rmdir(folder.c_str()) == 0 || errno != EBUSY) return;
        ::usleep(1000);
    }
}

}  // namespace davit::runtime
