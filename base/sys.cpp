#include "base/sys.h"

#include "base/file.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>

namespace davit::sys {

Error failed(const char* call) {
    const int error_number = errno;  // before anything is made of it that may set it
    return Error::from_errno(error_number, call);
}
namespace {

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

Error no_such_process(pid_t pid) {
    return Error(ErrorKind::NotFound, fmt::format("process {} has ended", pid));
}

}  // namespace

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) {
    return open_at(UniqueFd(), path, flags, mode);
}

Result<UniqueFd> open_at(const UniqueFd& dir, const std::string& path, int flags, mode_t mode) {
    const int at = dir ? dir.get() : AT_FDCWD;
    const int fd =
        retry_on_eintr([&] { return ::openat(at, path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "openat(2)").doing("open '{}'", path);
    }
    return UniqueFd(fd);
}

Result<UniqueFd> open_in_root(const UniqueFd& root, const std::string& path, int flags,
                              mode_t mode) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    // EAGAIN: somewhere on the host something was renamed or mounted while ".." was followed.
    // openat2(2) asks to try again.
    constexpr int kAttempts = 1000;
    long fd = -1;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
        if (fd != -1 || (errno != EAGAIN && errno != EINTR)) break;
    }
    if (fd == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "openat2(2)").doing("open '{}' in the root", path);
    }
    return UniqueFd(static_cast<int>(fd));
}

Result<void> mount(const MountCall& call) {
    if (::mount(or_null(call.source), call.target.c_str(), or_null(call.type), call.flags,
                or_null(call.data)) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "mount(2)")
            .doing("mount '{}' on '{}'", call.source.empty() ? "none" : call.source, call.target);
    }
    return {};
}

Result<UniqueFd> pidfd_open(pid_t pid) {
    const long fd = ::syscall(SYS_pidfd_open, pid, 0);
    if (fd == -1) {
        const int error_number = errno;
        if (error_number == ESRCH || error_number == EINVAL) return no_such_process(pid);
        return Error::from_errno(error_number, "pidfd_open(2)").doing("open process {}", pid);
    }
    return UniqueFd(static_cast<int>(fd));  // always close-on-exec
}

Result<void> pidfd_send_signal(const UniqueFd& pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == -1 && errno != ESRCH) {
        const int error_number = errno;
        return Error::from_errno(error_number, "pidfd_send_signal(2)")
            .doing("send signal {}", signal);
    }
    return {};
}

Result<bool> wait_for_exit(const UniqueFd& pidfd, int timeout_ms) {
    pollfd waiting{pidfd.get(), POLLIN, 0};
    const int ready = retry_on_eintr([&] { return ::poll(&waiting, 1, timeout_ms); });
    if (ready == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "poll(2)").doing("wait for a process to end");
    }
    return ready == 1;
}

namespace {

struct ProcessStat {
    char state = '\0';
    unsigned long long start_ticks = 0;
};

/// @source proc(5), /proc/pid/stat
Result<ProcessStat> read_stat(pid_t pid) {
    Result<std::string> text = read_file(fmt::format("/proc/{}/stat", pid));
    if (!text) return no_such_process(pid);
    ProcessStat stat;
    // The name in field 2 may hold blanks and parentheses: count from the last ')', which ends it.
    std::size_t at = text->rfind(')');
    if (at != std::string::npos && at + 2 < text->size()) stat.state = (*text)[at + 2];
    for (int field = 2; at != std::string::npos && field < 22; ++field)
        at = text->find(' ', at + 1);
    if (at == std::string::npos ||
        std::from_chars(text->data() + at + 1, text->data() + text->size(), stat.start_ticks).ec !=
            std::errc())
        return Error(ErrorKind::Internal, fmt::format("/proc/{}/stat has no start time", pid));
    return stat;
}

}  // namespace

Result<unsigned long long> start_time(pid_t pid) {
    const ProcessStat stat = TRY(read_stat(pid));
    return stat.start_ticks;
}

bool is_alive(pid_t pid, unsigned long long started) {
    const Result<ProcessStat> stat = read_stat(pid);
    if (!stat || stat->start_ticks != started) return false;
    if (stat->state != 'Z' && stat->state != 'X') return true;
    // Its first thread has ended; others may go on, which only the descriptor tells.
    const Result<UniqueFd> process = open_process(pid, started);
    if (!process) return false;
    const Result<bool> ended = wait_for_exit(*process, 0);
    return ended && !*ended;
}

Result<UniqueFd> open_process(pid_t pid, unsigned long long started) {
    UniqueFd pidfd = TRY(pidfd_open(pid));
    // Read after the descriptor is ours: from here on the number can't change its owner unnoticed.
    const unsigned long long found = TRY(start_time(pid));
    if (found != started) return no_such_process(pid);
    return pidfd;
}

}  // namespace davit::sys
