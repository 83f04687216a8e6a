#include "runtime/keeper.h"

#include "base/sys.h"
#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr int kKept = 3;
constexpr int kContainer = 4;

/// The guard's child, and so a copy of all that it is: async-signal-safe calls alone.
[[noreturn]] void keep(int kept, int container) {
    constexpr int kAbove = 5;
    const int first = ::fcntl(kept, F_DUPFD, kAbove);
    const int second = ::fcntl(container, F_DUPFD, kAbove);
    if (first == -1 || second == -1 || ::dup2(first, kKept) == -1 ||
        ::dup2(second, kContainer) == -1)
        ::_exit(1);
    for (int fd = 0; fd < kKept; ++fd) ::close(fd);
    ::syscall(SYS_close_range, static_cast<unsigned>(kAbove), ~0U, 0U);
    pollfd ended{kContainer, POLLIN, 0};
    while (::poll(&ended, 1, -1) == -1 && errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace

Result<Keeper> start_keeper(const UniqueFd& kept, const UniqueFd& container) {
    Keeper keeper;
    keeper.pid = clone_process({.exit_signal = SIGCHLD});
    if (keeper.pid == -1) return Error::from_errno(errno, "clone3(2)");
    if (keeper.pid == 0) keep(kept.get(), container.get());
    keeper.start_ticks = TRY(sys::start_time(keeper.pid));
    return keeper;
}

Result<UniqueFd> kept_by(const Keeper& keeper) {
    const UniqueFd process = TRY(sys::open_process(keeper.pid, keeper.start_ticks));
    UniqueFd kept(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), kKept, 0U)));
    if (!kept) return Error::from_errno(errno, "pidfd_getfd(2)");
    return kept;
}

void end_keeper(const Keeper& keeper) {
    if (keeper.pid == 0) return;
    const Result<UniqueFd> process = sys::open_process(keeper.pid, keeper.start_ticks);
    if (!process) return;
    (void)sys::pidfd_send_signal(*process, SIGKILL);
    // Another guard's is no child of this one, and not waited for.
    sys::retry_on_eintr([&] { return ::waitpid(keeper.pid, nullptr, 0); });
}

}  // namespace davit::runtime
