#include "runtime/health_monitor.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"
#include "runtime/cgroup.h"
#include "runtime/clone.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

constexpr const char* kPart = "health";

std::chrono::milliseconds rounded_up(std::chrono::microseconds time) {
    return std::chrono::ceil<std::chrono::milliseconds>(time);
}

/// What the child of `spawn` executes, made before it exists.
struct ProbeProgram {
    char* const* argv = nullptr;
    int null_fd = -1;
    int output_fd = -1;
};

// --- The child's side: only async-signal-safe calls. ---
[[noreturn]] void run_probe(const ProbeProgram& program) {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    char* const environment[] = {nullptr};
    if (::dup2(program.null_fd, 0) == 0 && ::dup2(program.output_fd, 1) == 1 &&
        ::dup2(program.output_fd, 2) == 2)
        ::execve("/proc/self/exe", program.argv, environment);
    ::_exit(127);
}

}  // namespace

HealthMonitor::HealthMonitor(Setup setup, EventLoop& loop, std::function<void()> changed)
    : setup_(std::move(setup)), loop_(loop), changed_(std::move(changed)) {}

HealthMonitor::~HealthMonitor() { end(); }

Result<std::unique_ptr<HealthMonitor>> HealthMonitor::create(Setup setup, Json process,
                                                             EventLoop& loop,
                                                             std::function<void()> changed) {
    process["args"] = setup.check.args;
    process["terminal"] = false;
    TRY(write_json(setup.run_dir + "/health.json", process, Sync::No));
    std::unique_ptr<HealthMonitor> monitor(
        new HealthMonitor(std::move(setup), loop, std::move(changed)));
    monitor->next_ = std::make_unique<Timer>(TRY(Timer::create()));
    monitor->limit_ = std::make_unique<Timer>(TRY(Timer::create()));
    HealthMonitor* self = monitor.get();
    TRY(loop.watch(self->next_->fd(), EPOLLIN, [self](std::uint32_t) {
        self->next_->disarm();
        self->probe();
    }));
    TRY(loop.watch(self->limit_->fd(), EPOLLIN, [self](std::uint32_t) {
        self->limit_->disarm();
        self->timed_out_ = true;
        (void)sys::pidfd_send_signal(self->pidfd_, SIGKILL);
    }));
    return monitor;
}

std::chrono::microseconds HealthMonitor::since_start() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_);
}

void HealthMonitor::plan_next() {
    if (init_ == 0 || held_) return;
    next_->arm(rounded_up(next_probe(setup_.check, health_, since_start())));
}

void HealthMonitor::begin(pid_t init) { go_on(init, Health()); }

void HealthMonitor::go_on(pid_t init, Health health) {
    health_ = std::move(health);
    began_ = Clock::now();
    init_ = init;
    held_ = false;
    plan_next();
}

void HealthMonitor::hold() {
    held_ = true;
    next_->disarm();
    abandon();
}

void HealthMonitor::release() {
    held_ = false;
    plan_next();
}

void HealthMonitor::end() {
    init_ = 0;
    if (next_) next_->disarm();
    abandon();
    // As Docker has it: nobody watches it any more.
    if (!health_.log.empty()) health_.status = HealthStatus::Unhealthy;
}

void HealthMonitor::probe() {
    result_ = {};
    result_.start = rfc3339(std::chrono::system_clock::now());
    probe_began_ = since_start();
    timed_out_ = false;
    if (const Result<void> spawned = spawn(); !spawned) {
        result_.output = spawned.error().to_string();
        finish(-1);
        return;
    }
    limit_->arm(rounded_up(setup_.check.timeout));
}

Result<void> HealthMonitor::spawn() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return Error::from_errno(errno, "pipe2(2)");
    output_.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    if (::fcntl(output_.get(), F_SETFL, O_NONBLOCK) == -1)
        return Error::from_errno(errno, "fcntl(2)");
    const UniqueFd null = TRY(sys::open("/dev/null", O_RDONLY));
    std::array<std::string, 10> words = {"davit-runtime", "exec",
                                         "--bundle",      setup_.bundle,
                                         "--process",     setup_.run_dir + "/health.json",
                                         "--pid",         fmt::format("{}", init_),
                                         "--part",        kPart};
    std::array<char*, words.size() + 1> argv{};
    for (std::size_t i = 0; i < words.size(); ++i) argv.at(i) = words.at(i).data();
    const ProbeProgram program{argv.data(), null.get(), write_end.get()};
    int pidfd = -1;
    const pid_t pid = clone_process(
        {.flags = CLONE_VFORK | CLONE_PIDFD, .exit_signal = SIGCHLD, .pidfd = &pidfd});
    if (pid == -1) return Error::from_errno(errno, "clone3(2)").doing("run the health check");
    if (pid == 0) run_probe(program);
    pid_ = pid;
    pidfd_.reset(pidfd);
    TRY(loop_.watch(output_.get(), EPOLLIN, [this](std::uint32_t) { read_output(); }));
    return loop_.watch(pidfd_.get(), EPOLLIN, [this](std::uint32_t) { on_end(); });
}

/// What is more than is kept is read all the same, so that the probe doesn't wait.
void HealthMonitor::read_output() {
    char buffer[4096];
    const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
    if (got == 0) loop_.forget(output_.get());
    if (got <= 0 || result_.output.size() >= kProbeOutput) return;
    result_.output.append(
        buffer, std::min(static_cast<std::size_t>(got), kProbeOutput - result_.output.size()));
}

void HealthMonitor::on_end() {
    for (int reads = 0; reads < 64; ++reads) {
        const std::size_t before = result_.output.size();
        read_output();
        if (result_.output.size() == before) break;
    }
    siginfo_t info{};
    sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED); });
    int code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    if (timed_out_) {
        code = -1;
        const double seconds = std::chrono::duration<double>(setup_.check.timeout).count();
        std::string words = fmt::format("Health check exceeded timeout ({:g}s)", seconds);
        if (!result_.output.empty()) words += ": " + result_.output;
        result_.output = std::move(words);
    }
    finish(code);
}

void HealthMonitor::finish(int exit_code) {
    abandon();
    result_.exit_code = exit_code;
    result_.end = rfc3339(std::chrono::system_clock::now());
    take_result(health_, setup_.check, std::move(result_), probe_began_);
    result_ = {};
    changed_();
    plan_next();
}

/// Ends the probe that is going on, if there is one, with everything that it has started.
void HealthMonitor::abandon() {
    if (limit_) limit_->disarm();
    if (output_) {
        loop_.forget(output_.get());
        output_.reset();
    }
    if (!pidfd_) return;
    loop_.forget(pidfd_.get());
    (void)sys::pidfd_send_signal(pidfd_, SIGKILL);
    siginfo_t info{};
    sys::retry_on_eintr(
        [&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED); });
    pidfd_.reset();
    pid_ = 0;
    Cgroup::at(setup_.cgroup).remove_part(kPart);
}

}  // namespace davit::runtime
