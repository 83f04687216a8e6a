#include "base/lock_wait.h"

#include "base/file.h"
#include "base/strings.h"
#include "base/sys.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <utility>

namespace davit {
namespace {

using Clock = std::chrono::steady_clock;

LockWait& current() {
    static LockWait wait;
    return wait;
}

/// "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF" @source proc_locks(5)
pid_t holder_of(int fd) {
    struct stat info {};
    const Result<std::string> locks = read_file("/proc/locks");
    if (!locks || ::fstat(fd, &info) == -1) return 0;
    const std::string file =
        fmt::format("{:02x}:{:02x}:{}", ::major(info.st_dev), ::minor(info.st_dev), info.st_ino);
    for (const std::string& line : split(*locks, '\n')) {
        std::vector<std::string> words = split(line, ' ');
        std::erase(words, std::string());
        if (words.size() > 5 && words[1] == "FLOCK" && words[5] == file)
            return static_cast<pid_t>(parse_integer(words[4]).value_or(0));
    }
    return 0;
}

}  // namespace

void set_lock_wait(LockWait wait) { current() = std::move(wait); }

int wait_for_lock(int fd, int operation) {
    const LockWait& wait = current();
    if (!wait.tell) return sys::retry_on_eintr([&] { return ::flock(fd, operation); });
    constexpr std::chrono::milliseconds kLongestPause{20};
    constexpr std::chrono::seconds kSilence{1};
    const Clock::time_point begun = Clock::now();
    const int interrupts = wait.interrupts();
    bool told = false;
    for (std::chrono::milliseconds pause{1};; pause = std::min(2 * pause, kLongestPause)) {
        if (::flock(fd, operation | LOCK_NB) == 0) return 0;
        if (errno != EWOULDBLOCK && errno != EINTR) return -1;
        if (wait.interrupts() > interrupts) {
            errno = ECANCELED;
            return -1;
        }
        if (!told && Clock::now() - begun > kSilence) {
            wait.tell(holder_of(fd));
            told = true;
        }
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace davit
