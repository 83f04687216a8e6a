#include "stack/hooks.h"

#include "base/json.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/state.h"
#include "stack/exec.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::stack {
namespace {

constexpr std::size_t kKept = 4096;

/// The process object in memory: it may hold secrets, and nobody else is to read it.
Result<UniqueFd> in_memory(const Json& process) {
    UniqueFd file(::memfd_create("hook", MFD_CLOEXEC));
    if (!file) return sys::failed("memfd_create(2)");
    TRY(write_all(file, process.dump(-1, ' ', false, Json::error_handler_t::replace)));
    return file;
}

/// The runtime as a child that runs the command; output goes to `output`.
Result<pid_t> spawn(const HookPlace& place, pid_t container, bool privileged,
                    const UniqueFd& process, const UniqueFd& output) {
    constexpr int kProcess = 3;
    std::vector<std::string> words = {place.runtime_program,
                                      "exec",
                                      "--bundle",
                                      place.bundle,
                                      "--pid",
                                      fmt::format("{}", container),
                                      "--process",
                                      fmt::format("/proc/self/fd/{}", kProcess)};
    if (privileged) words.emplace_back("--privileged");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, process.get(), kProcess);
    pid_t child = 0;
    const int error = ::posix_spawn(&child, place.runtime_program.c_str(), &actions, nullptr,
                                    argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return Error::from_errno(error, "posix_spawn(3)").doing("run '{}'", place.runtime_program);
    return child;
}

void read_some(const UniqueFd& output, std::string& text) {
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t got =
            sys::retry_on_eintr([&] { return ::read(output.get(), buffer.data(), buffer.size()); });
        if (got <= 0) return;
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > kKept) text.erase(0, text.size() - kKept);
    }
}

struct Ending {
    int status = 0;  ///< Of waitpid(2).
    std::string output = {};
    bool cancelled = false;
};

/// Ends with the command, also where it leaves something behind that holds its output.
Result<Ending> wait_for(pid_t child, const UniqueFd& output, int cancel_fd) {
    const UniqueFd process = TRY(sys::pidfd_open(child));
    Ending ending;
    bool closed = false;  // every writer may have closed it before the command ends
    for (bool alive = true; alive;) {
        pollfd ready[] = {{process.get(), POLLIN, 0},
                          {closed ? -1 : output.get(), POLLIN, 0},
                          {ending.cancelled ? -1 : cancel_fd, POLLIN, 0}};
        if (sys::retry_on_eintr([&] { return ::poll(ready, 3, -1); }) == -1)
            return sys::failed("poll(2)");
        read_some(output, ending.output);
        closed = closed || (ready[1].revents & POLLHUP) != 0;
        if (ready[2].revents != 0) {
            ending.cancelled = true;
            TRY(sys::pidfd_send_signal(process, SIGTERM));
        }
        alive = sys::retry_on_eintr([&] { return ::waitpid(child, &ending.status, WNOHANG); }) == 0;
    }
    read_some(output, ending.output);
    return ending;
}

std::string last_line(const std::string& output) {
    const std::string_view text = trim(output);
    return printable(text.substr(text.rfind('\n') + 1));
}

}  // namespace

Result<void> run_hook(const ContainerRecord& record, const compose::Hook& hook,
                      const HookPlace& place) {
    const bool stopping = place.kind == "pre_stop";
    const runtime::ContainerState state = TRY(runtime::observe_state(place.run_dir));
    if (state.status != runtime::Status::Running || state.pid == 0) {
        if (stopping) return {};
        return Error(ErrorKind::System,
                     fmt::format("its {} hook can't run: the container has ended ({})", place.kind,
                                 state.exit_code));
    }
    ExecRequest request;
    request.command = hook.command;
    for (const auto& [name, value] : hook.environment) request.env.push_back(name + "=" + value);
    request.user = hook.user;
    request.working_dir = hook.working_dir;
    request.privileged = hook.privileged;
    const Json config = TRY(read_json(place.bundle + "/config.json"));
    const Json object =
        TRY_DOING(exec_process(record, config, request), "prepare a {} hook", place.kind);
    const UniqueFd process = TRY(in_memory(object));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return sys::failed("pipe2(2)");
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    if (::fcntl(reader.get(), F_SETFL, O_NONBLOCK) == -1) return sys::failed("fcntl(2)");
    const pid_t child = TRY(spawn(place, state.pid, hook.privileged, process, writer));
    writer.reset();
    const Ending ending = TRY(wait_for(child, reader, place.cancel_fd));
    if (ending.cancelled) return Error(ErrorKind::Cancelled, "running a hook");
    if (WIFEXITED(ending.status) && WEXITSTATUS(ending.status) == 0) return {};
    if (stopping && TRY(runtime::observe_state(place.run_dir)).pid != state.pid) return {};
    const std::string how = WIFEXITED(ending.status)
                                ? fmt::format("exited with status {}", WEXITSTATUS(ending.status))
                                : fmt::format("was ended by signal {}", WTERMSIG(ending.status));
    const std::string word = last_line(ending.output);
    return Error(ErrorKind::System,
                 fmt::format("its {} hook '{}' {}{}{}", place.kind,
                             printable(fmt::format("{}", fmt::join(hook.command, " "))), how,
                             word.empty() ? "" : ": ", word))
        .help(stopping ? "mend the hook, or end the container without it: davit kill"
                       : "mend the hook in the compose file, and bring the service up again");
}

}  // namespace davit::stack
