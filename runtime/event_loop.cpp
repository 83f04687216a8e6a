#include "runtime/event_loop.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/timerfd.h>

namespace davit::runtime {

Result<EventLoop> EventLoop::create() {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return Error::from_errno(errno, "epoll_create1(2)");
    return EventLoop(std::move(epoll));
}

Result<void> EventLoop::watch(int fd, std::uint32_t events, Callback callback) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    const int operation = callbacks_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) == -1)
        return Error::from_errno(errno, "epoll_ctl(2)");
    callbacks_[fd] = std::make_shared<Callback>(std::move(callback));
    return {};
}

void EventLoop::forget(int fd) {
    if (callbacks_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Result<void> EventLoop::run() {
    epoll_event ready[16];
    while (running_) {
        const int count = ::epoll_wait(epoll_.get(), ready, std::size(ready), -1);
        if (count == -1) {
            if (errno == EINTR) continue;
            return Error::from_errno(errno, "epoll_wait(2)");
        }
        for (int i = 0; i < count; ++i) {
            // An earlier callback of this round may have forgotten this one.
            const auto found = callbacks_.find(ready[i].data.fd);
            if (found == callbacks_.end()) continue;
            const std::shared_ptr<Callback> callback = found->second;
            (*callback)(ready[i].events);
        }
    }
    return {};
}

Result<Timer> Timer::create() {
    UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!fd) return Error::from_errno(errno, "timerfd_create(2)");
    return Timer(std::move(fd));
}

void Timer::arm(std::chrono::milliseconds delay) const {
    itimerspec when{};
    when.it_value.tv_sec = delay.count() / 1000;
    when.it_value.tv_nsec = (delay.count() % 1000) * 1000000;
    if (delay.count() <= 0) when.it_value.tv_nsec = 1;  // zero would disarm
    ::timerfd_settime(fd_.get(), 0, &when, nullptr);
}

void Timer::disarm() const {
    const itimerspec never{};
    ::timerfd_settime(fd_.get(), 0, &never, nullptr);
}

}  // namespace davit::runtime
