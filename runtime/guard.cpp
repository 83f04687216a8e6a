#include "runtime/guard.h"

#include "base/duration.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/freezer.h"
#include "runtime/guard_process.h"
#include "runtime/own_program.h"
#include "runtime/protocol.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <malloc.h>
#include <optional>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace davit::runtime {

std::string annotation_of(const Spec& spec, const char* key) {
    const auto found = spec.annotations.find(key);
    return found == spec.annotations.end() ? std::string() : found->second;
}

/// The configuration, with the namespaces of others in their places.
Result<Spec> Guard::read_configuration() {
    Json config = TRY_DOING(read_json(options_.bundle + "/config.json"), "read the configuration");
    partners_ = TRY(resolve_joins(config, options_.adopt ? state_.pid : 0));
    Spec spec = TRY(parse_spec(config));
    spec.bundle = options_.bundle;
    return spec;
}

Result<void> Guard::prepare() {
    if (options_.adopt) TRY(read_adopted_state());
    if (options_.renew) TRY(read_handover());
    Spec spec = TRY(read_configuration());
    if (!spec.namespaces.user && !options_.renew)
        TRY(execute_read_only({options_.launcher.get(), options_.launch_lock.get()}));
    policy_ = TRY(parse_restart_policy(annotation_of(spec, kRestart)));
    if (const auto number = parse_integer(annotation_of(spec, kStopSignal)))
        stop_signal_ = static_cast<int>(*number);
    TRY(open_log(spec));
    TRY(open_streams(spec));
    TRY(open_health(spec));
    TRY(open_ports(spec));
    watch_rules(spec);
    TRY(watch_signals());
    protect();
    state_.guard_pid = ::getpid();
    state_.guard_start_ticks = TRY(sys::start_time(state_.guard_pid));
    // Said before the first namespace exists, so that a guard is never unknown to `down`.
    FAILPOINT("guard.known");
    TRY(write_state(options_.run_dir, state_));
    options_.launch_lock.reset();
    FAILPOINT("guard.container");
    TRY(take_container(std::move(spec)));
    TRY(check_partners(partners_));
    partners_.clear();
    FAILPOINT("guard.listen");
    if (!control_) control_ = TRY(listen_control(options_.run_dir));
    TRY(loop_.watch(control_.get(), EPOLLIN, [this](std::uint32_t) { on_connect(); }));
    save();
    return {};
}

Result<void> Guard::read_adopted_state() {
    state_ = TRY(observe_state(options_.run_dir));
    const bool runs = state_.status == Status::Running || state_.status == Status::Paused;
    state_.stopping = false;  // the guard that was about to is gone
    if (state_.pid != 0 && runs) return {};
    return Error(ErrorKind::NotFound, "there is no run to be taken over")
        .help("start the container instead");
}

Result<void> Guard::take_container(Spec spec) {
    // Beside the run folders of the projects; one filter serves every container on the host.
    const std::string run_root = clean_path(options_.run_dir + "/../..");
    if (!options_.adopt) {
        container_ = TRY(Container::open(std::move(spec), run_root));
        TRY(open_names());
        return create_run();
    }
    container_ = TRY(Container::adopt(std::move(spec), run_root, state_.pid, state_.start_ticks));
    // A container that runs is looked after also where it finds no names.
    if (const Result<void> opened = open_names(); !opened)
        log::warn("runtime", "{}", opened.error().to_string());
    return adopt_run();
}

Result<void> Guard::open_names() {
    const std::string text = annotation_of(container_->spec(), kDns);
    if (text.empty() || !container_->network()) return {};
    DnsSettings settings = TRY(parse_dns_settings(text));
    dns_ = TRY(DnsServer::open(std::move(settings), container_->network(), loop_));
    return {};
}

Result<void> Guard::adopt_run() {
    started_ = Clock::now();
    if (const auto began = parse_rfc3339(state_.started_at))
        started_ -=
            std::chrono::duration_cast<Clock::duration>(std::chrono::system_clock::now() - *began);
    take_kept();
    if (input_) attached_->set_input(std::move(input_), terminal_ || !input_once_);
    if (terminal_)
        TRY(loop_.watch(terminal_.get(), EPOLLIN, [this](std::uint32_t) { on_terminal(); }));
    // By a `pause` whose guard was killed before it could say so: that was never done.
    if (state_.status == Status::Running && container_->cgroup().frozen())
        TRY(set_frozen(container_->spec().cgroups_path, false));
    if (health_) {
        health_->go_on(state_.pid, state_.health.value_or(Health()));
        if (state_.status == Status::Paused) health_->hold();
    }
    return loop_.watch(container_->pidfd().get(), EPOLLIN, [this](std::uint32_t) { on_exit(); });
}

Result<void> Guard::open_ports(const Spec& spec) {
    const std::vector<ListenPort> ports = TRY(parse_listen_ports(annotation_of(spec, kListen)));
    Result<std::unique_ptr<Relay>> relay = Relay::open(ports, loop_);
    // A container that runs is looked after also where somebody has taken a port meanwhile.
    if (!relay && options_.adopt)
        log::warn("runtime", "{}; the port is not held any more", relay.error().to_string());
    else
        relay_ = TRY(std::move(relay));
    return {};
}

/// A container runs also where its guard can't watch: the next command loads the rules as ever.
void Guard::watch_rules(const Spec& spec) {
    const std::string text = annotation_of(spec, kRules);
    if (text.empty()) return;
    Result<RulesSetup> setup = parse_rules_setup(text);
    if (!setup) return log::warn("runtime", "{}", setup.error().to_string());
    Result<std::unique_ptr<RulesWatch>> watch = RulesWatch::open(*std::move(setup), loop_);
    if (watch)
        rules_ = *std::move(watch);
    else
        log::warn("runtime", "{}; flushed rules come back with the next command",
                  watch.error().to_string());
}

/// The last one to be ended where memory is short: it is small, and its container hangs on it. What
/// it runs gets back what it would have had.
void Guard::protect() {
    constexpr const char* kFile = "/proc/self/oom_score_adj";
    if (was_oom_score_) return;  // it is as it has to be
    const Result<std::string> before = read_file(kFile);
    // What a shell of a desktop's session has is no word about the service.
    if (before && write_control_file(kFile, "-999")) was_oom_score_ = "0";
}

Result<void> Guard::watch_signals() {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&blocked, number);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_.reset(::signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK));
    // Asked to end by the system (shutdown): stop the container as `stop` would, within the seconds
    // that systems give. No user has stopped it: it comes back with the next boot.
    TRY(loop_.watch(signals_.get(), EPOLLIN, [this](std::uint32_t) {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGHUP) continue;  // the terminal's end is none of our business
            shutting_down_ = true;
            begin_stop(0, std::chrono::seconds(10));
        }
    }));
    TRY(loop_.watch(stop_timer_.fd(), EPOLLIN, [this](std::uint32_t) {
        stop_timer_.disarm();
        if (const Result<void> killed = container_->kill_all(); !killed)
            log::error("runtime", "{}", killed.error().to_string());
    }));
    return loop_.watch(restart_timer_.fd(), EPOLLIN, [this](std::uint32_t) {
        restart_timer_.disarm();
        // A request of the same moment may have ended this guard already.
        if (!finished_) restart();
    });
}

Result<void> Guard::open_log(const Spec& spec) {
    if (const std::string text = annotation_of(spec, kLogTarget); !text.empty()) {
        const Json json = TRY(parse_json(text, kLogTarget));
        LogTarget target = TRY(log_target_of(json));
        forward_ = TRY(LogForwarder::open(std::move(target)));
    }
    const std::string path = annotation_of(spec, kLogPath);
    if (path.empty()) return {};
    LogFile::Options options;
    options.path = path;
    options.max_size = parse_integer(annotation_of(spec, kLogMaxSize)).value_or(-1);
    options.max_files =
        static_cast<int>(parse_integer(annotation_of(spec, kLogMaxFile)).value_or(1));
    if (!annotation_of(spec, kLogCompress).empty()) options.rotation = rotation();
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

Result<void> Guard::create_run() {
    TRY(container_->spec().terminal ? create_with_terminal() : create_with_pipes());
    state_.pid = container_->pid();
    state_.start_ticks = TRY(sys::start_time(state_.pid));
    if (was_oom_score_ && !container_->spec().oom_score_adj)
        TRY(write_control_file(fmt::format("/proc/{}/oom_score_adj", state_.pid), *was_oom_score_));
    return loop_.watch(container_->pidfd().get(), EPOLLIN, [this](std::uint32_t) { on_exit(); });
}

Result<void> Guard::start_run() {
    FAILPOINT("guard.start");
    TRY(container_->start());
    (void)failpoint::hit("guard.started");
    ::unlink((options_.bundle + "/" + kEndedFile).c_str());
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
    (void)failpoint::hit("guard.answer");
    Json answer = prepared ? ok_answer() : error_answer(prepared.error());
    answer["pid"] = state_.pid;
    (void)send_packet(options_.launcher, answer);  // the launcher may be dead: `down` finds us
    options_.launcher.reset();
}

// --- The end of a run ---

void Guard::discard_run() {
    if (!container_) return;
    if (container_->pidfd()) loop_.forget(container_->pidfd().get());
    container_->discard();
    drain();
}

void Guard::on_exit() {
    loop_.forget(container_->pidfd().get());
    stop_timer_.disarm();
    (void)failpoint::hit("guard.reap");
    const Result<ExitStatus> ended = container_->reap();
    (void)failpoint::hit("guard.reaped");
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
    state_.stopping = false;
    state_.exit_code = exit_code;
    state_.oom_killed = oom_killed;
    state_.error = error;
    state_.finished_at = rfc3339(std::chrono::system_clock::now());
    attached_->close_input();
    attached_->end(exit_code);
    const bool ran = !state_.started_at.empty();
    const bool stopped = state_.stopped_by_user || shutting_down_;
    if (ran && wants_restart(policy_, {exit_code, state_.restart_count, stopped})) {
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

/// A pid namespace that is joined ends with its owner's run; the owner may have another by now.
Result<void> Guard::rejoin() {
    if (container_->spec().namespaces.path_of("pid").empty()) return {};
    const Spec spec = TRY(read_configuration());
    UniqueFd space = TRY(sys::open(spec.namespaces.path_of("pid"), O_RDONLY));
    TRY(check_partners(partners_));
    partners_.clear();
    container_->join_pid_namespace(std::move(space));
    return {};
}

void Guard::restart() {
    ++state_.restart_count;
    started_ = Clock::now();
    Result<void> done = rejoin();
    if (done) done = create_run();
    if (done) done = start_run();
    if (done) return;
    discard_run();
    const int code = done.error().error_number() == ENOENT ? 127 : 126;
    after_end(code, false, done.error().to_string());
}

/// For the next boot, when the state is gone. Not synced: after a power cut a container that had
/// ended a moment before may come back, which is better than waiting for the disk at each end.
void Guard::note_end() {
    const Json json = {{"exit_code", state_.exit_code},
                       {"stopped_by_user", state_.stopped_by_user},
                       {"finished_at", state_.finished_at}};
    const std::string path = options_.bundle + "/" + kEndedFile;
    if (const Result<void> done = write_atomically(path, json.dump(), 0600, Sync::No); !done)
        log::error("runtime", "{}", done.error().to_string());
}

void Guard::finish() {
    state_.status = Status::Exited;
    // What outlives the guard must be gone before anybody is told that it has ended. The socket
    // goes last: a guard without one may be killed, and then has said everything.
    const bool held_ports = relay_ && relay_->holds_any();
    relay_.reset();
    if (dns_) dns_->withdraw();
    dns_.reset();
    note_end();
    (void)failpoint::hit("guard.ended");
    save();
    (void)failpoint::hit("guard.finished");
    // Whoever has stopped it takes its ports out of the rules; nobody else does.
    if (rules_ && held_ports && !state_.stopped_by_user) rules_->load_now();
    rules_.reset();
    ::unlink((options_.run_dir + "/control.sock").c_str());
    for (auto& [fd, client] : clients_) {
        if (client.waits_for_stop) (void)send_packet(client.socket, ok_answer());
    }
    // Who is still reading the last output is waited for; whoever needs this container's place
    // ends a guard without a socket.
    finished_ = true;
    if (attached_->empty()) loop_.quit();
}

/// Nothing is left of a container that could not be made; one that was to be adopted goes on.
void Guard::give_up() {
    if (options_.adopt) return;
    discard_run();
    clean_up();
}

void Guard::clean_up() {
    relay_.reset();
    health_.reset();
    for (const char* name : {"control.sock", "stdout", "stderr", "health.json"})
        ::unlink((options_.run_dir + "/" + name).c_str());
}

namespace {

/// A guard is a child of whoever ran `up`, and its container would be as nice and as limited as
/// that shell for all its life, and otherwise after a reboot. Both get what dockerd's containers
/// get; where this process may not have so much, as much as it may.
void become_ordinary() {
    struct Limit {
        __rlimit_resource resource;
        rlim64_t soft;
        rlim64_t hard;
    };
    constexpr rlim64_t kAny = RLIM64_INFINITY;
    constexpr rlim64_t kFiles = 1048576;
    constexpr rlim64_t kMiB = 1U << 20U;
    constexpr Limit kLimits[] = {
        {RLIMIT_NOFILE, kFiles, kFiles}, {RLIMIT_MEMLOCK, 8 * kMiB, 8 * kMiB},
        {RLIMIT_STACK, 8 * kMiB, kAny},  {RLIMIT_NPROC, kAny, kAny},
        {RLIMIT_CORE, kAny, kAny},       {RLIMIT_CPU, kAny, kAny},
        {RLIMIT_FSIZE, kAny, kAny},      {RLIMIT_DATA, kAny, kAny},
        {RLIMIT_AS, kAny, kAny},         {RLIMIT_RSS, kAny, kAny},
        {RLIMIT_LOCKS, kAny, kAny},
    };
    for (const Limit& limit : kLimits) {
        rlimit64 wanted{limit.soft, limit.hard};
        rlimit64 now{};
        if (::setrlimit64(limit.resource, &wanted) == 0 ||
            ::getrlimit64(limit.resource, &now) == -1)
            continue;
        wanted = {std::min(limit.soft, now.rlim_max), now.rlim_max};
        (void)::setrlimit64(limit.resource, &wanted);
    }
    (void)::setpriority(PRIO_PROCESS, 0, 0);
    const sched_param none{};
    (void)::sched_setscheduler(0, SCHED_OTHER, &none);
    constexpr int kThisProcess = 1;  // IOPRIO_WHO_PROCESS
    (void)::syscall(SYS_ioprio_set, kThisProcess, 0, 0);
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
    become_ordinary();
    Guard guard(std::move(options), *std::move(loop), *std::move(stop_timer),
                *std::move(restart_timer));
    const Result<void> prepared = guard.prepare();
    if (!prepared) {
        guard.give_up();
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
