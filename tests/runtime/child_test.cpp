#include "base/sys.h"
#include "runtime/child_steps.h"
#include "runtime/clone.h"
#include "tests/support/skip.h"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace davit;
using namespace davit::runtime;

namespace {

/// Begins threads, one after the other, for as long as it lives.
class ThreadMaker {
public:
    ~ThreadMaker() {
        stop_ = true;
        maker_.join();
    }

private:
    std::atomic<bool> stop_ = false;
    std::thread maker_{[this] {
        while (!stop_) std::thread([] {}).join();
    }};
};

}  // namespace

// Stages of a build are threads, which begin others while one of them clones its container.
TEST_CASE("who becomes a user waits for no thread of the process that cloned it") {
    if (::geteuid() != 0) SKIP_TEST("other groups need root");
    const ThreadMaker maker;
    for (int i = 0; i < 1000; ++i) {
        const pid_t pid = clone_process({.exit_signal = SIGCHLD});
        REQUIRE(pid != -1);
        if (pid == 0) ::_exit(set_ids({1, 2}, 0, 3) ? 0 : 1);
        const auto process = sys::pidfd_open(pid);
        const auto ended = process ? sys::wait_for_exit(*process, 10000) : Result<bool>(false);
        if (!ended || !*ended) ::kill(pid, SIGKILL);
        int status = -1;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        REQUIRE_MESSAGE(status == 0, "the child no. ", i, " ended with ", status);
    }
}
