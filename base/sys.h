#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <string>
#include <string_view>
#include <sys/types.h>

/// System calls that return a Result: each names the call and its paths, adds O_CLOEXEC, and goes
/// on where a signal cut it short. Nothing here knows what davit is.
namespace davit::sys {

/// Runs `call` again for as long as a signal cuts it short.
template <typename Call>
auto retry_on_eintr(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

/// The failure of `call`, which has just set errno.
Error failed(const char* call);

/// openat(2) relative to the working directory, with O_CLOEXEC always set.
/// @errors NotFound, PermissionDenied, System; the message names `path`.
Result<UniqueFd> open(const std::string& path, int flags, mode_t mode = 0);

/// openat(2) relative to `dir`, with O_CLOEXEC always set.
Result<UniqueFd> open_at(const UniqueFd& dir, const std::string& path, int flags, mode_t mode = 0);

/// openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: `path` is looked up as if `root` were
/// the root directory, whatever symbolic links it meets.
/// @source openat2(2), Linux 5.6
Result<UniqueFd> open_in_root(const UniqueFd& root, const std::string& path, int flags,
                              mode_t mode = 0);

/// Where a mount goes and how; see mount(2) for `flags`.
struct MountCall {
    std::string source = {};
    std::string target = {};
    std::string type = {};
    unsigned long flags = 0;
    std::string data = {};
};

/// mount(2).
/// @errors PermissionDenied, NotFound, Busy, System; the message names source and target.
Result<void> mount(const MountCall& call);

/// pidfd_open(2).
/// @errors NotFound where no such process lives.
Result<UniqueFd> pidfd_open(pid_t pid);

/// pidfd_send_signal(2). A process that is gone already is no error.
Result<void> pidfd_send_signal(const UniqueFd& pidfd, int signal);

/// Waits until `pidfd` reports the end of its process, at most `timeout_ms` (-1: for ever).
/// Returns whether it has ended.
Result<bool> wait_for_exit(const UniqueFd& pidfd, int timeout_ms);

/// Start time of `pid` in clock ticks since boot (field 22 of /proc/PID/stat), which together with
/// the pid names one process for ever.
/// @errors NotFound where no such process lives. @source proc(5)
Result<unsigned long long> start_time(pid_t pid);

/// Whether the process `pid` that started at `started` still runs; not of one that has ended and
/// waits to be collected.
bool is_alive(pid_t pid, unsigned long long started);

/// A pidfd for `pid`, if and only if it is still the process that started at `started`.
/// @errors NotFound where that process is gone, also where its number went to another one.
Result<UniqueFd> open_process(pid_t pid, unsigned long long started);

}  // namespace davit::sys
