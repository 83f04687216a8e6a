#include "base/file.h"
#include "base/parallel.h"
#include "base/sys.h"

#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <sched.h>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace davit;

TEST_CASE("in_parallel calls the work once with each number, and tells the first failure") {
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{500}}) {
        CAPTURE(count);
        std::vector<std::atomic<int>> times(count);
        const auto all = in_parallel(count, 3, [&](std::size_t i) -> Result<void> {
            ++times[i];
            return {};
        });
        CHECK(all.ok());
        for (const std::atomic<int>& one : times) CHECK(one == 1);
    }
    std::atomic<std::size_t> begun = 0;
    const auto failed = in_parallel(10000, 1, [&](std::size_t i) -> Result<void> {
        ++begun;
        if (i < 3) return {};
        return Error(ErrorKind::System, "number " + std::to_string(i));
    });
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().to_string() == "number 3");
    CHECK(begun < 10000);
}

TEST_CASE("in_parallel starts no thread for less than is worth one") {
    const std::thread::id own = std::this_thread::get_id();
    std::set<std::thread::id> seen;
    const auto done = in_parallel(9, 5, [&](std::size_t) -> Result<void> {
        seen.insert(std::this_thread::get_id());
        return {};
    });
    CHECK(done.ok());
    CHECK(seen == std::set<std::thread::id>{own});
}

TEST_CASE("in_parallel leaves its caller on all processors, also where its helpers end at once") {
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    for (int i = 0; i < 3000; ++i) {
        const auto done = in_parallel(2, 1, [](std::size_t) -> Result<void> { return {}; });
        REQUIRE(done.ok());
    }
    cpu_set_t after;
    REQUIRE(::sched_getaffinity(0, sizeof after, &after) == 0);
    CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("in_parallel does all of it alone where no thread is to be had") {
    const pid_t child = ::fork();
    if (child == 0) {
        // The limit doesn't hold for root.
        const rlimit none{0, 0};
        if (::setrlimit(RLIMIT_NPROC, &none) == -1 ||
            (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) == -1))
            ::_exit(2);
        std::atomic<int> times = 0;
        const auto done = in_parallel(100, 1, [&](std::size_t) -> Result<void> {
            ++times;
            return {};
        });
        ::_exit(done.ok() && times == 100 ? 0 : 1);
    }
    int how = 0;
    REQUIRE(::waitpid(child, &how, 0) == child);
    CHECK(WIFEXITED(how));
    CHECK(WEXITSTATUS(how) == 0);
}

TEST_CASE("a process lives until its last thread has ended, and not as a zombie") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    // Its first thread ends, which /proc calls a zombie, and another one goes on.
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[1]);
        std::thread([&] {
            char byte = 0;
            (void)!::read(ends[0], &byte, 1);
            ::_exit(0);
        }).detach();
        ::syscall(SYS_exit, 0);  // this thread alone; pthread_exit(3) would unwind the test
    }
    REQUIRE(child > 0);
    ::close(ends[0]);
    const auto started = sys::start_time(child);
    REQUIRE(started.ok());
    const std::string stat = "/proc/" + std::to_string(child) + "/stat";
    for (int i = 0; i < 500 && read_file(stat)->find(") Z ") == std::string::npos; ++i)
        ::usleep(10'000);
    REQUIRE(read_file(stat)->find(") Z ") != std::string::npos);
    CHECK(sys::is_alive(child, *started));
    CHECK_FALSE(sys::is_alive(child, *started + 1));
    ::close(ends[1]);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    CHECK_FALSE(sys::is_alive(child, *started));
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK_FALSE(sys::is_alive(child, *started));
}
