#include "runtime/exit_status.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"

#include <cerrno>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace davit::runtime {
namespace {

/// As of Linux 6.15; older headers don't have it.
struct PidfdInfo {
    std::uint64_t mask = 0;
    std::uint64_t cgroup_id = 0;
    std::uint32_t ids[11] = {};
    std::int32_t exit_code = 0;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kInfoExit = 1U << 3U;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

std::optional<int> kept_status(const UniqueFd& pidfd) {
    PidfdInfo info;
    info.mask = kInfoExit;
    if (::ioctl(pidfd.get(), kGetInfo, &info) == -1 || (info.mask & kInfoExit) == 0)
        return std::nullopt;
    return info.exit_code;
}

std::optional<int> zombie_status(pid_t pid) {
    const Result<std::string> stat = read_file(fmt::format("/proc/{}/stat", pid));
    if (!stat) return std::nullopt;
    // "PID (name) Z …": the name may hold anything, also brackets.
    const std::size_t name_end = stat->rfind(')');
    if (name_end == std::string::npos || stat->compare(name_end, 3, ") Z") != 0)
        return std::nullopt;
    const std::vector<std::string> fields = split(trim(stat->substr(name_end + 2)), ' ');
    const auto code = parse_integer(fields.back());
    if (!code) return std::nullopt;
    return static_cast<int>(*code);
}

/// As a wait status.
int status_of(const siginfo_t& info) {
    constexpr int kStatusShift = 8;
    if (info.si_code == CLD_EXITED) return info.si_status << kStatusShift;
    return info.si_status;
}

}  // namespace

Result<int> wait_status(const UniqueFd& pidfd, pid_t pid) {
    siginfo_t info{};
    const int waited = sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED); });
    if (waited == 0) return status_of(info);
    if (errno != ECHILD)
        return Error::from_errno(errno, "waitid(2)").doing("collect process {}", pid);
    // Its parent collects it at any moment: before, /proc has the status, after it the pidfd.
    constexpr int kAttempts = 200;
    constexpr useconds_t kPause = 5000;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        if (const std::optional<int> status = kept_status(pidfd)) return *status;
        if (const std::optional<int> status = zombie_status(pid)) return *status;
        ::usleep(kPause);
    }
    return Error(ErrorKind::NotFound, fmt::format("nobody kept how process {} ended", pid));
}

}  // namespace davit::runtime
