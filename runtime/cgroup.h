#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/spec_resources.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace davit::runtime {

enum class CgroupLayout { None, V1, Hybrid, V2 };

/// Where the cgroup hierarchies of this machine are mounted.
struct CgroupMounts {
    CgroupLayout layout = CgroupLayout::None;
    std::string unified = {};  ///< Mount point of the v2 hierarchy, or empty.
    /// v1 controllers with their mount points: {"memory", "/sys/fs/cgroup/memory"}.
    std::vector<std::pair<std::string, std::string>> v1 = {};
};

const char* to_string(CgroupLayout layout);

/// Reads the mount table of the calling process. @source cgroups(7), proc(5) mountinfo
CgroupMounts find_cgroup_mounts();

/// One write to a control file: {"memory.max", "536870912"}.
struct ControlWrite {
    std::string controller = {};  ///< v1 hierarchy; empty on v2.
    std::string file = {};
    std::string value = {};
    std::string other_file = {};  ///< What this kernel may have instead of `file`.
    std::string other_value = {};
    bool operator==(const ControlWrite&) const = default;
};

/// The writes that bring `resources` about, in the order the kernel accepts them. Pure.
/// @source cgroup-v2.rst "cpu.max", "memory.max", "pids.max"; OCI runtime-spec config-linux.md
std::vector<ControlWrite> control_writes(const SpecResources& resources, bool v2);

/// The cgroups of one container, one in each hierarchy in use. Does not remove them when dropped:
/// a cgroup outlives the process that made it.
class Cgroup {
public:
    /// Makes the cgroups at `path` ("/davit/shop/web-1") and sets the limits. Ones that are there
    /// already are taken as they are, unless processes live in them other than `holder`.
    /// @errors Busy where processes live there; Unsupported where a limit needs a controller that
    /// this machine doesn't have
    static Result<Cgroup> create(const std::string& path, const SpecResources& resources,
                                 pid_t holder = 0);

    /// The cgroups at `path`, in which a container runs, ready to be joined.
    /// @errors NotFound where they are gone
    static Result<Cgroup> running(const std::string& path);

    /// As `running`, but what joins is in a cgroup of its own below the container's in one
    /// hierarchy, so that `remove_part` ends it with all that it has started.
    static Result<Cgroup> running_part(const std::string& path, const std::string& part);
    void remove_part(const std::string& part) const;

    /// The cgroups at `path`, made or not, to clean up after a crash.
    static Cgroup at(const std::string& path);

    /// Changes the limits that `resources` names while the container runs; others stay. Device
    /// rules are changed only where there are any.
    Result<void> update(const SpecResources& resources) const;

    /// Descriptor of the v2 cgroup for CLONE_INTO_CGROUP; closed where there is no v2 hierarchy.
    const UniqueFd& unified() const { return unified_; }
    /// The v1 `tasks` files, opened for writing: the child writes "0" to each, which joins without
    /// the grace period that moving another process costs (10 ms).
    const std::vector<UniqueFd>& tasks() const { return tasks_; }

    const CgroupMounts& mounts() const { return mounts_; }
    const std::string& path() const { return path_; }
    /// The folder of a v1 controller, or with "" of the v2 hierarchy; empty where there is none.
    std::string folder_of(const std::string& controller) const;
    /// The folders of this cgroup that exist, one for each hierarchy.
    std::vector<std::string> folders() const;

    /// Processes inside, those of cgroups below included, without order.
    std::vector<pid_t> processes() const;
    /// Whether they are stopped, or on their way; see freezer.h.
    bool frozen() const;

    /// How often the kernel killed in here for lack of memory.
    long long oom_kills() const;
    /// Kills every process inside, also ones forked meanwhile where the kernel can (cgroup.kill).
    Result<void> kill_all() const;
    /// Removes the cgroups with what is below, and the ones above that davit made and that are
    /// empty now. Goes on after a failure, and reports the first one.
    Result<void> remove() const;

private:
    Cgroup(CgroupMounts mounts, std::string path)
        : mounts_(std::move(mounts)), path_(std::move(path)) {}
    /// Where its folder is, or would be, in each hierarchy.
    std::vector<std::string> places() const;
    Result<void> make(const SpecResources& resources, pid_t holder);
    Result<void> make_folder(const std::string& mount) const;
    Result<void> apply(const ControlWrite& write) const;
    Result<void> apply_all(const SpecResources& resources) const;
    Result<void> move_processes(const std::string& folder) const;
    Result<void> open_for_joining();
    std::string part_folder(const std::string& part) const;

    CgroupMounts mounts_;
    std::string path_;
    UniqueFd unified_;
    std::vector<UniqueFd> tasks_;
};

}  // namespace davit::runtime
