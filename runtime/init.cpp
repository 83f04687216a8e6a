#include "runtime/init.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// Has all signals blocked, SIGTTOU among them.
[[noreturn]] void run_program(char** argv, const sigset_t& before) {
    // A group of its own, which its terminal's keys go to: they would reach it twice, by the kernel
    // and passed on.
    if (::setpgid(0, 0) == 0) (void)::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::execvp(argv[0], argv);
    const int status = errno == ENOENT ? 127 : 126;
    const char* why = ::strerror(errno);
    const char* const parts[] = {"init: ", argv[0], ": ", why, "\n"};
    for (const char* text : parts) (void)!::write(STDERR_FILENO, text, std::strlen(text));
    ::_exit(status);
}

/// Reaps all that have ended; the status of `program` where it is among them, else -1.
int reap(pid_t program) {
    int result = -1;
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, WNOHANG);
        if (ended <= 0) return result;
        if (ended == program)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

}  // namespace

int run_init_process(char** argv) {
    if (argv[0] == nullptr) return 127;
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    // Faults of our own must end us, not wait to be passed on.
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
        ::sigdelset(&all, fault);
    if (::sigprocmask(SIG_SETMASK, &all, &before) == -1) return 126;
    const pid_t program = ::fork();
    if (program == -1) return 126;
    if (program == 0) run_program(argv, before);
    for (;;) {
        siginfo_t info{};
        const int signal = ::sigwaitinfo(&all, &info);
        if (signal == -1) continue;
        if (signal != SIGCHLD) {
            ::kill(program, signal);
            continue;
        }
        if (const int status = reap(program); status >= 0) return status;
    }
}

}  // namespace davit::runtime
