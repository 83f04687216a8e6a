#include "runtime/clone.h"

#include <cerrno>
#include <csignal>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {

namespace {

clone_args arguments_of(const CloneCall& call) {
    clone_args arguments{};
    arguments.flags = call.flags;
    arguments.exit_signal = static_cast<__u64>(call.exit_signal);
    if (call.pidfd != nullptr) arguments.pidfd = reinterpret_cast<std::uintptr_t>(call.pidfd);
    if (call.cgroup_fd >= 0) arguments.cgroup = static_cast<__u64>(call.cgroup_fd);
    return arguments;
}

}  // namespace

pid_t clone_process(const CloneCall& call) {
    clone_args arguments = arguments_of(call);
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

// Sanitizers keep books about stacks and memory, which a child that shares them would spoil.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

pid_t spawn_process(const CloneCall& call, void (*run)(void*), void* argument) {
    // Of this thread's own stack, which waits as long as the child needs it.
    alignas(16) char stack[32768];
    clone_args arguments = arguments_of(call);
    arguments.flags |= CLONE_VM | CLONE_VFORK;
    arguments.stack = reinterpret_cast<std::uintptr_t>(stack);
    arguments.stack_size = sizeof stack;
    // A handler of the caller's must not run in the child: it would act on the caller's memory.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    long result = SYS_clone3;
    // The child has another stack, so that it can't return from a function that does the call.
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %%rdx, %%rdi\n\t"
        "call *%%rbx\n\t"
        "hlt\n"
        "1:"
        : "+a"(result)
        : "D"(&arguments), "S"(sizeof arguments), "b"(run), "d"(argument)
        : "rcx", "r11", "memory", "cc");
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (result >= 0) return static_cast<pid_t>(result);
    errno = static_cast<int>(-result);
    return -1;
}

#else

pid_t spawn_process(const CloneCall& call, void (*run)(void*), void* argument) {
    CloneCall copying = call;
    copying.flags |= CLONE_VFORK;
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = clone_process(copying);
    if (pid == 0) {
        run(argument);
        ::_exit(127);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
}

#endif

}  // namespace davit::runtime
