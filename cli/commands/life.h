#pragma once

#include "base/result.h"
#include "cli/context.h"

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

/// The commands about containers that are there already; see commands.h.
namespace davit::cli {

struct StopFlags {
    std::optional<int> timeout_s = {};
    std::vector<std::string> services = {};
};

struct StartFlags {
    bool wait = false;
    std::optional<int> wait_timeout_s = {};
    std::vector<std::string> services = {};
};

struct RestartFlags {
    std::optional<int> timeout_s = {};
    bool no_deps = false;
    std::vector<std::string> services = {};
};

struct KillFlags {
    std::string signal = "SIGKILL";
    bool remove_orphans = false;
    std::vector<std::string> services = {};
};

struct RmFlags {
    bool force = false;
    bool stop = false;
    bool volumes = false;
    bool all = false;  ///< Accepted, without effect, as with docker compose.
    std::vector<std::string> services = {};
};

struct PortFlags {
    std::string protocol = "tcp";
    int index = 0;
    std::string service = {};
    std::string port = {};
};

struct PauseFlags {
    std::vector<std::string> services = {};
};

struct UnpauseFlags {
    std::vector<std::string> services = {};
};

struct AttachFlags {
    std::string detach_keys = {};
    int index = 0;
    bool no_stdin = false;
    bool sig_proxy = true;
    std::string service = {};
};

struct TopFlags {
    std::vector<std::string> services = {};
};

struct LsFlags {
    bool all = false;
    bool quiet = false;
    std::string format = "table";
    std::vector<std::string> filters = {};
};

struct WaitFlags {
    bool down_project = false;
    std::vector<std::string> services = {};
};

struct StatsFlags {
    bool all = false;
    bool no_stream = false;
    bool no_trunc = false;
    std::string format = "table";
    std::vector<std::string> services = {};
};

struct EventsFlags {
    bool json = false;
    std::string since = {};
    std::string until = {};
    std::vector<std::string> services = {};
};

struct CopyFlags {
    bool archive = false;
    bool follow_link = false;
    bool all = false;
    int index = 0;
    std::string source = {};
    std::string destination = {};
};

struct VolumesFlags {
    bool quiet = false;
    std::string format = "table";
    std::vector<std::string> services = {};
};

struct VolumeListFlags {
    bool quiet = false;
    std::string format = "table";
    std::vector<std::string> filters = {};
};

struct VolumeInspectFlags {
    std::string format = {};
    std::vector<std::string> names = {};
};

struct VolumeCreateFlags {
    std::string name = {};
    std::string driver = "local";
    std::vector<std::string> labels = {};
    std::vector<std::string> options = {};
};

struct VolumeRemoveFlags {
    bool force = false;
    std::vector<std::string> names = {};
};

struct VolumePruneFlags {
    bool all = false;
    bool force = false;
};

struct WatchFlags {
    bool no_up = false;
    bool quiet = false;
    bool prune = true;  ///< Accepted.
    std::vector<std::string> services = {};
    // Of the `up --watch` beside which it runs; see watch_beside.h.
    std::vector<std::string> scale = {};
    std::optional<int> timeout_s = {};
    int tell_fd = -1;  ///< A pipe that gets a byte after whatever was done to containers.
};

struct EnableFlags {
    std::string root = {};  ///< Another root file system to write the unit into.
    std::string project = {};
};

struct DisableFlags {
    std::string root = {};
    std::string project = {};
};

/// Hidden: what the unit of a project calls.
struct BootFlags {
    std::string action = {};  ///< "up" or "down"
    std::string project = {};
};

void declare(CLI::App& command, WatchFlags& flags);
void declare(CLI::App& command, EnableFlags& flags);
void declare(CLI::App& command, DisableFlags& flags);
void declare(CLI::App& command, BootFlags& flags);
void declare(CLI::App& command, StopFlags& flags);
void declare(CLI::App& command, StartFlags& flags);
void declare(CLI::App& command, RestartFlags& flags);
void declare(CLI::App& command, KillFlags& flags);
void declare(CLI::App& command, RmFlags& flags);
void declare(CLI::App& command, PortFlags& flags);
void declare(CLI::App& command, PauseFlags& flags);
void declare(CLI::App& command, UnpauseFlags& flags);
void declare(CLI::App& command, AttachFlags& flags);
void declare(CLI::App& command, TopFlags& flags);
void declare(CLI::App& command, LsFlags& flags);
void declare(CLI::App& command, WaitFlags& flags);
void declare(CLI::App& command, StatsFlags& flags);
void declare(CLI::App& command, EventsFlags& flags);
void declare(CLI::App& command, CopyFlags& flags);
void declare(CLI::App& command, VolumesFlags& flags);
void declare(CLI::App& command, VolumeListFlags& flags);
void declare(CLI::App& command, VolumeInspectFlags& flags);
void declare(CLI::App& command, VolumeCreateFlags& flags);
void declare(CLI::App& command, VolumeRemoveFlags& flags);
void declare(CLI::App& command, VolumePruneFlags& flags);

Result<int> run(const Context& context, const WatchFlags& flags);
Result<int> run(const Context& context, const EnableFlags& flags);
Result<int> run(const Context& context, const DisableFlags& flags);
Result<int> run(const Context& context, const BootFlags& flags);
Result<int> run(const Context& context, const StopFlags& flags);
Result<int> run(const Context& context, const StartFlags& flags);
Result<int> run(const Context& context, const RestartFlags& flags);
Result<int> run(const Context& context, const KillFlags& flags);
Result<int> run(const Context& context, const RmFlags& flags);
Result<int> run(const Context& context, const PortFlags& flags);
Result<int> run(const Context& context, const PauseFlags& flags);
Result<int> run(const Context& context, const UnpauseFlags& flags);
Result<int> run(const Context& context, const AttachFlags& flags);
Result<int> run(const Context& context, const TopFlags& flags);
Result<int> run(const Context& context, const LsFlags& flags);
Result<int> run(const Context& context, const WaitFlags& flags);
Result<int> run(const Context& context, const StatsFlags& flags);
Result<int> run(const Context& context, const EventsFlags& flags);
Result<int> run(const Context& context, const CopyFlags& flags);
Result<int> run(const Context& context, const VolumesFlags& flags);
Result<int> run(const Context& context, const VolumeListFlags& flags);
Result<int> run(const Context& context, const VolumeInspectFlags& flags);
Result<int> run(const Context& context, const VolumeCreateFlags& flags);
Result<int> run(const Context& context, const VolumeRemoveFlags& flags);
Result<int> run(const Context& context, const VolumePruneFlags& flags);

}  // namespace davit::cli
