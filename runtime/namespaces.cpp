#include "runtime/namespaces.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/scope_guard.h"
#include "base/sys.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

std::string map_text(const std::vector<IdMapping>& mappings) {
    std::string text;
    for (const IdMapping& m : mappings)
        text += fmt::format("{} {} {}\n", m.container_id, m.host_id, m.size);
    return text;
}

Error explain_clone(int error_number) {
    Error error = Error::from_errno(error_number, "clone3(2)").doing("make namespaces");
    if (error_number == EPERM)
        return std::move(error).help(
            "look at /proc/sys/kernel/unprivileged_userns_clone and "
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns; in a "
            "chroot user namespaces are never allowed");
    if (error_number == ENOSPC)
        return std::move(error).help("raise /proc/sys/user/max_user_namespaces and its neighbours");
    return error;
}

/// A child that does nothing but be in its namespaces until it is killed.
struct Holder {
    pid_t pid = -1;
    ~Holder() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        while (::waitpid(pid, nullptr, 0) == -1 && errno == EINTR) {
        }
    }
};

/// `owner`: closed, or the user namespace that is to own the new ones.
Result<void> start_holder(Holder& holder, std::uint64_t flags, const UniqueFd& owner) {
    const pid_t guard = ::getpid();
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    const UniqueFd ready_read(ready[0]);
    UniqueFd ready_write(ready[1]);
    holder.pid = clone_process({.flags = owner ? 0 : flags, .exit_signal = SIGCHLD});
    if (holder.pid == -1) return explain_clone(errno);
    if (holder.pid == 0) {
        // Nobody else would ever end it, should the guard be killed now.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != guard) ::_exit(1);
        if (owner &&
            (::setns(owner.get(), CLONE_NEWUSER) == -1 || ::unshare(static_cast<int>(flags)) == -1))
            ::_exit(1);
        (void)!::write(ready_write.get(), "r", 1);
        for (;;) ::pause();
    }
    if (!owner) return {};
    ready_write.reset();
    char byte = 0;
    if (sys::retry_on_eintr([&] { return ::read(ready_read.get(), &byte, 1); }) != 1)
        return Error(ErrorKind::System, "make namespaces inside the user namespace that is joined");
    return {};
}

Result<void> write_maps(pid_t pid, const std::vector<IdMapping>& uids,
                        const std::vector<IdMapping>& gids) {
    TRY(write_control_file(fmt::format("/proc/{}/uid_map", pid), map_text(uids)));
    TRY(write_control_file(fmt::format("/proc/{}/gid_map", pid), map_text(gids)));
    return {};
}

Result<UniqueFd> open_namespace(pid_t pid, const char* name) {
    return sys::open(fmt::format("/proc/{}/ns/{}", pid, name), O_RDONLY);
}

}  // namespace

Result<UniqueFd> create_user_namespace(const std::vector<IdMapping>& uids,
                                       const std::vector<IdMapping>& gids) {
    Holder holder;
    TRY(start_holder(holder, CLONE_NEWUSER, {}));
    TRY(write_maps(holder.pid, uids, gids));
    return open_namespace(holder.pid, "user");
}

namespace {

/// Opens the namespace at `path`, which must be of the type. @source ioctl_ns(2)
Result<UniqueFd> open_by_path(const std::string& path, const std::string& type, int flag) {
    UniqueFd space = TRY(sys::open(path, O_RDONLY));
    if (::ioctl(space.get(), NS_GET_NSTYPE) != flag)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("'{}' is not a {} namespace", path, type));
    return space;
}

struct JoinRow {
    const char* type;
    UniqueFd HeldNamespaces::*space;
    int flag;
};
constexpr JoinRow kJoined[] = {{"user", &HeldNamespaces::user, CLONE_NEWUSER},
                               {"network", &HeldNamespaces::network, CLONE_NEWNET},
                               {"ipc", &HeldNamespaces::ipc, CLONE_NEWIPC},
                               {"uts", &HeldNamespaces::uts, CLONE_NEWUTS},
                               {"pid", &HeldNamespaces::pid, CLONE_NEWPID},
                               {"mount", &HeldNamespaces::mount, CLONE_NEWNS},
                               {"cgroup", &HeldNamespaces::cgroup, CLONE_NEWCGROUP},
                               {"time", &HeldNamespaces::time, CLONE_NEWTIME}};

Result<HeldNamespaces> open_joined(const SpecNamespaces& spaces) {
    HeldNamespaces held;
    for (const JoinRow& row : kJoined) {
        const std::string path = spaces.path_of(row.type);
        if (path.empty()) continue;
        held.*(row.space) =
            TRY_DOING(open_by_path(path, row.type, row.flag), "join the {} namespace", row.type);
    }
    return held;
}

}  // namespace

Result<HeldNamespaces> create_held_namespaces(const Spec& spec) {
    HeldNamespaces held = TRY(open_joined(spec.namespaces));
    std::uint64_t flags = 0;
    const bool user = spec.namespaces.user && !held.user;
    const bool network = spec.namespaces.network && !held.network;
    const bool ipc = spec.namespaces.ipc && !held.ipc;
    const bool uts = spec.namespaces.uts && !held.uts;
    if (user) flags |= CLONE_NEWUSER;
    if (network) flags |= CLONE_NEWNET;
    if (ipc) flags |= CLONE_NEWIPC;
    if (uts) flags |= CLONE_NEWUTS;
    if (flags == 0) return held;
    Holder holder;
    FAILPOINT("namespaces.make");
    TRY(start_holder(holder, flags, held.user));
    if (user) {
        TRY(write_maps(holder.pid, spec.uid_mappings, spec.gid_mappings));
        held.user = TRY(open_namespace(holder.pid, "user"));
    }
    if (network) held.network = TRY(open_namespace(holder.pid, "net"));
    if (ipc) held.ipc = TRY(open_namespace(holder.pid, "ipc"));
    if (uts) held.uts = TRY(open_namespace(holder.pid, "uts"));
    return held;
}

Result<HeldNamespaces> held_namespaces_of(pid_t pid, const Spec& spec) {
    HeldNamespaces held = TRY(open_joined(spec.namespaces));
    if (spec.namespaces.user) held.user = TRY(open_namespace(pid, "user"));
    if (spec.namespaces.network) held.network = TRY(open_namespace(pid, "net"));
    if (spec.namespaces.ipc) held.ipc = TRY(open_namespace(pid, "ipc"));
    if (spec.namespaces.uts) held.uts = TRY(open_namespace(pid, "uts"));
    return held;
}

}  // namespace davit::runtime
