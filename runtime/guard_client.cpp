#include "runtime/guard_client.h"

#include "base/failpoint.h"
#include "base/file.h"
#include "base/sys.h"
#include "runtime/cgroup.h"
#include "runtime/clone.h"
#include "runtime/protocol.h"
#include "runtime/spec.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr const char* kGuardsCgroup = "/davit/.guards";  // no project has a dot in its name

/// The cgroup that all guards live in, in the v2 hierarchy, so that the end of a login session
/// doesn't take them along; closed where there is none to be had.
UniqueFd guards_cgroup() {
    const CgroupMounts mounts = find_cgroup_mounts();
    if (mounts.unified.empty()) return {};
    const std::string folder = mounts.unified + kGuardsCgroup;
    if (!make_directories(folder, 0755)) return {};
    Result<UniqueFd> fd = sys::open(folder, O_RDONLY | O_DIRECTORY);
    return fd ? *std::move(fd) : UniqueFd();
}

/// Removes the guards' cgroup and davit's own where they are empty.
void remove_empty_cgroups() {
    const CgroupMounts mounts = find_cgroup_mounts();
    if (mounts.unified.empty()) return;
    if (::rmdir((mounts.unified + kGuardsCgroup).c_str()) == 0)
        ::rmdir((mounts.unified + "/davit").c_str());
}

struct GuardProcess {
    pid_t pid = -1;
    UniqueFd pidfd = {};
    UniqueFd socket = {};
};

/// What the child of `spawn_guard` executes, made before it exists.
struct GuardProgram {
    const char* path = nullptr;
    char* const* argv = nullptr;
    char* const* environment = nullptr;
    int null_fd = -1;
    int socket_fd = -1;
    int lock_fd = -1;
};

// --- The child's side: only async-signal-safe calls. ---
void run_guard_program(void* argument) {
    const auto& program = *static_cast<const GuardProgram*>(argument);
    ::setsid();
    // An ignored SIGCHLD would survive execve(2), and no exit could be collected.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Out of the way first: any of them may have a number that is about to be taken.
    constexpr int kFree = 5;
    const int null_fd = ::fcntl(program.null_fd, F_DUPFD_CLOEXEC, kFree);
    const int socket_fd = ::fcntl(program.socket_fd, F_DUPFD_CLOEXEC, kFree);
    const int lock_fd = ::fcntl(program.lock_fd, F_DUPFD_CLOEXEC, kFree);
    // What the caller has open is the caller's: a lock of flock(1) would be held for as long as the
    // container lives.
    ::syscall(SYS_close_range, static_cast<unsigned>(kFree), ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    if (::dup2(null_fd, 0) == 0 && ::dup2(null_fd, 1) == 1 && ::dup2(null_fd, 2) == 2 &&
        ::dup2(socket_fd, 3) == 3 && ::dup2(lock_fd, 4) == 4)
        ::execve(program.path, program.argv, program.environment);
    ::_exit(127);
}

/// A lock on the run folder, which a guard holds from before it exists until its state names it.
Result<UniqueFd> lock_run_dir(const std::string& run_dir, int operation) {
    UniqueFd folder = TRY(sys::open(run_dir, O_RDONLY | O_DIRECTORY));
    if (sys::retry_on_eintr([&] { return ::flock(folder.get(), operation); }) == -1)
        return Error::from_errno(errno, "flock(2)").doing("lock '{}'", run_dir);
    return folder;
}

Result<GuardProcess> spawn_guard(const GuardLaunch& launch, bool adopt) {
    const UniqueFd lock = TRY(lock_run_dir(launch.run_dir, LOCK_EX));
    if (const Result<ContainerState> state = read_state(launch.run_dir);
        state && guard_alive(*state))
        return Error(ErrorKind::Busy,
                     fmt::format("guard {} has this container in hand", state->guard_pid));
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
        return Error::from_errno(errno, "socketpair(2)");
    GuardProcess guard;
    guard.socket.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    const UniqueFd null_device = TRY(sys::open("/dev/null", O_RDWR));
    const UniqueFd cgroup = guards_cgroup();

    std::vector<std::string> words = {launch.program, "guard",     "--bundle",
                                      launch.bundle,  "--run-dir", launch.run_dir};
    if (adopt) words.emplace_back("--adopt");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    // Nothing of the caller's environment has a place in a process that outlives it, but faults.
    std::vector<char*> environment = failpoint::inherited();
    environment.push_back(nullptr);
    GuardProgram program;
    program.path = launch.program.c_str();
    program.argv = argv.data();
    program.environment = environment.data();
    program.null_fd = null_device.get();
    program.socket_fd = theirs.get();
    program.lock_fd = lock.get();

    int pidfd = -1;
    CloneCall call{.flags = CLONE_PIDFD, .exit_signal = SIGCHLD, .pidfd = &pidfd};
    if (cgroup) {
        call.flags |= CLONE_INTO_CGROUP;
        call.cgroup_fd = cgroup.get();
    }
    pid_t pid = spawn_process(call, run_guard_program, &program);
    if (pid == -1 && cgroup) {  // another davit has just removed the cgroup, or it is not ours
        call.flags &= ~std::uint64_t{CLONE_INTO_CGROUP};
        call.cgroup_fd = -1;
        pid = spawn_process(call, run_guard_program, &program);
    }
    if (pid == -1) return Error::from_errno(errno, "clone3(2)").doing("start a guard");
    guard.pid = pid;
    guard.pidfd.reset(pidfd);
    return guard;
}

/// Collects the guard where it is our child, so that it does not stay a zombie.
void reap_guard(const UniqueFd& pidfd) {
    siginfo_t info{};
    sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED); });
}

/// The container's process ended by hand, its guard being gone.
Result<void> stop_orphan(const ContainerState& state, int signal,
                         std::chrono::milliseconds timeout) {
    const Result<UniqueFd> process = sys::open_process(state.pid, state.start_ticks);
    if (!process) return {};
    if (timeout.count() > 0) {
        TRY(sys::pidfd_send_signal(*process, signal > 0 ? signal : SIGTERM));
        if (TRY(sys::wait_for_exit(*process, static_cast<int>(timeout.count())))) return {};
    }
    TRY(sys::pidfd_send_signal(*process, SIGKILL));
    if (!TRY(sys::wait_for_exit(*process, 10000)))
        return Error(ErrorKind::TimedOut,
                     fmt::format("process {} does not end within 10 s of SIGKILL", state.pid))
            .help(
                "the kernel holds it, in a call to a device or a network file system: see "
                "'ps -o stat,wchan' for which");
    return {};
}

/// Waits until the guard process has gone, and collects it where it is our child.
Result<void> await_guard(const ContainerState& state, const std::string& run_dir) {
    const Result<UniqueFd> guard = sys::open_process(state.guard_pid, state.guard_start_ticks);
    if (!guard) return {};
    // One without a socket has said everything, and waits for who is attached to read it: a pager
    // or a stopped terminal may never do so.
    constexpr int kForReadersMs = 2000;
    if (!TRY(sys::wait_for_exit(*guard, kForReadersMs)) &&
        ::access((run_dir + "/control.sock").c_str(), F_OK) == -1)
        TRY(sys::pidfd_send_signal(*guard, SIGKILL));
    if (!TRY(sys::wait_for_exit(*guard, 10000)))
        return Error(ErrorKind::TimedOut,
                     fmt::format("guard {} does not end within 10 s", state.guard_pid))
            .help(fmt::format("end it: kill -9 {}", state.guard_pid));
    reap_guard(*guard);
    return {};
}

/// The guard that listens in `run_dir`, for where its state is gone or damaged: the kernel knows
/// who has made the socket. @source unix(7), SO_PEERCRED
Result<ContainerState> guard_at_socket(const std::string& run_dir) {
    const UniqueFd socket = TRY(connect_control(run_dir));
    ucred listener{};
    socklen_t size = sizeof listener;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) == -1)
        return Error::from_errno(errno, "getsockopt(2)");
    ContainerState state;
    state.guard_pid = listener.pid;
    state.guard_start_ticks = TRY(sys::start_time(listener.pid));
    return state;
}

/// The container that the guard of `run_dir` has just created.
Result<CreatedContainer> open_created(const std::string& run_dir) {
    const ContainerState state = TRY(read_state(run_dir));
    const UniqueFd process = TRY(sys::open_process(state.pid, state.start_ticks));
    CreatedContainer container;
    container.pid = state.pid;
    container.netns = TRY(sys::open(fmt::format("/proc/{}/ns/net", state.pid), O_RDONLY));
    // Only now: had it ended meanwhile, this might be the network of whoever has its number.
    if (TRY(sys::wait_for_exit(process, 0)))
        return Error(ErrorKind::System, "the container's init process has ended");
    return container;
}

Error stuck(const std::string& run_dir, const Error& why) {
    Error error(why.kind(), why.kind() == ErrorKind::TimedOut
                                ? "the container's guard doesn't answer"
                                : why.to_string());
    const Result<ContainerState> state = read_state(run_dir);
    if (why.kind() != ErrorKind::TimedOut || !state) return error;
    return std::move(error).help(
        fmt::format("look at process {}; where it is stuck, end it with 'kill -9 {}' and try again",
                    state->guard_pid, state->guard_pid));
}

/// One request, and its answer. @errors NotFound where no guard listens; TimedOut where it doesn't
/// answer
Result<Json> converse(const std::string& run_dir, const Json& request) {
    const UniqueFd socket = TRY(connect_control(run_dir));
    TRY(send_packet(socket, request));
    Result<Json> answer = receive_packet_within(socket, kPatience);
    if (!answer) return stuck(run_dir, answer.error());
    return answer;
}

/// A request whose answer says only whether it was done. @errors those of `converse`, the answer's
Result<void> ask(const std::string& run_dir, const Json& request) {
    return as_result(TRY(converse(run_dir, request)));
}

/// Starts a guard and waits for its word.
Result<void> spawn_and_hear(const GuardLaunch& launch, bool adopt) {
    FAILPOINT("guard.spawn");
    const GuardProcess guard = TRY_DOING(spawn_guard(launch, adopt), "run '{}'", launch.program);
    (void)failpoint::hit("guard.spawned");
    const Result<Json> answer = receive_packet(guard.socket);
    Result<void> done =
        answer ? as_result(*answer)
               : Result<void>(Error(ErrorKind::System,
                                    fmt::format("'{}' ended without a word", launch.program))
                                  .help("check that it is there and executable"));
    if (done) return done;
    // It says its word right before its end; until then its sockets and files are still there.
    if (const Result<bool> ended = sys::wait_for_exit(guard.pidfd, 10000); ended && *ended)
        reap_guard(guard.pidfd);
    return done;
}

}  // namespace

Result<CreatedContainer> launch_guard(const GuardLaunch& launch) {
    TRY(spawn_and_hear(launch, false));
    Result<CreatedContainer> container = open_created(launch.run_dir);
    if (!container) (void)stop(launch.run_dir, 0, std::chrono::milliseconds(0));
    return container;
}

Result<void> adopt(const GuardLaunch& launch) { return spawn_and_hear(launch, true); }

Result<void> start(const std::string& run_dir) {
    FAILPOINT("guard.ask-start");
    const Result<Json> answer = converse(run_dir, {{"op", "start"}});
    if (answer) return as_result(*answer);
    // "Not found" is what the program may be: callers tell the two apart.
    const Error& why = answer.error();
    if (why.kind() != ErrorKind::NotFound) return why;
    return Error(ErrorKind::System, "the container's guard has ended, or was killed")
        .help("try again; where it happens each time the kernel may say why: dmesg");
}

Result<void> stop(const std::string& run_dir, int signal, std::chrono::milliseconds timeout) {
    // A guard whose launcher was killed may be about to say that it exists.
    if (Result<UniqueFd> lock = lock_run_dir(run_dir, LOCK_SH); !lock) {
        if (lock.error().kind() == ErrorKind::NotFound) return {};
        return std::move(lock).error();
    }
    Result<ContainerState> state = read_state(run_dir);
    if (!state) state = guard_at_socket(run_dir);
    if (!state) return {};  // nobody who could be asked; what runs ends with its cgroups
    Result<void> done;
    if (guard_alive(*state)) {
        Result<UniqueFd> socket = connect_control(run_dir);
        if (socket) {
            done = send_packet(
                *socket, {{"op", "stop"}, {"signal", signal}, {"timeout_ms", timeout.count()}});
            // The end of the guard is an answer too: it ends when its container has.
            if (done) {
                const Result<Json> ended = receive_packet_within(*socket, timeout + kPatience);
                if (!ended && ended.error().kind() == ErrorKind::TimedOut)
                    return stuck(run_dir, ended.error());
            }
        } else if (socket.error().kind() != ErrorKind::NotFound) {
            return std::move(socket).error().doing("stop the container");
        } else {
            // Alive without a socket: killed halfway through its preparations, or about to end.
            const Result<UniqueFd> guard =
                sys::open_process(state->guard_pid, state->guard_start_ticks);
            if (guard) (void)sys::pidfd_send_signal(*guard, SIGKILL);
        }
        FAILPOINT("guard.stopped");
        TRY(await_guard(*state, run_dir));
    }
    const Result<ContainerState> after = read_state(run_dir);
    if (after && after->pid != 0) TRY(stop_orphan(*after, signal, timeout));
    remove_empty_cgroups();
    return {};
}

Result<void> kill(const std::string& run_dir, int signal) {
    return ask(run_dir, {{"op", "kill"}, {"signal", signal}});
}

Result<void> pause(const std::string& run_dir) { return ask(run_dir, {{"op", "pause"}}); }

Result<void> unpause(const std::string& run_dir) { return ask(run_dir, {{"op", "unpause"}}); }

Result<bool> renew(const std::string& run_dir, const std::string& program) {
    const ContainerState state = TRY(read_state(run_dir));
    if (!guard_alive(state)) return Error(ErrorKind::NotFound, "the container has no guard");
    struct stat now {};
    struct stat wanted {};
    if (::stat(program.c_str(), &wanted) == -1)
        return Error::from_errno(errno, "stat(2)").doing("find '{}'", program);
    // The file that it was executed from, which may have no name any more.
    const std::string executed = fmt::format("/proc/{}/exe", state.guard_pid);
    if (::stat(executed.c_str(), &now) == 0 && now.st_dev == wanted.st_dev &&
        now.st_ino == wanted.st_ino)
        return false;
    TRY(ask(run_dir, {{"op", "renew"}, {"program", program}}));
    return true;
}

Result<void> remove_leftovers(const std::string& bundle) {
    const Result<Json> config = read_json(bundle + "/config.json");
    if (!config) return {};  // killed before it was written: nothing was made by it
    const auto linux_part = config->find("linux");
    if (linux_part == config->end()) return {};
    const std::string path = string_or(*linux_part, "cgroupsPath");
    if (path.find("/davit/") == std::string::npos) return {};
    FAILPOINT("cgroup.remove");
    const Cgroup cgroup = Cgroup::at(path);
    TRY(cgroup.kill_all());
    TRY(cgroup.remove());
    remove_empty_cgroups();
    return {};
}

}  // namespace davit::runtime
