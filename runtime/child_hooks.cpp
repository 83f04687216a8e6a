#include "runtime/child_steps.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Hooks that run in the container's namespaces, between clone and execve: only async-signal-safe
// calls. @source OCI runtime-spec config.md "POSIX-platform Hooks"

namespace davit::runtime {
namespace {

[[noreturn]] void run_hook(const ChildPlan& plan, const ChildHook& hook, ChildStage stage) {
    constexpr int kNotExecuted = 127;
    reset_signals();
    if (::lseek(plan.state_fd, 0, SEEK_SET) == -1 || ::dup2(plan.state_fd, 0) == -1)
        ::_exit(kNotExecuted);
    // A program of the container's gets the container's powers and no more.
    if (stage == ChildStage::StartHook) become_user(plan);
    ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    ::execve(hook.path, hook.argv.data(), hook.environment.data());
    ::_exit(kNotExecuted);
}

/// The exit status, or 128 + signal; -1 where it took too long.
int await(pid_t pid, int timeout_ms) {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    pollfd watched{pidfd, POLLIN, 0};
    int ready = -1;
    do {
        ready = ::poll(&watched, 1, timeout_ms);
    } while (ready == -1 && errno == EINTR);
    ::close(pidfd);
    if (ready == 0) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    if (ready == 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void run_hooks(const ChildPlan& plan, const std::vector<ChildHook>& hooks, ChildStage stage) {
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const pid_t pid = clone_process({.exit_signal = SIGCHLD});
        if (pid == -1) fail(plan, stage, i);
        if (pid == 0) run_hook(plan, hooks[i], stage);
        const int status = await(pid, hooks[i].timeout_ms);
        if (status == 0) continue;
        errno = status == -1 ? ETIMEDOUT : ECANCELED;
        fail(plan, stage, i, status);
    }
}

}  // namespace davit::runtime
