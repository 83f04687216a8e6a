#include "runtime/guard.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/guard_process.h"
#include "runtime/protocol.h"

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

namespace davit::runtime {
namespace {

std::string annotation_of(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

/// The host id of a container id.
std::uint32_t host_id(const std::vector<IdMapping>& mappings, std::uint32_t id) {
    for (const IdMapping& m : mappings) {
        if (id >= m.container_id && id - m.container_id < m.size)
            return m.host_id + (id - m.container_id);
    }
    return id;
}

}  // namespace

Result<void> Guard::prepare() {
    Spec spec = TRY(read_spec(options_.bundle));
    policy_ = TRY(parse_restart_policy(annotation_of(spec, kRestart)));
    if (const auto number = parse_integer(annotation_of(spec, kStopSignal)))
        stop_signal_ = static_cast<int>(*number);
    TRY(open_log(spec));
    TRY(open_streams(spec));
    TRY(open_health(spec));
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

Result<void> Guard::open_health(const Spec& spec) {
    const std::string text = annotation_of(spec, kHealthCheck);
    if (text.empty()) return {};
    HealthMonitor::Setup setup;
    const Json json = TRY(parse_json(text, kHealthCheck));
    setup.check = TRY(health_check_of(json));
    setup.bundle = options_.bundle;
    setup.run_dir = options_.run_dir;
    setup.cgroup = spec.cgroups_path;
    const Json config = TRY(read_json(options_.bundle + "/config.json"));
    health_ = TRY(HealthMonitor::create(std::move(setup), config.value("process", Json::object()),
                                        loop_, [this] {
                                            state_.health = health_->health();
                                            save();
                                        }));
    return {};
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
    const std::string input = annotation_of(spec, kStdin);
    takes_input_ = !input.empty();
    input_once_ = input == "once";
    Attachments::Callbacks callbacks;
    callbacks.resize = [](unsigned, unsigned) {};
    callbacks.gone = [this](int fd) {
        clients_.erase(fd);
        if (finished_ && attached_->empty()) loop_.quit();
    };
    callbacks.room = [this] {
        output_waits_ = false;
        if (const Result<void> watched = watch_output(); !watched)
            log::error("runtime", "{}", watched.error().to_string());
    };
    attached_ = std::make_unique<Attachments>(loop_, std::move(callbacks));
    return watch_output();
}

Result<void> Guard::watch_output() {
    TRY(loop_.watch(out_.get(), EPOLLIN,
                    [this](std::uint32_t) { on_output(LogFile::Stream::Stdout); }));
    return loop_.watch(err_.get(), EPOLLIN,
                       [this](std::uint32_t) { on_output(LogFile::Stream::Stderr); });
}

/// The program's end of its standard input: a pipe of this run's, or nothing.
Result<UniqueFd> Guard::open_input() {
    if (!takes_input_) return sys::open("/dev/null", O_RDONLY);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    if (::fcntl(write_end.get(), F_SETFL, O_NONBLOCK) == -1)
        return Error::from_errno(errno, "fcntl(2)");
    attached_->set_input(std::move(write_end), !input_once_);
    return read_end;
}

Result<void> Guard::create_run() {
    // The container's ends block: a program that is faster than the disk waits, as with any pipe.
    const UniqueFd out = TRY(sys::open(options_.run_dir + "/stdout", O_RDWR));
    const UniqueFd err = TRY(sys::open(options_.run_dir + "/stderr", O_RDWR));
    const UniqueFd in = TRY(open_input());
    TRY(container_->create({in.get(), out.get(), err.get()}));
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
    if (health_) {
        health_->begin(state_.pid);
        state_.health = health_->health();
    }
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
    if (got <= 0) return;
    take(stream, std::string_view(buffer, static_cast<std::size_t>(got)));
    if (output_waits_ || !attached_->full()) return;
    output_waits_ = true;
    loop_.forget(out_.get());
    loop_.forget(err_.get());
}

void Guard::take(LogFile::Stream stream, std::string_view bytes) {
    if (log_) log_->append(stream, bytes, std::chrono::system_clock::now());
    attached_->send(stream == LogFile::Stream::Stdout ? AttachPacket::Output : AttachPacket::Error,
                    bytes);
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
            take(stream, std::string_view(buffer, static_cast<std::size_t>(got)));
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
    if (health_) {
        health_->end();
        state_.health = health_->health();
    }
    state_.pid = 0;
    state_.start_ticks = 0;
    state_.exit_code = exit_code;
    state_.oom_killed = oom_killed;
    state_.error = error;
    state_.finished_at = rfc3339(std::chrono::system_clock::now());
    attached_->close_input();
    attached_->end(exit_code);
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
    // Who is still reading the last output is waited for; whoever needs this container's place
    // ends a guard without a socket.
    finished_ = true;
    if (attached_->empty()) loop_.quit();
}

void Guard::clean_up() {
    relay_.reset();
    health_.reset();
    for (const char* name : {"control.sock", "stdout", "stderr", "health.json"})
        ::unlink((options_.run_dir + "/" + name).c_str());
}

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
