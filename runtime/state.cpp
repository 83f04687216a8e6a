#include "runtime/state.h"

#include "base/json.h"
#include "base/sys.h"
#include "runtime/protocol.h"

#include <chrono>

namespace davit::runtime {
namespace {

constexpr int kVersion = 1;

std::string path_of(const std::string& run_dir) { return run_dir + "/state.json"; }

Status status_of(const std::string& name) {
    for (const Status status :
         {Status::Created, Status::Running, Status::Restarting, Status::Paused, Status::Exited}) {
        if (name == to_string(status)) return status;
    }
    return Status::Exited;
}

bool alive(pid_t pid, unsigned long long ticks) { return pid > 0 && sys::is_alive(pid, ticks); }

/// Has the guard write its state anew, where it is damaged or gone; nothing where none answers.
std::optional<ContainerState> written_anew(const std::string& run_dir) {
    constexpr std::chrono::seconds kSoon(5);
    const Result<UniqueFd> socket = connect_control(run_dir);
    if (!socket || !send_packet(*socket, {{"op", "save"}}) ||
        !receive_packet_within(*socket, kSoon))
        return std::nullopt;
    Result<ContainerState> state = read_state(run_dir);
    return state ? std::optional(*std::move(state)) : std::nullopt;
}

}  // namespace

const char* to_string(Status status) {
    switch (status) {
        case Status::Created: return "created";
        case Status::Running: return "running";
        case Status::Restarting: return "restarting";
        case Status::Paused: return "paused";
        case Status::Exited: return "exited";
    }
    return "?";
}

Result<ContainerState> read_state(const std::string& run_dir) {
    const Json json = TRY(read_record(path_of(run_dir), kVersion));
    ContainerState state;
    state.status = status_of(string_or(json, "status"));
    state.pid = static_cast<pid_t>(integer_or(json, "pid"));
    state.start_ticks = static_cast<unsigned long long>(integer_or(json, "start_ticks"));
    state.guard_pid = static_cast<pid_t>(integer_or(json, "guard_pid"));
    state.guard_start_ticks =
        static_cast<unsigned long long>(integer_or(json, "guard_start_ticks"));
    state.exit_code = static_cast<int>(integer_or(json, "exit_code"));
    state.oom_killed = json.value("oom_killed", false);
    state.error = string_or(json, "error");
    state.started_at = string_or(json, "started_at");
    state.finished_at = string_or(json, "finished_at");
    state.restart_count = static_cast<int>(integer_or(json, "restart_count"));
    state.stopped_by_user = json.value("stopped_by_user", false);
    state.stopping = json.value("stopping", false);
    if (const auto health = json.find("health"); health != json.end() && health->is_object())
        state.health = health_of(*health);
    if (const auto keeper = json.find("keeper"); keeper != json.end() && keeper->is_object()) {
        state.keeper.pid = static_cast<pid_t>(integer_or(*keeper, "pid"));
        state.keeper.start_ticks =
            static_cast<unsigned long long>(integer_or(*keeper, "start_ticks"));
    }
    return state;
}

Result<void> write_state(const std::string& run_dir, const ContainerState& state) {
    Json json = {{"version", kVersion},
                 {"status", to_string(state.status)},
                 {"pid", state.pid},
                 {"start_ticks", state.start_ticks},
                 {"guard_pid", state.guard_pid},
                 {"guard_start_ticks", state.guard_start_ticks},
                 {"exit_code", state.exit_code},
                 {"oom_killed", state.oom_killed},
                 {"error", state.error},
                 {"started_at", state.started_at},
                 {"finished_at", state.finished_at},
                 {"restart_count", state.restart_count},
                 {"stopped_by_user", state.stopped_by_user}};
    if (state.stopping) json["stopping"] = true;
    if (state.health) json["health"] = to_json(*state.health);
    if (state.keeper.pid != 0)
        json["keeper"] = {{"pid", state.keeper.pid}, {"start_ticks", state.keeper.start_ticks}};
    // The run root lives as long as the processes do: nothing to keep through a power cut.
    return write_json(path_of(run_dir), json, Sync::No);
}

Result<ContainerState> observe_state(const std::string& run_dir) {
    Result<ContainerState> read = read_state(run_dir);
    if (!read && read.error().kind() == ErrorKind::Unsupported) return std::move(read).error();
    ContainerState state;
    if (read) {
        state = *std::move(read);
    } else if (std::optional<ContainerState> anew = written_anew(run_dir)) {
        state = *std::move(anew);
    } else if (read.error().kind() == ErrorKind::NotFound) {
        return state;
    } else {
        state.status = Status::Exited;
        state.exit_code = -1;
        state.error = "what was known of it is damaged, and it has no guard";
    }
    if (state.pid != 0 && !alive(state.pid, state.start_ticks)) {
        state.pid = 0;
        // With its guard alive the exit is about to be recorded; without, nobody saw the code.
        if (!guard_alive(state) && state.status != Status::Exited) {
            state.status = Status::Exited;
            state.exit_code = -1;
            state.error = "its guard was killed and could not record how it ended";
        }
    } else if (state.pid == 0 && state.status != Status::Exited && !guard_alive(state)) {
        state.status = Status::Exited;
    }
    return state;
}

bool guard_alive(const ContainerState& state) {
    return alive(state.guard_pid, state.guard_start_ticks);
}

}  // namespace davit::runtime
