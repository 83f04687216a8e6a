#include "base/failpoint.h"

#ifndef NDEBUG

#include "base/strings.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace davit::failpoint {
namespace {

constexpr const char* kFaults = "DAVIT_FAILPOINTS";
constexpr const char* kTrace = "DAVIT_FAILPOINTS_TRACE";

/// What happens at one place.
struct Fault {
    std::string name = {};
    bool kills = false;
    int error_number = 0;
    long delay_ms = 0;
    long only_time = 0;  ///< 0: each time.
    std::atomic<long> passed = 0;
};

/// A fault that nobody understands would make a test that tries nothing.
[[noreturn]] void refuse(const std::string& text) {
    std::fprintf(stderr, "%s: '%s' is not NAME=kill|EIO|ENOSPC|delay:MS[@N]\n", kFaults,
                 text.c_str());
    ::_exit(2);
}

void parse(const std::string& text, Fault& fault) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) refuse(text);
    fault.name = text.substr(0, equals);
    std::string deed = text.substr(equals + 1);
    if (const std::size_t at = deed.find('@'); at != std::string::npos) {
        fault.only_time = static_cast<long>(parse_integer(deed.substr(at + 1)).value_or(0));
        if (fault.only_time <= 0) refuse(text);
        deed.resize(at);
    }
    constexpr std::string_view kDelay = "delay:";
    if (deed == "kill")
        fault.kills = true;
    else if (deed == "EIO")
        fault.error_number = EIO;
    else if (deed == "ENOSPC")
        fault.error_number = ENOSPC;
    else if (deed.starts_with(kDelay) && parse_integer(deed.substr(kDelay.size())))
        fault.delay_ms = static_cast<long>(*parse_integer(deed.substr(kDelay.size())));
    else
        refuse(text);
}

/// Read once. Nothing of it changes later but the counters.
struct Faults {
    static constexpr std::size_t kMost = 16;
    Fault faults[kMost] = {};
    std::size_t count = 0;
    int trace = -1;  ///< Open as long as the process lives: a container doesn't see the file.

    Faults() {
        const char* file = std::getenv(kTrace);  // NOLINT(concurrency-mt-unsafe)
        if (file != nullptr) trace = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        const char* text = std::getenv(kFaults);  // NOLINT(concurrency-mt-unsafe)
        for (const std::string& one : split(text == nullptr ? "" : text, ',')) {
            if (one.empty()) continue;
            if (count == kMost) refuse(one);
            parse(one, faults[count++]);
        }
    }
};

Faults& faults() {
    static Faults read;
    return read;
}

/// One write(2) a line, so that the lines of several processes stay whole.
void note(int fd, const char* name, bool struck) {
    char line[128] = {'!'};
    const std::size_t begin = struck ? 1 : 0;
    const std::size_t length = ::strnlen(name, sizeof line - 2);
    std::memcpy(line + begin, name, length);
    line[begin + length] = '\n';
    (void)!::write(fd, line, begin + length + 1);
}

void wait_ms(long ms) {
    timespec left{ms / 1000, ms % 1000 * 1000000};
    while (::nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

}  // namespace

int hit(const char* name) {
    Faults& known = faults();
    if (known.trace != -1) note(known.trace, name, false);
    for (std::size_t i = 0; i < known.count; ++i) {
        Fault& fault = known.faults[i];
        if (fault.name != name) continue;
        const long time = ++fault.passed;
        if (fault.only_time != 0 && time != fault.only_time) continue;
        if (known.trace != -1) note(known.trace, name, true);
        if (fault.kills) {
            ::kill(::getpid(), SIGKILL);
            ::_exit(128 + SIGKILL);  // the first process of a pid namespace can't kill itself
        }
        wait_ms(fault.delay_ms);
        if (fault.error_number != 0) return fault.error_number;
    }
    return 0;
}

Result<void> reach(const char* name) {
    const int error_number = hit(name);
    if (error_number == 0) return {};
    return Error::from_errno(error_number, std::string("failpoint ") + name);
}

std::vector<char*> inherited() {
    std::vector<char*> variables;
    for (char** one = environ; *one != nullptr; ++one)
        if (std::strncmp(*one, kFaults, std::strlen(kFaults)) == 0) variables.push_back(*one);
    return variables;
}

}  // namespace davit::failpoint

#endif
