#include "builder/program.h"

#include "base/sys.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::builder {
namespace {

constexpr std::size_t kMostOutput = std::size_t{16} << 20U;
constexpr int kLookMs = 200;
constexpr int kNotExecuted = 127;

struct Pipe {
    UniqueFd reading;
    UniqueFd writing;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> list;
    for (const std::string& text : strings) list.push_back(const_cast<char*>(text.c_str()));
    list.push_back(nullptr);
    return list;
}

/// Between fork(2) and execve(2) of a process with threads: system calls alone.
[[noreturn]] void become(const std::vector<char*>& argv, const std::vector<char*>& environment,
                         const std::array<int, 3>& streams) {
    ::setpgid(0, 0);
    ::umask(022);
    for (int fd = 0; fd < 3; ++fd) ::dup2(streams[static_cast<std::size_t>(fd)], fd);
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(kNotExecuted);
}

/// Collects what comes out of both pipes until both are closed.
Result<void> collect(const ProgramCall& call, const Pipe& out, const Pipe& err,
                     ProgramOutcome& outcome) {
    std::array<pollfd, 2> fds = {{{out.reading.get(), POLLIN, 0}, {err.reading.get(), POLLIN, 0}}};
    std::array<std::string*, 2> texts = {&outcome.out, &outcome.err};
    std::array<char, 16384> buffer{};
    while (fds[0].fd != -1 || fds[1].fd != -1) {
        if (::poll(fds.data(), fds.size(), kLookMs) == -1 && errno != EINTR)
            return Error::from_errno(errno, "poll(2)");
        if (call.cancelled && call.cancelled())
            return Error(ErrorKind::Cancelled, "the build was interrupted");
        for (std::size_t i = 0; i < fds.size(); ++i) {
            if (fds[i].fd == -1 || fds[i].revents == 0) continue;
            const ssize_t got = sys::retry_on_eintr(
                [&] { return ::read(fds[i].fd, buffer.data(), buffer.size()); });
            if (got <= 0) {
                fds[i].fd = -1;
                continue;
            }
            texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
            if (texts[i]->size() > kMostOutput)
                return Error(ErrorKind::InvalidInput,
                             fmt::format("'{}' prints without end", call.argv.front()));
        }
    }
    return {};
}

}  // namespace

Result<ProgramOutcome> run_program(const ProgramCall& call) {
    if (::access(call.argv.front().c_str(), X_OK) == -1)
        return Error(ErrorKind::NotFound, fmt::format("there is no '{}'", call.argv.front()))
            .help(fmt::format("install {}",
                              call.argv.front().substr(call.argv.front().rfind('/') + 1)));
    const std::vector<char*> argv = pointers(call.argv);
    const std::vector<char*> environment = pointers(call.environment);
    const UniqueFd nothing = TRY(sys::open("/dev/null", O_RDONLY));
    Pipe out = TRY(make_pipe());
    Pipe err = TRY(make_pipe());
    const pid_t pid = ::fork();
    if (pid == -1) return Error::from_errno(errno, "fork(2)");
    if (pid == 0) become(argv, environment, {nothing.get(), out.writing.get(), err.writing.get()});
    ::setpgid(pid, pid);  // the child does so too: whoever is first
    out.writing.reset();
    err.writing.reset();
    ProgramOutcome outcome;
    const Result<void> collected = collect(call, out, err, outcome);
    if (!collected) ::kill(-pid, SIGKILL);
    int status = 0;
    if (sys::retry_on_eintr([&] { return ::waitpid(pid, &status, 0); }) == -1)
        return Error::from_errno(errno, "waitpid(2)");
    if (!collected) return collected.error();
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

}  // namespace davit::builder
