#include "runtime/guard.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/capabilities.h"
#include "runtime/container.h"
#include "runtime/event_loop.h"
#include "runtime/log_file.h"
#include "runtime/protocol.h"
#include "runtime/relay.h"
#include "runtime/restart_policy.h"
#include "runtime/state.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <malloc.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// The life of a guard: prepare (everything that can fail, answered to the launcher), then events:
// requests on the control socket, output on the FIFOs, the end of the init process, two timers.

namespace davit::runtime {
namespace {

using Clock = std::chrono::steady_clock;

class Guard {
public:
    Guard(GuardOptions options, EventLoop loop, Timer stop_timer, Timer restart_timer)
        : options_(std::move(options)),
          loop_(std::move(loop)),
          stop_timer_(std::move(stop_timer)),
          restart_timer_(std::move(restart_timer)) {}

    Result<void> prepare();
    void answer_launcher(const Result<void>& prepared);
    Result<void> run() { return loop_.run(); }
    /// Ends a run whose program was never executed.
    void discard_run();
    /// Takes away what this guard put into the run folder; the state stays.
    void clean_up();

private:
    struct Client {
        UniqueFd socket;
        bool waits_for_stop = false;
    };

    Result<void> open_log(const Spec& spec);
    Result<void> open_streams(const Spec& spec);
    Result<UniqueFd> make_fifo(const char* name, const Spec& spec) const;
    Result<void> create_run();
    Result<void> start_run();
    void save();

    void on_output(LogFile::Stream stream);
    void drain();
    void on_exit();
    void after_end(int exit_code, bool oom_killed, const std::string& error);
    void restart();
    void finish();

    void on_connect();
    void on_request(int fd);
    Json serve(Client& client, const Json& request, bool& answer_later);
    void begin_stop(int signal, std::chrono::milliseconds timeout);
    void drop(int fd);

    GuardOptions options_;
    EventLoop loop_;
    Timer stop_timer_;
    Timer restart_timer_;
    std::optional<Container> container_;
    std::optional<LogFile> log_;
    RestartPolicy policy_;
    int stop_signal_ = SIGTERM;
    ContainerState state_;
    Clock::time_point started_{};
    std::chrono::milliseconds pause_{0};
    UniqueFd out_;  ///< Our ends of the FIFOs.
    UniqueFd err_;
    UniqueFd in_;
    UniqueFd control_;
    UniqueFd signals_;
    std::unique_ptr<Relay> relay_;
    std::map<int, Client> clients_;
};

std::string annotation_of(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

Result<void> Guard::prepare() {
    Spec spec = TRY(read_spec(options_.bundle));
    policy_ = TRY(parse_restart_policy(annotation_of(spec, kRestart)));
    if (const auto number = parse_integer(annotation_of(spec, kStopSignal)))
        stop_signal_ = static_cast<int>(*number);
    TRY(open_log(spec));
    TRY(open_streams(spec));
    const std::vector<ListenPort> ports = TRY(parse_listen_ports(annotation_of(spec, kListen)));
    relay_ = TRY(Relay::open(ports, loop_));

    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&blocked, number);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_.reset(::signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK));
    // Asked to end by the system (shutdown): stop the container as `stop` would.
    TRY(loop_.watch(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGHUP) continue;  // the terminal's end is none of our business
            begin_stop(0, std::chrono::seconds(10));
        }
    }));
    TRY(loop_.watch(stop_timer_.fd(), EPOLLIN, [this](std::uint32_t) {
        stop_timer_.disarm();
        if (const Result<void> killed = container_->kill_all(); !killed)
            log::error("runtime", "{}", killed.error().to_string());
    }));
    TRY(loop_.watch(restart_timer_.fd(), EPOLLIN, [this](std::uint32_t) {
        restart_timer_.disarm();
        restart();
    }));

    state_.guard_pid = ::getpid();
    state_.guard_start_ticks = TRY(sys::start_time(state_.guard_pid));
    // Said before the first namespace exists, so that a guard is never unknown to `down`.
    TRY(write_state(options_.run_dir, state_));
    options_.launch_lock.reset();
    // Beside the run folders of the projects; one filter serves every container on the host.
    const std::string run_root = clean_path(options_.run_dir + "/../..");
    container_ = TRY(Container::open(std::move(spec), run_root));
    TRY(create_run());
    control_ = TRY(listen_control(options_.run_dir));
    TRY(loop_.watch(control_.get(), EPOLLIN, [this](std::uint32_t) { on_connect(); }));
    save();
    return {};
}

Result<void> Guard::open_log(const Spec& spec) {
    const std::string path = annotation_of(spec, kLogPath);
    if (path.empty()) return {};
    LogFile::Options options;
    options.path = path;
    options.max_size = parse_integer(annotation_of(spec, kLogMaxSize)).value_or(-1);
    options.max_files =
        static_cast<int>(parse_integer(annotation_of(spec, kLogMaxFile)).value_or(1));
    log_ = TRY(LogFile::open(std::move(options)));
    return {};
}

/// The host id of a container id.
std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
    for (const IdMapping& m : mappings) {
        if (id >= m.container_id && id - m.container_id < m.size)
            return m.host_id + (id - m.container_id);
    }
    return id;
}

Result<UniqueFd> Guard::make_fifo(const char* name, const Spec& spec) const {
    const std::string path = fmt::format("{}/{}", options_.run_dir, name);
    ::unlink(path.c_str());
    if (::mkfifo(path.c_str(), 0600) == -1) {
        const int error_number = errno;
        return Error::from_errno(error_number, "mkfifo(3)").doing("make '{}'", path);
    }
    // Open for both, so that the other side never sees an end, whoever dies first.
    UniqueFd fifo = TRY(sys::open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW));
    // Programs open /dev/stdout again by name, as their own user.
    const bool mapped = spec.namespaces.user;
    const uid_t uid = mapped ? host_id(spec.uid_mappings, spec.user.uid) : spec.user.uid;
    const gid_t gid = mapped ? host_id(spec.gid_mappings, spec.user.gid) : spec.user.gid;
    if (::fchown(fifo.get(), uid, gid) == -1) return Error::from_errno(errno, "fchown(2)");
    return fifo;
}

Result<void> Guard::open_streams(const Spec& spec) {
    out_ = TRY(make_fifo("stdout", spec));
    err_ = TRY(make_fifo("stderr", spec));
    in_ = TRY(sys::open("/dev/null", O_RDONLY));
    TRY(loop_.watch(out_.get(), EPOLLIN,
                    [this](std::uint32_t) { on_output(LogFile::Stream::Stdout); }));
    TRY(loop_.watch(err_.get(), EPOLLIN,
                    [this](std::uint32_t) { on_output(LogFile::Stream::Stderr); }));
    return {};
}

Result<void> Guard::create_run() {
    // The container's ends block: a program that is faster than the disk waits, as with any pipe.
    const UniqueFd out = TRY(sys::open(options_.run_dir + "/stdout", O_RDWR));
    const UniqueFd err = TRY(sys::open(options_.run_dir + "/stderr", O_RDWR));
    TRY(container_->create({in_.get(), out.get(), err.get()}));
    state_.pid = container_->pid();
    state_.start_ticks = TRY(sys::start_time(state_.pid));
    TRY(loop_.watch(container_->pidfd().get(), EPOLLIN, [this](std::uint32_t) { on_exit(); }));
    return {};
}

Result<void> Guard::start_run() {
    TRY(container_->start());
    started_ = Clock::now();
    state_.status = Status::Running;
    state_.started_at = rfc3339(std::chrono::system_clock::now());
    state_.finished_at.clear();
    state_.error.clear();
    state_.oom_killed = false;
    state_.exit_code = 0;
    save();
    ::malloc_trim(0);  // what loading and starting took is not needed again
    return {};
}

void Guard::save() {
    if (const Result<void> done = write_state(options_.run_dir, state_); !done)
        log::error("runtime", "{}", done.error().to_string());
}

void Guard::answer_launcher(const Result<void>& prepared) {
    Json answer = prepared ? ok_answer() : error_answer(prepared.error());
    answer["pid"] = state_.pid;
    (void)send_packet(options_.launcher, answer);  // the launcher may be dead: `down` finds us
    options_.launcher.reset();
}

// --- Output and the end of a run ---

void Guard::on_output(LogFile::Stream stream) {
    const UniqueFd& fifo = stream == LogFile::Stream::Stdout ? out_ : err_;
    char buffer[65536];
    const ssize_t got = ::read(fifo.get(), buffer, sizeof buffer);
    if (got <= 0 || !log_) return;
    log_->append(stream, std::string_view(buffer, static_cast<std::size_t>(got)),
                 std::chrono::system_clock::now());
}

/// Everything that the program wrote before it ended. Its writers are gone; should somebody from
/// outside write to the FIFO, this ends all the same.
void Guard::drain() {
    constexpr int kMostReads = 1024;
    char buffer[65536];
    for (const LogFile::Stream stream : {LogFile::Stream::Stdout, LogFile::Stream::Stderr}) {
        const UniqueFd& fifo = stream == LogFile::Stream::Stdout ? out_ : err_;
        for (int reads = 0; reads < kMostReads; ++reads) {
            const ssize_t got = ::read(fifo.get(), buffer, sizeof buffer);
            if (got <= 0) break;
            if (log_)
                log_->append(stream, std::string_view(buffer, static_cast<std::size_t>(got)),
                             std::chrono::system_clock::now());
        }
    }
    if (log_) log_->flush(std::chrono::system_clock::now());
}

void Guard::discard_run() {
    if (!container_) return;
    if (container_->pidfd()) loop_.forget(container_->pidfd().get());
    container_->discard();
    drain();
}

void Guard::on_exit() {
    loop_.forget(container_->pidfd().get());
    stop_timer_.disarm();
    const Result<ExitStatus> ended = container_->reap();
    drain();
    if (!ended) {
        log::error("runtime", "{}", ended.error().to_string());
        return after_end(-1, false, ended.error().to_string());
    }
    after_end(ended->code, ended->oom_killed, {});
}

void Guard::after_end(int exit_code, bool oom_killed, const std::string& error) {
    state_.pid = 0;
    state_.start_ticks = 0;
    state_.exit_code = exit_code;
    state_.oom_killed = oom_killed;
    state_.error = error;
    state_.finished_at = rfc3339(std::chrono::system_clock::now());
    const bool ran = !state_.started_at.empty();
    if (ran && wants_restart(policy_, {exit_code, state_.restart_count, state_.stopped_by_user})) {
        const auto lasted =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
        pause_ = next_pause(pause_, lasted);
        state_.status = Status::Restarting;
        save();
        restart_timer_.arm(pause_);
        return;
    }
    finish();
}

void Guard::restart() {
    ++state_.restart_count;
    started_ = Clock::now();
    Result<void> done = create_run();
    if (done) done = start_run();
    if (done) return;
    discard_run();
    const int code = done.error().error_number() == ENOENT ? 127 : 126;
    after_end(code, false, done.error().to_string());
}

void Guard::finish() {
    state_.status = Status::Exited;
    // What outlives the guard must be gone before anybody is told that it has ended. The socket
    // goes last: a guard without one may be killed, and then has said everything.
    relay_.reset();
    save();
    ::unlink((options_.run_dir + "/control.sock").c_str());
    for (auto& [fd, client] : clients_) {
        if (client.waits_for_stop) (void)send_packet(client.socket, ok_answer());
    }
    loop_.quit();
}

void Guard::clean_up() {
    relay_.reset();
    for (const char* name : {"control.sock", "stdout", "stderr"})
        ::unlink((options_.run_dir + "/" + name).c_str());
}

// --- Requests ---

void Guard::on_connect() {
    UniqueFd socket(::accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    const int fd = socket.get();
    clients_[fd].socket = std::move(socket);
    if (!loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { on_request(fd); })) drop(fd);
}

void Guard::drop(int fd) {
    loop_.forget(fd);
    clients_.erase(fd);
}

void Guard::on_request(int fd) {
    Client& client = clients_.at(fd);
    const Result<Json> request = receive_packet(client.socket);
    if (!request || !request->is_object()) return drop(fd);
    bool answer_later = false;
    const Json answer = serve(client, *request, answer_later);
    if (!answer_later && !send_packet(client.socket, answer)) drop(fd);
}

Json Guard::serve(Client& client, const Json& request, bool& answer_later) {
    const std::string op = string_or(request, "op");
    if (op == "start") {
        if (state_.status == Status::Running) return ok_answer();
        if (state_.status != Status::Created)
            return error_answer(Error(ErrorKind::Busy, "the container is between two runs"));
        const Result<void> started = start_run();
        if (started) return ok_answer();
        // The child has reported and ends: its exit is collected here, not by the policy.
        discard_run();
        const int code = started.error().kind() == ErrorKind::NotFound ? 127 : 126;
        const Json answer = error_answer(started.error());
        (void)send_packet(client.socket, answer);
        answer_later = true;
        after_end(code, false, started.error().to_string());
        return answer;
    }
    if (op == "stop") {
        client.waits_for_stop = true;
        answer_later = true;
        begin_stop(static_cast<int>(integer_or(request, "signal")),
                   std::chrono::milliseconds(integer_or(request, "timeout_ms", 10000)));
        return {};
    }
    if (op == "kill") {
        const Result<void> sent =
            container_->signal(static_cast<int>(integer_or(request, "signal", SIGKILL)));
        return sent ? ok_answer() : error_answer(sent.error());
    }
    return error_answer(
        Error(ErrorKind::Unsupported, fmt::format("this guard does not know '{}'", op))
            .help("it may be older than this davit: recreate the container"));
}

void Guard::begin_stop(int signal, std::chrono::milliseconds timeout) {
    state_.stopped_by_user = true;
    if (state_.pid == 0) {  // between two runs
        restart_timer_.disarm();
        return finish();
    }
    save();
    // A process that never got the word to start has nothing to finish.
    if (state_.status == Status::Created) timeout = std::chrono::milliseconds(0);
    if (timeout.count() > 0) {
        const Result<void> sent = container_->signal(signal > 0 ? signal : stop_signal_);
        if (!sent) log::error("runtime", "{}", sent.error().to_string());
    }
    stop_timer_.arm(timeout);
}

}  // namespace

int run_guard(GuardOptions options) {
    Result<EventLoop> loop = EventLoop::create();
    Result<Timer> stop_timer = Timer::create();
    Result<Timer> restart_timer = Timer::create();
    if (!loop || !stop_timer || !restart_timer) {
        (void)send_packet(options.launcher, error_answer(Error(ErrorKind::System,
                                                               "the guard has no descriptors "
                                                               "left")));
        return 1;
    }
    ::umask(0022);
    if (::chdir("/") == -1) return 1;
    Guard guard(std::move(options), *std::move(loop), *std::move(stop_timer),
                *std::move(restart_timer));
    const Result<void> prepared = guard.prepare();
    if (!prepared) {
        guard.discard_run();
        guard.clean_up();
        guard.answer_launcher(prepared);
        return 1;
    }
    guard.answer_launcher(prepared);
    const Result<void> done = guard.run();
    if (!done) log::error("runtime", "{}", done.error().to_string());
    guard.clean_up();
    return done ? 0 : 1;
}

}  // namespace davit::runtime
