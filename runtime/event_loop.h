#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace davit::runtime {

/// One epoll loop on one thread. Descriptors are watched, not owned.
class EventLoop {
public:
    using Callback = std::function<void(std::uint32_t events)>;

    static Result<EventLoop> create();

    /// Calls `callback` whenever `fd` is ready for `events` (EPOLLIN, …). Watching a descriptor
    /// again replaces events and callback.
    Result<void> watch(int fd, std::uint32_t events, Callback callback);
    /// Stops watching; must come before the descriptor is closed.
    void forget(int fd);

    /// Runs until `quit`. @errors System
    Result<void> run();
    void quit() { running_ = false; }

private:
    explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}
    UniqueFd epoll_;
    // Shared, so that a callback that forgets its own descriptor is not destroyed while it runs.
    std::map<int, std::shared_ptr<Callback>> callbacks_;
    bool running_ = true;
};

/// A one-shot timer on the monotonic clock, as a descriptor.
class Timer {
public:
    static Result<Timer> create();
    /// Fires once after `delay`; a running one starts anew. Zero fires at once.
    void arm(std::chrono::milliseconds delay) const;
    void disarm() const;
    int fd() const { return fd_.get(); }

private:
    explicit Timer(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

}  // namespace davit::runtime
