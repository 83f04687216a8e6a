#include "cli/container_watch.h"

#include "base/sys.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

namespace davit::cli {
namespace {

Error failed(std::string_view call) {
    const int error_number = errno;
    return Error::from_errno(error_number, call).doing("watch containers");
}

}  // namespace

Result<ContainerWatch> ContainerWatch::create(const Interrupts& interrupts,
                                              const std::vector<std::string>& run_dirs,
                                              const std::vector<int>& more) {
    ContainerWatch watch;
    watch.interrupts_ = &interrupts;
    watch.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!watch.epoll_) return failed("epoll_create1(2)");
    watch.inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch.inotify_) return failed("inotify_init1(2)");
    watch.event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!watch.event_) return failed("eventfd(2)");
    std::vector<int> fds = {watch.inotify_.get(), watch.event_.get(), interrupts.fd()};
    fds.insert(fds.end(), more.begin(), more.end());
    for (const int fd : fds) {
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        wanted.data.fd = fd;
        if (::epoll_ctl(watch.epoll_.get(), EPOLL_CTL_ADD, fd, &wanted) == -1)
            return failed("epoll_ctl(2)");
    }
    constexpr std::uint32_t kEvents = IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF;
    for (const std::string& run_dir : run_dirs) {
        if (::inotify_add_watch(watch.inotify_.get(), run_dir.c_str(), kEvents) == -1 &&
            errno != ENOENT)
            return failed("inotify_add_watch(2)").doing("watch '{}'", run_dir);
    }
    return watch;
}

void ContainerWatch::drain() const {
    alignas(inotify_event) char buffer[4096];
    while (sys::retry_on_eintr([&] { return ::read(inotify_.get(), buffer, sizeof buffer); }) > 0) {
    }
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = ::read(event_.get(), &ignored, sizeof ignored);
    interrupts_->drain();
}

void ContainerWatch::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = ::write(event_.get(), &one, sizeof one);
}

}  // namespace davit::cli
