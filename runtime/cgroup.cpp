#include "runtime/cgroup.h"

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

// On v1 and hybrid machines a container has a cgroup in each hierarchy that limits something, and
// one in the v2 hierarchy (where it is mounted) for cgroup.kill and for telling containers apart.

namespace davit::runtime {
namespace {

constexpr const char* kV1Controllers[] = {"memory", "cpu", "pids", "devices"};
constexpr const char* kV2Controllers[] = {"memory", "cpu", "pids"};

/// mkdir of `path` beneath `mount`, part by part. Another davit may remove an empty part between
/// two of our calls: then begin again.
Result<void> make_cgroup(const std::string& mount, const std::string& path, bool v2) {
    for (int attempt = 0;; ++attempt) {
        std::string folder = mount;
        bool vanished = false;
        for (const std::string& part : split(path.substr(1), '/')) {
            if (v2) {
                // Enabling is idempotent; a controller that is not there can't be enabled, which
                // matters only when a limit needs it and then fails by name.
                for (const char* controller : kV2Controllers) {
                    const Result<void> enabled = write_control_file(
                        folder + "/cgroup.subtree_control", fmt::format("+{}", controller));
                    if (!enabled)
                        log::debug("runtime", "{}, ignoring", enabled.error().to_string());
                }
            }
            folder += "/" + part;
            if (::mkdir(folder.c_str(), 0755) == 0 || errno == EEXIST) continue;
            const int error_number = errno;
            vanished = error_number == ENOENT && attempt < 100;
            if (vanished) break;
            return Error::from_errno(error_number, "mkdir(2)").doing("make cgroup '{}'", folder);
        }
        if (!vanished) return {};
    }
}

std::string number_file(const std::string& path, std::string_view key) {
    const Result<std::string> text = read_file(path);
    if (!text) return {};
    for (const std::string& line : split(*text, '\n')) {
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
            return line.substr(key.size() + 1);
    }
    return {};
}

std::string device_rule(const SpecDeviceRule& rule) {
    const auto number = [](const std::optional<std::int64_t>& n) {
        return n ? fmt::format("{}", *n) : std::string("*");
    };
    if (rule.type == 'a') return "a";
    return fmt::format("{} {}:{} {}", rule.type, number(rule.major), number(rule.minor),
                       rule.access);
}

/// cpu.shares 2…262144 as cpu.weight 1…10000. @source runc libcontainer/cgroups, KEP-2254
std::uint64_t weight_of(std::uint64_t shares) {
    const std::uint64_t bounded = std::clamp<std::uint64_t>(shares, 2, 262144);
    return 1 + ((bounded - 2) * 9999) / 262142;
}

/// Removes the cgroups below `folder`: parts of the container, and what it made itself.
void remove_below(const std::string& folder, int depth = 0) {
    constexpr int kDeepest = 32;
    DIR* directory = depth > kDeepest ? nullptr : ::opendir(folder.c_str());
    if (directory == nullptr) return;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string name = entry->d_name;
        if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
        remove_below(folder + "/" + name, depth + 1);
        ::rmdir((folder + "/" + name).c_str());
    }
    ::closedir(directory);
}

std::string limit_or_max(std::int64_t limit) {
    return limit <= 0 ? std::string("max") : fmt::format("{}", limit);
}

}  // namespace

const char* to_string(CgroupLayout layout) {
    switch (layout) {
        case CgroupLayout::None: return "none";
        case CgroupLayout::V1: return "v1";
        case CgroupLayout::Hybrid: return "hybrid";
        case CgroupLayout::V2: return "v2";
    }
    return "?";
}

CgroupMounts find_cgroup_mounts() {
    CgroupMounts found;
    const Result<std::string> table = read_file("/proc/self/mountinfo");
    if (!table) return found;
    for (const std::string& line : split(*table, '\n')) {
        // 30 23 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
        const std::vector<std::string> fields = split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 5 || fields.end() - dash < 4) continue;
        const std::string& mount_point = fields[4];
        if (dash[1] == "cgroup2" && found.unified.empty()) {
            found.unified = mount_point;
        } else if (dash[1] == "cgroup") {
            const std::vector<std::string> options = split(dash[3], ',');
            for (const char* controller : kV1Controllers) {
                if (std::find(options.begin(), options.end(), controller) == options.end())
                    continue;
                const bool known =
                    std::any_of(found.v1.begin(), found.v1.end(),
                                [&](const auto& row) { return row.first == controller; });
                if (!known) found.v1.emplace_back(controller, mount_point);
            }
        }
    }
    if (!found.v1.empty())
        found.layout = found.unified.empty() ? CgroupLayout::V1 : CgroupLayout::Hybrid;
    else if (!found.unified.empty())
        found.layout = CgroupLayout::V2;
    return found;
}

std::vector<ControlWrite> control_writes(const SpecResources& resources, bool v2) {
    std::vector<ControlWrite> writes;
    const auto add = [&](const char* v1_controller, const char* file, std::string value) {
        writes.push_back({v2 ? std::string() : std::string(v1_controller), file, std::move(value)});
    };
    if (resources.memory_limit && *resources.memory_limit > 0) {
        add("memory", v2 ? "memory.max" : "memory.limit_in_bytes",
            fmt::format("{}", *resources.memory_limit));
        if (resources.memory_swap) {
            // v1 counts memory and swap together, v2 swap alone.
            const std::int64_t total = *resources.memory_swap;
            if (!v2)
                add("memory", "memory.memsw.limit_in_bytes", fmt::format("{}", total));
            else
                add("memory", "memory.swap.max",
                    total < 0 ? "max" : fmt::format("{}", total - *resources.memory_limit));
        }
    }
    if (resources.memory_reservation && *resources.memory_reservation > 0)
        add("memory", v2 ? "memory.low" : "memory.soft_limit_in_bytes",
            fmt::format("{}", *resources.memory_reservation));
    if (resources.cpu_shares && *resources.cpu_shares > 0)
        add("cpu", v2 ? "cpu.weight" : "cpu.shares",
            fmt::format("{}", v2 ? weight_of(*resources.cpu_shares) : *resources.cpu_shares));
    const std::uint64_t period = resources.cpu_period_us.value_or(100000);
    if (resources.cpu_quota_us && *resources.cpu_quota_us > 0) {
        if (v2) {
            add("", "cpu.max", fmt::format("{} {}", *resources.cpu_quota_us, period));
        } else {
            add("cpu", "cpu.cfs_period_us", fmt::format("{}", period));
            add("cpu", "cpu.cfs_quota_us", fmt::format("{}", *resources.cpu_quota_us));
        }
    }
    if (resources.pids_limit) add("pids", "pids.max", limit_or_max(*resources.pids_limit));
    if (!v2) {
        for (const SpecDeviceRule& rule : resources.devices)
            add("devices", rule.allow ? "devices.allow" : "devices.deny", device_rule(rule));
    }
    return writes;
}

std::vector<std::string> Cgroup::folders() const {
    std::vector<std::string> list;
    for (const auto& [controller, mount] : mounts_.v1) list.push_back(mount + path_);
    if (!mounts_.unified.empty()) list.push_back(mounts_.unified + path_);
    // Controllers that share a hierarchy ("cpu,cpuacct") share the folder.
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
}

Cgroup Cgroup::at(const std::string& path) { return {find_cgroup_mounts(), path}; }

Result<Cgroup> Cgroup::create(const std::string& path, const SpecResources& resources) {
    Cgroup made = at(path);
    Result<void> done = made.make(resources);
    if (done) return made;
    // Ones in which somebody lives stay: the kernel refuses to remove them.
    if (done.error().kind() != ErrorKind::Busy) (void)made.remove();
    return std::move(done).error();
}

Result<void> Cgroup::make(const SpecResources& resources) {
    const bool v2 = mounts_.layout == CgroupLayout::V2;
    for (const std::string& folder : folders()) {
        const std::string mount = folder.substr(0, folder.size() - path_.size());
        TRY(make_cgroup(mount, path_, v2));
        const Result<std::string> processes = read_file(folder + "/cgroup.procs");
        if (processes && !processes->empty())
            return Error(ErrorKind::Busy,
                         fmt::format("processes still live in cgroup '{}'", folder));
    }
    for (const ControlWrite& write : control_writes(resources, v2)) {
        std::string mount = mounts_.unified;
        if (!v2) {
            const auto row =
                std::find_if(mounts_.v1.begin(), mounts_.v1.end(),
                             [&](const auto& known) { return known.first == write.controller; });
            mount = row == mounts_.v1.end() ? std::string() : row->second;
        }
        const std::string file = mount + path_ + "/" + write.file;
        // Without swap accounting the kernel has no memsw files; then there is nothing to limit.
        if (write.file.find("sw") != std::string::npos && !exists(file)) continue;
        if (mount.empty() || !exists(file)) {
            if (write.controller == "devices") continue;
            return Error(ErrorKind::Unsupported,
                         fmt::format("this machine has no cgroup controller for '{}'", write.file))
                .help("enable the controller, or take the limit out of the file");
        }
        TRY(write_control_file(file, write.value));
    }
    return open_for_joining();
}

Result<Cgroup> Cgroup::running(const std::string& path) {
    Cgroup found = at(path);
    TRY(found.open_for_joining());
    return found;
}

Result<void> Cgroup::open_for_joining() {
    if (!mounts_.unified.empty())
        unified_ = TRY(sys::open(mounts_.unified + path_, O_RDONLY | O_DIRECTORY));
    for (const std::string& folder : folders()) {
        if (folder == mounts_.unified + path_) continue;
        UniqueFd tasks = TRY(sys::open(folder + "/tasks", O_WRONLY));
        tasks_.push_back(std::move(tasks));
    }
    return {};
}

long long Cgroup::oom_kills() const {
    std::string text;
    if (mounts_.layout == CgroupLayout::V2)
        text = number_file(mounts_.unified + path_ + "/memory.events", "oom_kill");
    for (const auto& [controller, mount] : mounts_.v1) {
        if (controller == "memory")
            text = number_file(mount + path_ + "/memory.oom_control", "oom_kill");
    }
    return parse_integer(text).value_or(0);
}

Result<void> Cgroup::kill_all() const {
    if (!mounts_.unified.empty() && exists(mounts_.unified + path_ + "/cgroup.kill"))
        return write_control_file(mounts_.unified + path_ + "/cgroup.kill", "1");
    for (const std::string& folder : folders()) {
        const Result<std::string> processes = read_file(folder + "/cgroup.procs");
        if (!processes) continue;
        for (const std::string& line : split(*processes, '\n')) {
            if (const auto pid = parse_integer(line)) ::kill(static_cast<pid_t>(*pid), SIGKILL);
        }
    }
    return {};
}

Result<void> Cgroup::remove() const {
    Result<void> first_failure;
    for (const std::string& folder : folders()) {
        // What stands above davit's own is somebody else's.
        const std::size_t own = path_.rfind("/davit/");
        const std::size_t mount_length =
            folder.size() - path_.size() + (own == std::string::npos ? 0 : own);
        // The kernel lets go of a killed process a moment after it was reaped: EBUSY until then.
        int error_number = 0;
        for (int attempt = 0; attempt <= 100; ++attempt) {
            error_number = ::rmdir(folder.c_str()) == 0 || errno == ENOENT ? 0 : errno;
            if (error_number != EBUSY) break;
            if (attempt == 0) remove_below(folder);
            ::usleep(1000);
        }
        if (error_number != 0) {
            if (first_failure)
                first_failure =
                    Error::from_errno(error_number, "rmdir(2)").doing("remove cgroup '{}'", folder);
            continue;
        }
        // Upward as far as they are empty; another container's cgroup ends the walk.
        std::string above = folder;
        for (;;) {
            above.resize(above.rfind('/'));
            if (above.size() <= mount_length || ::rmdir(above.c_str()) == -1) break;
        }
    }
    return first_failure;
}

}  // namespace davit::runtime
