#include "runtime/foreground.h"

#include "base/sys.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/signalfd.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// One way between two descriptors. It never waits: the program may not take its input before its
/// output is read, and signals are to go on whatever it does.
class Channel {
public:
    Channel(int from, int to) : from_(from), to_(to) {}

    bool is_open() const { return from_ != -1; }
    bool holds() const { return !held_.empty(); }
    pollfd wanted() const {
        if (holds()) return {to_, POLLOUT, 0};
        return {from_, POLLIN, 0};
    }

    /// What `wanted` has waited for has come.
    void go_on() {
        if (!(holds() ? write_some() : read_some())) {
            from_ = -1;
            held_.clear();
        }
    }

private:
    bool read_some() {
        std::array<char, 16384> buffer{};
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(from_, buffer.data(), buffer.size()); });
        if (got > 0) held_.assign(buffer.data(), static_cast<std::size_t>(got));
        return got > 0 || (got == -1 && errno == EAGAIN);
    }

    /// As much as a pipe has room for that is said to have some.
    bool write_some() {
        const std::size_t most = std::min<std::size_t>(held_.size(), PIPE_BUF);
        const ssize_t put = sys::retry_on_eintr([&] { return ::write(to_, held_.data(), most); });
        if (put > 0) held_.erase(0, static_cast<std::size_t>(put));
        return put > 0 || (put == -1 && errno == EAGAIN);
    }

    int from_ = -1;
    int to_ = -1;
    std::string held_ = {};
};

}  // namespace

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
    // A terminal may have room for less than is written.
    if (terminal) (void)::fcntl(master, F_SETFL, ::fcntl(master, F_GETFL) | O_NONBLOCK);
    Channel output(master, STDOUT_FILENO);
    Channel input(terminal ? STDIN_FILENO : -1, master);
    for (;;) {
        std::array<pollfd, 4> watched = {{{ended.get(), POLLIN, 0},
                                          {signals.get(), POLLIN, 0},
                                          output.wanted(),
                                          input.wanted()}};
        if (::poll(watched.data(), watched.size(), -1) == -1) {
            if (errno == EINTR) continue;
            return Error::from_errno(errno, "poll(2)");
        }
        if (watched[2].revents != 0) output.go_on();
        if (watched[3].revents != 0) input.go_on();
        if ((watched[1].revents & POLLIN) != 0) {
            signalfd_siginfo info{};
            if (::read(signals.get(), &info, sizeof info) != sizeof info) continue;
            if (info.ssi_signo == SIGWINCH) {
                if (terminal) copy_terminal_size(terminal);
            } else {
                ::kill(pid, static_cast<int>(info.ssi_signo));
            }
        }
        // What it wrote last is still to be read, and to be passed on.
        const bool all_read = !output.is_open() || (watched[2].revents == 0 && !output.holds());
        if (watched[0].revents != 0 && all_read) return {};
    }
}

}  // namespace davit::runtime
