#include "runtime/foreground.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace davit::runtime {

Result<void> attend(pid_t pid, const UniqueFd& ended, const UniqueFd& terminal) {
    sigset_t passed;
    ::sigemptyset(&passed);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH})
        ::sigaddset(&passed, signal);
    if (::sigprocmask(SIG_BLOCK, &passed, nullptr) == -1)
        return Error::from_errno(errno, "sigprocmask(2)");
    const UniqueFd signals(::signalfd(-1, &passed, SFD_CLOEXEC));
    if (!signals) return Error::from_errno(errno, "signalfd(2)");
    std::optional<RawTerminal> raw;
    if (terminal) {
        copy_terminal_size(terminal);
        raw.emplace();
    }
    const int master = terminal ? terminal.get() : -1;
    std::array<pollfd, 4> watched = {{{ended.get(), POLLIN, 0},
                                      {signals.get(), POLLIN, 0},
                                      {master, POLLIN, 0},
                                      {terminal ? STDIN_FILENO : -1, POLLIN, 0}}};
    for (;;) {
        if (::poll(watched.data(), watched.size(), -1) == -1) {
            if (errno == EINTR) continue;
            return Error::from_errno(errno, "poll(2)");
        }
        if (watched[2].revents != 0 && !copy_some(master, STDOUT_FILENO)) watched[2].fd = -1;
        if (watched[3].revents != 0 && !copy_some(STDIN_FILENO, master)) watched[3].fd = -1;
        if ((watched[1].revents & POLLIN) != 0) {
            signalfd_siginfo info{};
            if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
            if (info.ssi_signo == SIGWINCH) {
                if (terminal) copy_terminal_size(terminal);
            } else {
                ::kill(pid, static_cast<int>(info.ssi_signo));
            }
        }
        // What it wrote last is still to be read.
        if (watched[0].revents != 0 && (watched[2].fd == -1 || watched[2].revents == 0)) return {};
    }
}

}  // namespace davit::runtime
