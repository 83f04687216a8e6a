#include "cli/watch_beside.h"

#include "base/sys.h"

#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace davit::cli {

std::vector<std::string> watch_arguments(const Globals& globals, const UpFlags& up, int tell_fd) {
    std::vector<std::string> words;
    const auto add = [&](const char* flag, const std::string& value) {
        if (!value.empty()) words.insert(words.end(), {flag, value});
    };
    for (const std::string& file : globals.files) add("--file", file);
    add("--project-name", globals.project_name);
    add("--project-directory", globals.project_directory);
    for (const std::string& file : globals.env_files) add("--env-file", file);
    for (const std::string& profile : globals.profiles) add("--profile", profile);
    add("--data-root", globals.data_root);
    add("--log-level", globals.log_level);
    add("--log-format", globals.log_format);
    add("--ansi", globals.ansi);
    add("--progress", globals.progress);
    if (globals.parallel != 0) add("--parallel", std::to_string(globals.parallel));
    words.insert(words.end(), {"watch", "--no-up"});
    for (const std::string& scale : up.scale) add("--scale", scale);
    if (up.timeout_s) add("--timeout", std::to_string(*up.timeout_s));
    add("--tell-fd", std::to_string(tell_fd));
    words.insert(words.end(), up.services.begin(), up.services.end());
    return words;
}

Result<WatchBeside> WatchBeside::start(const Context& context, const UpFlags& up) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "pipe2(2)").doing("watch files");
    }
    UniqueFd told(ends[0]);
    const UniqueFd tell(ends[1]);
    std::vector<std::string> words = watch_arguments(context.globals, up, tell.get());
    words.insert(words.begin(), "davit");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "fork(2)").doing("watch files");
    }
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        ::setpgid(0, 0);  // Ctrl-C is for `up`, which ends it with one signal
        ::fcntl(tell.get(), F_SETFD, 0);
        if (::getppid() == parent) ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    return WatchBeside(pid, std::move(told));
}

WatchBeside::WatchBeside(WatchBeside&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), told_(std::move(other.told_)) {}

WatchBeside::~WatchBeside() { end(); }

bool WatchBeside::take() {
    char bytes[64];
    bool any = false;
    while (told_) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(told_.get(), bytes, sizeof bytes); });
        if (got == 0) told_.reset();  // it has ended
        if (got <= 0) break;
        any = true;
    }
    return any;
}

void WatchBeside::end() {
    if (pid_ == 0) return;
    constexpr int kLongestMs = 30'000;
    ::kill(pid_, SIGTERM);
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    pollfd ended{process.get(), POLLIN, 0};
    if (sys::retry_on_eintr([&] { return ::poll(&ended, 1, kLongestMs); }) == 0)
        ::kill(pid_, SIGKILL);
    sys::retry_on_eintr([&] { return ::waitpid(pid_, nullptr, 0); });
    pid_ = 0;
}

}  // namespace davit::cli
