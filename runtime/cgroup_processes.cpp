#include "base/file.h"
#include "base/strings.h"
#include "runtime/cgroup.h"
#include "runtime/freezer.h"

#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

// What is done to all processes of a cgroup at once: counted, frozen, killed, and their cgroup
// removed.

namespace davit::runtime {
namespace {

std::string number_file(const std::string& path, std::string_view key) {
    const Result<std::string> text = read_file(path);
    if (!text) return {};
    for (const std::string& line : split(*text, '\n')) {
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
            return line.substr(key.size() + 1);
    }
    return {};
}

/// `folder` and all cgroups below, the deepest first: a container may have made some.
void collect_folders(const std::string& folder, std::vector<std::string>& list) {
    struct stat self {};
    // The file system counts: a folder without folders in it has two links. @source kernfs
    const bool alone = ::stat(folder.c_str(), &self) == 0 && self.st_nlink == 2;
    const Result<std::vector<std::string>> names =
        alone ? std::vector<std::string>() : list_directory(folder);
    if (names) {
        for (const std::string& name : *names) {
            struct stat info {};
            const std::string path = folder + "/" + name;
            if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
                collect_folders(path, list);
        }
    }
    list.push_back(folder);
}

bool has_folders(const std::string& folder) {
    struct stat info {};
    return ::stat(folder.c_str(), &info) == 0 && info.st_nlink > 2;  // see collect_folders
}

std::vector<std::string> with_below(const std::string& folder) {
    std::vector<std::string> list;
    collect_folders(folder, list);
    return list;
}

/// rmdir(2), again for as long as the kernel hasn't let go of a killed process. Returns the errno.
int remove_folder(const std::string& folder) {
    for (int attempt = 0;; ++attempt) {
        if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return 0;
        if (errno != EBUSY || attempt == 100) return errno;
        ::usleep(1000);
    }
}

}  // namespace

std::vector<pid_t> Cgroup::processes() const {
    std::set<pid_t> found;
    for (const std::string& folder : folders()) {
        for (const std::string& one : with_below(folder)) {
            const Result<std::string> text = read_file(one + "/cgroup.procs");
            if (!text) continue;
            for (const std::string& line : split(*text, '\n')) {
                // One of an outer pid namespace shows as 0, which kill(2) takes for the caller.
                if (const auto pid = parse_integer(line); pid && *pid > 0)
                    found.insert(static_cast<pid_t>(*pid));
            }
        }
        if (!found.empty()) break;  // a container's processes are in all of its hierarchies
    }
    return {found.begin(), found.end()};
}

bool Cgroup::frozen() const {
    const Result<std::string> v2 = read_file(folder_of("") + "/cgroup.freeze");
    if (v2) return trim(*v2) == "1";
    const Result<std::string> v1 = read_file(folder_of("freezer") + "/freezer.state");
    return v1 && trim(*v1) != "THAWED";
}

long long Cgroup::oom_kills() const {
    const bool v2 = mounts_.layout == CgroupLayout::V2;
    const std::string folder = folder_of(v2 ? "" : "memory");
    const std::string text =
        number_file(folder + (v2 ? "/memory.events" : "/memory.oom_control"), "oom_kill");
    return parse_integer(text).value_or(0);
}

Result<void> Cgroup::kill_all() const {
    const std::string unified = folder_of("");
    if (!unified.empty() && exists(unified + "/cgroup.kill"))
        return write_control_file(unified + "/cgroup.kill", "1");
    // Frozen first, so that nothing forks between our look and the signal.
    const bool stopped = !processes().empty() && set_frozen(path_, true).ok();
    for (const pid_t pid : processes()) ::kill(pid, SIGKILL);
    return stopped ? set_frozen(path_, false) : Result<void>();
}

Result<void> Cgroup::remove() const {
    Result<void> first_failure;
    // Also where it is not there: who made it may have been killed when only its parents were.
    for (const std::string& folder : places()) {
        int error_number = 0;
        for (const std::string& one : with_below(folder)) {
            const int failed = remove_folder(one);
            if (failed != 0) error_number = failed;
        }
        if (error_number != 0) {
            if (first_failure)
                first_failure =
                    Error::from_errno(error_number, "rmdir(2)").doing("remove cgroup '{}'", folder);
            continue;
        }
        // Upward as far as they are ours and empty; another container's cgroup ends the walk.
        const std::size_t own = path_.rfind("/davit/");
        if (own == std::string::npos) continue;
        const std::size_t mount_length = folder.size() - path_.size() + own;
        std::string above = folder;
        for (;;) {
            above.resize(above.rfind('/'));
            // One with others below it stays; an empty one may still be letting go of a process.
            if (above.size() <= mount_length || has_folders(above) || remove_folder(above) != 0)
                break;
        }
    }
    return first_failure;
}

}  // namespace davit::runtime
