#include "runtime/cgroup.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/cgroup_realtime.h"
#include "runtime/device_filter.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

// On v1 and hybrid machines a container has a cgroup in each hierarchy that limits or counts
// something, and one in the v2 hierarchy (where it is mounted) for cgroup.kill and for telling
// containers apart. What happens to the processes inside is in cgroup_processes.cpp.

namespace davit::runtime {
namespace {

/// Hierarchies that every container joins: limits, device rules, and what `stats` counts. The
/// others cost time, and are joined by containers that ask for something of theirs.
constexpr const char* kAlwaysJoined[] = {"memory", "cpu", "cpuacct", "pids", "devices", "blkio"};
constexpr const char* kV1Controllers[] = {"memory",  "cpu",     "cpuacct",  "cpuset",
                                          "pids",    "devices", "blkio",    "freezer",
                                          "hugetlb", "net_cls", "net_prio", "rdma"};
constexpr const char* kV2Controllers[] = {"memory", "cpu",     "pids", "cpuset",
                                          "io",     "hugetlb", "rdma"};

bool contains_word(const std::string& text, std::string_view word) {
    const std::vector<std::string> words = split(trim(text), ' ');
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Lets the groups below `folder` have controllers. One that is not there can't be enabled, which
/// matters only when a limit needs it and then fails by name.
void enable_controllers(const std::string& folder) {
    const Result<std::string> there = read_file(folder + "/cgroup.controllers");
    if (!there) return;
    const Result<std::string> enabled = read_file(folder + "/cgroup.subtree_control");
    for (const char* controller : kV2Controllers) {
        if (!contains_word(*there, controller)) continue;
        if (enabled && contains_word(*enabled, controller)) continue;
        const Result<void> done =
            write_control_file(folder + "/cgroup.subtree_control", fmt::format("+{}", controller));
        if (!done) log::debug("runtime", "{}, ignoring", done.error().to_string());
    }
}

/// A cpuset of v1 takes no process before it has CPUs and memory nodes: those of the one above.
Result<void> inherit_cpuset(const std::string& folder, const std::string& above) {
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        const std::string own = TRY(read_file(folder + file));
        if (!trim(own).empty()) continue;
        const std::string value = TRY(read_file(above + file));
        TRY(write_control_file(folder + file, trim(value)));
    }
    return {};
}

/// mkdir of `path` beneath `mount`, part by part. Another davit may remove an empty part between
/// two of our calls: then begin again.
Result<void> make_cgroup(const std::string& mount, const std::string& path, bool v2) {
    const bool cpuset = !v2 && exists(mount + "/cpuset.cpus");
    for (int attempt = 0;; ++attempt) {
        std::string folder = mount;
        bool vanished = false;
        for (const std::string& part : split(path.substr(1), '/')) {
            if (v2) enable_controllers(folder);
            const std::string above = folder;
            folder += "/" + part;
            if (::mkdir(folder.c_str(), 0755) == -1 && errno != EEXIST) {
                const int error_number = errno;
                vanished = error_number == ENOENT && attempt < 100;
                if (vanished) break;
                return Error::from_errno(error_number, "mkdir(2)")
                    .doing("make cgroup '{}'", folder);
            }
            if (cpuset) TRY(inherit_cpuset(folder, above));
        }
        if (!vanished) return {};
    }
}

/// What this version of cgroups can't do, by name.
Result<void> check_layout(const SpecResources& wanted, bool v2) {
    const auto refuse = [&](const char* what) {
        return Error(ErrorKind::Unsupported,
                     fmt::format("'{}' does not exist on cgroup {}", what, v2 ? "v2" : "v1"))
            .help("take it out of the configuration");
    };
    if (v2 && wanted.memory_swappiness) return refuse("memory.swappiness");
    if (v2 && wanted.disable_oom_killer) return refuse("memory.disableOOMKiller");
    if (v2 && wanted.memory_kernel_tcp) return refuse("memory.kernelTCP");
    if (v2 && (wanted.block_io.leaf_weight || !wanted.block_io.leaf_weight_devices.empty()))
        return refuse("blockIO.leafWeight");
    if (wanted.memory_kernel.value_or(0) > 0)
        log::warn("runtime", "memory.kernel is not limited: kernels from 5.16 on can't do that");
    if (v2 && (wanted.net_class || !wanted.net_priorities.empty())) return refuse("network");
    if (!v2 && !wanted.unified.empty()) return refuse("unified");
    const std::int64_t swap = wanted.memory_swap.value_or(0);
    const std::int64_t limit = wanted.memory_limit.value_or(0);
    if (swap > 0 && limit > swap)
        return Error(
            ErrorKind::InvalidInput,
            fmt::format("memory.swap {} is below memory.limit {}; it counts both", swap, limit));
    if (v2 && swap > 0 && limit <= 0)
        return Error(ErrorKind::InvalidInput, "memory.swap needs memory.limit on cgroup v2");
    return {};
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
        if (line.find(" - cgroup") == std::string::npos) continue;
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

std::string Cgroup::folder_of(const std::string& controller) const {
    if (controller.empty()) return mounts_.unified.empty() ? "" : mounts_.unified + path_;
    for (const auto& [name, mount] : mounts_.v1) {
        if (name == controller) return mount + path_;
    }
    return {};
}

std::vector<std::string> Cgroup::places() const {
    std::vector<std::string> list;
    for (const auto& [controller, mount] : mounts_.v1) list.push_back(mount + path_);
    if (!mounts_.unified.empty()) list.push_back(mounts_.unified + path_);
    // Controllers that share a hierarchy ("cpu,cpuacct") share the folder.
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
}

std::vector<std::string> Cgroup::folders() const {
    std::vector<std::string> list = places();
    std::erase_if(list, [](const std::string& folder) { return !exists(folder); });
    return list;
}

Cgroup Cgroup::at(const std::string& path) { return {find_cgroup_mounts(), path}; }

Result<Cgroup> Cgroup::create(const std::string& path, const SpecResources& resources,
                              pid_t holder) {
    Cgroup made = at(path);
    Result<void> done = made.make(resources, holder);
    if (done) return made;
    // Ones in which somebody lives stay: the kernel refuses to remove them.
    if (done.error().kind() != ErrorKind::Busy) (void)made.remove();
    return std::move(done).error();
}

Result<void> Cgroup::make_folder(const std::string& mount) const {
    return make_cgroup(mount, path_, mount == mounts_.unified);
}

Result<void> Cgroup::make(const SpecResources& resources, pid_t holder) {
    const bool v2 = mounts_.layout == CgroupLayout::V2;
    TRY(check_layout(resources, v2));
    std::set<std::string> wanted;
    for (const ControlWrite& write : control_writes(resources, v2)) wanted.insert(write.controller);
    for (const char* controller : kAlwaysJoined) wanted.insert(controller);
    // Where there is a v2 hierarchy, its cgroup.freeze does it.
    if (mounts_.unified.empty()) wanted.insert("freezer");
    std::set<std::string> places;
    for (const auto& [controller, mount] : mounts_.v1) {
        if (wanted.contains(controller)) places.insert(mount);
    }
    if (!mounts_.unified.empty()) places.insert(mounts_.unified);
    for (const std::string& mount : places) {
        FAILPOINT("cgroup.make");
        TRY(make_folder(mount));
        const Result<std::string> processes = read_file(mount + path_ + "/cgroup.procs");
        const bool held = processes && trim(*processes) == fmt::format("{}", holder);
        if (processes && !processes->empty() && !held)
            return Error(ErrorKind::Busy,
                         fmt::format("processes still live in cgroup '{}'", mount + path_));
    }
    TRY(open_for_joining());
    FAILPOINT("cgroup.limits");
    SpecResources full = resources;
    full.devices = effective_device_rules(resources.devices);
    return apply_all(full);
}

Result<void> Cgroup::apply_all(const SpecResources& resources) const {
    const bool v2 = mounts_.layout == CgroupLayout::V2;
    if (const std::int64_t runtime = resources.cpu_rt_runtime_us.value_or(0); runtime > 0 && !v2) {
        constexpr std::int64_t kDefaultPeriod = 1000000;
        const std::string folder = folder_of("cpu");
        const auto period = static_cast<std::int64_t>(resources.cpu_rt_period_us.value_or(0));
        if (!folder.empty())
            TRY(raise_realtime(folder.substr(0, folder.size() - path_.size()), path_, runtime,
                               period > 0 ? period : kDefaultPeriod));
    }
    std::vector<ControlWrite> writes = control_writes(resources, v2);
    for (std::size_t i = 0; i < writes.size(); ++i) {
        Result<void> done = apply(writes[i]);
        // Memory alone may not be above memory and swap: where both grow, the sum comes first.
        const bool both = i + 1 < writes.size() && writes[i].file == "memory.limit_in_bytes" &&
                          writes[i + 1].file == "memory.memsw.limit_in_bytes";
        if (!done && both) {
            TRY(apply(writes[i + 1]));
            done = apply(writes[i]);
        }
        if (!done) return std::move(done).error();
    }
    if (v2 && !resources.devices.empty()) TRY(attach_device_filter(unified_, resources.devices));
    return {};
}

Result<void> Cgroup::apply(const ControlWrite& write) const {
    std::string folder = folder_of(write.controller);
    std::string file = write.file;
    if (folder.empty() && write.controller == "hugetlb" && !mounts_.unified.empty()) {
        // Hybrid machines may have this one controller in the v2 hierarchy.
        folder = folder_of("");
        file = file.substr(0, file.rfind(".limit_in_bytes")) + ".max";
    }
    if (!folder.empty() && exists(folder + "/" + file))
        return write_control_file(folder + "/" + file, write.value);
    if (!folder.empty() && !write.other_file.empty() && exists(folder + "/" + write.other_file))
        return write_control_file(folder + "/" + write.other_file, write.other_value);
    // Without swap accounting the kernel has no such files; then there is nothing to limit. And a
    // machine without the devices controller has no cgroup v1 to keep rules in.
    if (file == "memory.memsw.limit_in_bytes" || file == "memory.swap.max" ||
        write.controller == "devices")
        return {};
    return Error(ErrorKind::Unsupported,
                 fmt::format("this machine has no cgroup controller for '{}'", write.file))
        .help("enable the controller, or take the limit out of the file");
}

/// Those that fork meanwhile are found in the next round.
Result<void> Cgroup::move_processes(const std::string& folder) const {
    constexpr int kMostRounds = 20;
    for (int round = 0; round < kMostRounds; ++round) {
        const std::string there = TRY(read_file(folder + "/cgroup.procs"));
        const std::vector<std::string> arrived = split(there, '\n');
        bool moved = false;
        for (const pid_t pid : processes()) {
            const std::string number = fmt::format("{}", pid);
            if (std::find(arrived.begin(), arrived.end(), number) != arrived.end()) continue;
            moved = true;
            Result<void> done = write_control_file(folder + "/cgroup.procs", number);
            if (!done && done.error().error_number() != ESRCH) return done;
        }
        if (!moved) break;
    }
    return {};
}

Result<void> Cgroup::update(const SpecResources& resources) const {
    const bool v2 = mounts_.layout == CgroupLayout::V2;
    TRY(check_layout(resources, v2));
    for (const ControlWrite& write : control_writes(resources, v2)) {
        const std::string folder = folder_of(write.controller);
        if (write.controller.empty() || folder.empty() || exists(folder)) continue;
        // A hierarchy that the container had no need of so far.
        TRY(make_folder(folder.substr(0, folder.size() - path_.size())));
        TRY(move_processes(folder));
    }
    SpecResources changed = resources;
    if (!resources.devices.empty()) changed.devices = effective_device_rules(resources.devices);
    return apply_all(changed);
}

Result<Cgroup> Cgroup::running(const std::string& path) {
    Cgroup found = at(path);
    if (found.folders().empty())
        return Error(ErrorKind::NotFound, fmt::format("there is no cgroup '{}'", path));
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

}  // namespace davit::runtime
