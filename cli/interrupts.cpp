#include "cli/interrupts.h"

#include "base/assert.h"
#include "base/sys.h"
#include "cli/exit_code.h"

#include <atomic>
#include <csignal>
#include <sys/eventfd.h>

namespace davit::cli {
namespace {

std::atomic<int> g_count{0};
std::atomic<int> g_last{0};
std::atomic<int> g_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int) {
    const int saved_errno = errno;
    if (++g_count >= g_last) ::_exit(kInterrupted);
    const std::uint64_t one = 1;
    // An eventfd that can't count further is readable already.
    [[maybe_unused]] const ssize_t put = ::write(g_fd, &one, sizeof one);
    errno = saved_errno;
}

Result<void> handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    if (::sigaction(signal, &action, nullptr) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "sigaction(2)");
    }
    return {};
}

}  // namespace

Result<Interrupts> Interrupts::install(int last) {
    DAVIT_ASSERT(g_fd == -1);
    UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) {
        const int error_number = errno;
        return Error::from_errno(error_number, "eventfd(2)").doing("wait for signals");
    }
    g_count = 0;
    g_last = last;
    g_fd = fd.get();
    Interrupts made(std::move(fd));
    TRY(handle(SIGINT, on_signal));
    TRY(handle(SIGTERM, on_signal));
    return made;
}

Interrupts::~Interrupts() {
    if (!fd_) return;  // moved from
    (void)handle(SIGINT, SIG_DFL);
    (void)handle(SIGTERM, SIG_DFL);
    g_fd = -1;
}

int Interrupts::count() { return g_count; }

void Interrupts::drain() const {
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &ignored, sizeof ignored);
}

}  // namespace davit::cli
