#include "runtime/clone.h"

#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {

pid_t clone_process(const CloneCall& call) {
    clone_args arguments{};
    arguments.flags = call.flags;
    arguments.exit_signal = static_cast<__u64>(call.exit_signal);
    if (call.pidfd != nullptr) arguments.pidfd = reinterpret_cast<std::uintptr_t>(call.pidfd);
    if (call.cgroup_fd >= 0) arguments.cgroup = static_cast<__u64>(call.cgroup_fd);
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

}  // namespace davit::runtime
