#include "runtime/hooks.h"

#include "base/file.h"
#include "base/sys.h"
#include "runtime/clone.h"
#include "runtime/program.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

struct Running {
    pid_t pid = -1;
    ~Running() {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        sys::retry_on_eintr([&] { return ::waitpid(pid, nullptr, 0); });
    }
};

/// Executes it with nothing of ours but standard output and error.
[[noreturn]] void execute_hook(const ChildHook& hook, int input) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (::dup2(input, 0) == -1) ::_exit(127);
    ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    ::execve(hook.path, hook.argv.data(), hook.environment.data());
    ::_exit(127);
}

Result<void> run_hook(const SpecHook& hook, const ChildHook& prepared, const UniqueFd& input) {
    Running running;
    if (::lseek(input.get(), 0, SEEK_SET) == -1) return Error::from_errno(errno, "lseek(2)");
    running.pid = clone_process({.exit_signal = SIGCHLD});
    if (running.pid == -1) return Error::from_errno(errno, "clone3(2)");
    if (running.pid == 0) execute_hook(prepared, input.get());
    const UniqueFd pidfd = TRY(sys::pidfd_open(running.pid));
    const bool ended = TRY(sys::wait_for_exit(pidfd, prepared.timeout_ms));
    if (!ended)
        return Error(ErrorKind::TimedOut,
                     fmt::format("it takes longer than {} s", hook.timeout_seconds.value_or(0)));
    int status = 0;
    sys::retry_on_eintr([&] { return ::waitpid(running.pid, &status, 0); });
    running.pid = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return Error(ErrorKind::System, WIFEXITED(status)
                                        ? fmt::format("exit status {}", WEXITSTATUS(status))
                                        : fmt::format("ended by signal {}", WTERMSIG(status)));
}

}  // namespace

Json state_json(const Spec& spec, const std::string& status, pid_t pid) {
    Json state = {{"ociVersion", spec.version}, {"id", spec.id}, {"status", status}};
    if (pid > 0) state["pid"] = pid;
    state["bundle"] = spec.bundle;
    if (!spec.annotations.empty()) state["annotations"] = spec.annotations;
    return state;
}

std::vector<ChildHook> child_hooks(const std::vector<SpecHook>& hooks) {
    std::vector<ChildHook> list;
    for (const SpecHook& hook : hooks) {
        ChildHook one;
        one.path = hook.path.c_str();
        one.argv = exec_pointers(hook.args);
        if (hook.args.empty()) one.argv.insert(one.argv.begin(), const_cast<char*>(one.path));
        one.environment = exec_pointers(hook.env);
        constexpr int kMillisecondsPerSecond = 1000;
        one.timeout_ms = hook.timeout_seconds ? *hook.timeout_seconds * kMillisecondsPerSecond : -1;
        list.push_back(std::move(one));
    }
    return list;
}

Result<void> run_hooks(const std::vector<SpecHook>& hooks, const Json& state,
                       const std::string& kind) {
    if (hooks.empty()) return {};
    const UniqueFd input(::memfd_create("state", MFD_CLOEXEC));
    if (!input) return Error::from_errno(errno, "memfd_create(2)");
    TRY(write_all(input, state.dump()));
    const std::vector<ChildHook> prepared = child_hooks(hooks);
    for (std::size_t i = 0; i < hooks.size(); ++i)
        TRY_DOING(run_hook(hooks[i], prepared[i], input), "run {} hook '{}'", kind, hooks[i].path);
    return {};
}

}  // namespace davit::runtime
