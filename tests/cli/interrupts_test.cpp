#include "cli/interrupts.h"

#include <csignal>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace davit;
using namespace davit::cli;

namespace {

bool readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
}

}  // namespace

TEST_CASE("interrupts are counted and wake whoever waits") {
    {
        const Result<Interrupts> interrupts = Interrupts::install(3);
        REQUIRE(interrupts.ok());
        CHECK(Interrupts::count() == 0);
        CHECK(!readable(interrupts->fd()));
        ::raise(SIGINT);
        ::raise(SIGTERM);
        CHECK(Interrupts::count() == 2);
        CHECK(readable(interrupts->fd()));
        interrupts->drain();
        CHECK(!readable(interrupts->fd()));
    }
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    const bool as_before = now.sa_handler == SIG_DFL;
    CHECK(as_before);
}

TEST_CASE("the last interrupt ends the process at once") {
    const pid_t child = ::fork();
    if (child == 0) {
        const Result<Interrupts> interrupts = Interrupts::install(2);
        ::raise(SIGINT);
        ::raise(SIGINT);
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 130);
}
