#include "stack/await.h"

#include "base/strings.h"
#include "base/sys.h"
#include "runtime/state.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace davit::stack {
namespace {

using compose::Awaited;
using runtime::ContainerState;
using runtime::HealthStatus;
using runtime::Status;
using Clock = std::chrono::steady_clock;

/// A process that is gone while its guard lives has not ended yet: how is about to be written down.
bool has_ended(const ContainerState& state) { return state.status == Status::Exited; }

std::string last_probe(const ContainerState& state) {
    if (!state.health || state.health->log.empty()) return {};
    const runtime::ProbeResult& probe = state.health->log.back();
    constexpr std::size_t kShown = 200;
    const std::string output = printable(trim(probe.output).substr(0, kShown));
    const std::string how =
        probe.exit_code < 0 ? "failed" : fmt::format("exited with {}", probe.exit_code);
    return fmt::format("last probe {}{}{}", how, output.empty() ? "" : ": ", output);
}

Error unhealthy(const std::string& name, const ContainerState& state) {
    const std::string probe = last_probe(state);
    return Error(ErrorKind::System, fmt::format("container {} is unhealthy{}{}", name,
                                                probe.empty() ? "" : "; ", probe))
        .help(fmt::format("see 'davit logs' and 'davit inspect {}'", name));
}

Error exited(const std::string& name, const ContainerState& state) {
    if (!state.error.empty())
        return {ErrorKind::System,
                fmt::format("container {} could not run: {}", name, state.error)};
    return {ErrorKind::System, fmt::format("container {} exited ({})", name, state.exit_code)};
}

/// True: it holds; false: not yet.
Result<bool> holds(const std::string& name, const ContainerState& state, Awaited condition) {
    const bool ended = has_ended(state);
    if (condition == Awaited::Completed) {
        if (!ended) return false;
        if (state.exit_code == 0 && state.error.empty()) return true;
        return exited(name, state);
    }
    if (ended) {
        // A program that has done its work and ended well has run: docker compose's --wait takes
        // only those that still run, which makes a race of every short one.
        if (condition == Awaited::Running && state.exit_code == 0 && state.error.empty())
            return true;
        return exited(name, state);
    }
    if (!state.health) {
        if (condition == Awaited::Running) return state.status == Status::Running;
        if (state.status != Status::Running) return false;
        return Error(ErrorKind::InvalidInput,
                     fmt::format("container {} has no healthcheck configured", name))
            .help("give its service a 'healthcheck', or wait for 'service_started'");
    }
    if (state.health->status == HealthStatus::Unhealthy) return unhealthy(name, state);
    return state.health->status == HealthStatus::Healthy && state.status == Status::Running;
}

/// What only the guard could say will never be said where it was killed and its container lives.
bool is_watched(const ContainerState& state, Awaited condition) {
    return condition == Awaited::Completed || !state.health || state.pid == 0 ||
           runtime::guard_alive(state);
}

Error unwatched(const std::string& name) {
    return Error(
               ErrorKind::System,
               fmt::format("the guard of container {} was killed: nobody checks its health", name))
        .help("bring it back: davit up -d");
}

class FolderWatch {
public:
    static Result<FolderWatch> create(const std::string& folder) {
        FolderWatch watch;
        watch.fd_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch.fd_ || ::inotify_add_watch(watch.fd_.get(), folder.c_str(),
                                              IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR) == -1) {
            const int error_number = errno;
            return Error::from_errno(error_number, "inotify_add_watch(2)")
                .doing("watch '{}'", folder);
        }
        return watch;
    }
    int fd() const { return fd_.get(); }
    void drain() const {
        alignas(inotify_event) char buffer[4096];
        while (sys::retry_on_eintr([&] { return ::read(fd_.get(), buffer, sizeof buffer); }) > 0) {
        }
    }

private:
    UniqueFd fd_ = {};
};

/// Milliseconds until `deadline`, at least 0; -1 without one.
int left(const std::optional<Clock::time_point>& deadline) {
    if (!deadline) return -1;
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
    return static_cast<int>(std::clamp<long long>(rest.count(), 0, 1'000'000'000));
}

}  // namespace

Result<void> await_container(const Paths& paths, const std::string& project,
                             const std::string& name, Awaited condition,
                             const AwaitOptions& options) {
    const std::string run_dir = paths.run_container(project, name);
    const FolderWatch watch = TRY(FolderWatch::create(run_dir));
    for (;;) {
        const ContainerState state = TRY(runtime::observe_state(run_dir));
        if (TRY(holds(name, state, condition))) return {};
        if (!is_watched(state, condition)) {
            // It may have ended between the two looks.
            const ContainerState again = TRY(runtime::observe_state(run_dir));
            if (TRY(holds(name, again, condition))) return {};
            if (!is_watched(again, condition)) return unwatched(name);
        }
        const int timeout = left(options.deadline);
        if (timeout == 0)
            return Error(ErrorKind::TimedOut, fmt::format("timeout waiting for container {}: {}",
                                                          name, standing_of(paths, project, name)));
        // A guard that is killed writes nothing: its end is looked for now and then.
        constexpr int kLookAgainMs = 5000;
        const int wait_ms = timeout < 0 ? kLookAgainMs : std::min(timeout, kLookAgainMs);
        pollfd readable[] = {{watch.fd(), POLLIN, 0}, {options.cancel_fd, POLLIN, 0}};
        sys::retry_on_eintr([&] { return ::poll(readable, 2, wait_ms); });
        if (readable[1].revents != 0)
            return Error(ErrorKind::Cancelled, fmt::format("waiting for container {}", name));
        watch.drain();
    }
}

std::string standing_of(const Paths& paths, const std::string& project, const std::string& name) {
    const Result<ContainerState> state = runtime::observe_state(paths.run_container(project, name));
    if (!state) return "unknown";
    std::string text = runtime::to_string(state->status);
    // Who starts again and again has said in its log why.
    if (state->status == Status::Restarting)
        text += fmt::format(" (exited with {}: see 'davit logs {}')", state->exit_code, name);
    if (state->health)
        text += fmt::format(", health: {}", runtime::to_string(state->health->status));
    const std::string probe = last_probe(*state);
    return probe.empty() ? text : text + ", " + probe;
}

}  // namespace davit::stack
