#include "base/parallel.h"

#include "base/scope_guard.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

namespace davit {
namespace {

/// Sends a new thread to another processor, and then lets it go wherever it is wanted: the kernel
/// leaves it beside its maker for some milliseconds, and all of the work may take no longer. It
/// must not have ended: the number of one that has means the caller.
void send_away(std::jthread& thread) {
    cpu_set_t all;
    const int here = ::sched_getcpu();
    if (here < 0 || ::sched_getaffinity(0, sizeof all, &all) == -1) return;
    cpu_set_t others = all;
    CPU_CLR(static_cast<std::size_t>(here), &others);
    // Without another one it stays where it is.
    if (::pthread_setaffinity_np(thread.native_handle(), sizeof others, &others) == 0)
        (void)::pthread_setaffinity_np(thread.native_handle(), sizeof all, &all);
}

}  // namespace

Result<void> in_parallel(std::size_t count, std::size_t least,
                         const std::function<Result<void>(std::size_t)>& work) {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::optional<Error> failure;
    std::size_t failed = count;
    const auto take_on = [&] {
        for (;;) {
            const std::size_t mine = next++;
            if (mine >= count) return;
            Result<void> done = work(mine);
            if (done) continue;
            next = count;
            const std::lock_guard lock(mutex);
            if (mine > failed) continue;
            failed = mine;
            failure = std::move(done).error();
        }
    };
    {
        const std::size_t most = std::max(1U, std::thread::hardware_concurrency());
        const std::size_t threads = std::min(most, count / std::max<std::size_t>(least, 1));
        std::latch sent(1);
        std::vector<std::jthread> helpers;
        {
            const ScopeGuard let_go([&] { sent.count_down(); });
            for (std::size_t i = 1; i < threads; ++i) {
                try {
                    send_away(helpers.emplace_back([&] {
                        take_on();
                        sent.wait();
                    }));
                } catch (const std::system_error&) {
                    break;  // no more threads to be had: those that are there do it
                }
            }
        }
        take_on();
    }
    if (failure) return *std::move(failure);
    return {};
}

}  // namespace davit
