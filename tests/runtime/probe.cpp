#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// A static program that tests put into a container, to try what no shell can: it prints what a
// kernel call answers, and ends with 0 whatever that is.
namespace {

int say(long result) {
    if (result >= 0)
        std::printf("done\n");
    else
        std::printf("%s\n", strerrorname_np(errno));
    return 0;
}

/// getpid by the entry of 32-bit programs, whose calls the filter doesn't know.
int call_32() {
#ifdef __x86_64__
    constexpr long kGetPid32 = 20;
    long result = kGetPid32;
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    std::printf("%ld\n", result);
#else
    std::printf("no such entry\n");
#endif
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    const long number = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 0;
    if (std::strcmp(what, "entry-32") == 0) return call_32();
    if (std::strcmp(what, "socket") == 0)
        return say(::socket(static_cast<int>(number), SOCK_SEQPACKET, 0));
    if (std::strcmp(what, "call") == 0) return say(::syscall(number, 0L, 0L, 0L, 0L, 0L, 0L));
    if (std::strcmp(what, "type-into-terminal") == 0) {
        const char letter = 'x';
        return say(::ioctl(STDIN_FILENO, TIOCSTI, &letter));
    }
    if (std::strcmp(what, "take-terminal") == 0) return say(::ioctl(STDIN_FILENO, TIOCSCTTY, 1));
    return 64;
}
