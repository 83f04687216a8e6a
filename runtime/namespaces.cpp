#include "runtime/namespaces.h"

#include "base/file.h"
#include "base/scope_guard.h"
#include "base/sys.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
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

Result<void> start_holder(Holder& holder, std::uint64_t flags) {
    const pid_t guard = ::getpid();
    holder.pid = clone_process({.flags = flags, .exit_signal = SIGCHLD});
    if (holder.pid == -1) return explain_clone(errno);
    if (holder.pid == 0) {
        // Nobody else would ever end it, should the guard be killed now.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != guard) ::_exit(1);
        for (;;) ::pause();
    }
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
    TRY(start_holder(holder, CLONE_NEWUSER));
    TRY(write_maps(holder.pid, uids, gids));
    return open_namespace(holder.pid, "user");
}

Result<HeldNamespaces> create_held_namespaces(const Spec& spec) {
    std::uint64_t flags = 0;
    if (spec.namespaces.user) flags |= CLONE_NEWUSER;
    if (spec.namespaces.network) flags |= CLONE_NEWNET;
    if (spec.namespaces.ipc) flags |= CLONE_NEWIPC;
    if (spec.namespaces.uts) flags |= CLONE_NEWUTS;
    HeldNamespaces held;
    if (flags == 0) return held;
    Holder holder;
    TRY(start_holder(holder, flags));
    if (spec.namespaces.user) {
        TRY(write_maps(holder.pid, spec.uid_mappings, spec.gid_mappings));
        held.user = TRY(open_namespace(holder.pid, "user"));
    }
    if (spec.namespaces.network) held.network = TRY(open_namespace(holder.pid, "net"));
    if (spec.namespaces.ipc) held.ipc = TRY(open_namespace(holder.pid, "ipc"));
    if (spec.namespaces.uts) held.uts = TRY(open_namespace(holder.pid, "uts"));
    return held;
}

}  // namespace davit::runtime
