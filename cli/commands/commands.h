#pragma once

#include "base/result.h"
#include "cli/commands/image_commands.h"
#include "cli/commands/life.h"
#include "cli/commands/network.h"
#include "cli/context.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
}

/// The commands: what each one's flags say, and two functions for it, both in the file of its name.
/// `declare` tells the parser about the flags; `run` does it and returns the exit status, or the
/// error that app.cpp prints. A new command: a struct here, its file, one line in app.cpp.
namespace davit::cli {

struct UpFlags {
    bool detach = false;
    bool force_recreate = false;
    bool remove_orphans = false;
    bool no_start = false;
    std::string pull = {};  ///< Policy, over those of the services.
    bool quiet_pull = false;
    bool build = false;
    bool no_build = false;
    bool quiet_build = false;
    std::optional<int> timeout_s = {};
    bool no_log_prefix = false;
    bool no_color = false;
    bool timestamps = false;
    bool no_recreate = false;
    bool no_deps = false;
    bool always_recreate_deps = false;
    bool renew_anon_volumes = false;
    bool wait = false;
    std::optional<int> wait_timeout_s = {};
    bool abort_on_exit = false;
    bool abort_on_failure = false;
    std::string exit_code_from = {};
    bool attach_dependencies = false;
    std::vector<std::string> attach = {};
    std::vector<std::string> no_attach = {};
    std::vector<std::string> scale = {};  ///< "web=3"
    bool watch = false;                   ///< Beside the logs, as `davit watch` does.
    bool yes = false;                     ///< Accepted: nothing is asked.
    std::string plan = {};                ///< A file that `davit plan --out` has written.
    std::vector<std::string> services = {};
};

/// The flags of `up` that a plan depends on.
void declare_planning(CLI::App& command, UpFlags& flags);

struct RunFlags {
    bool detach = false;
    bool remove = false;
    std::string name = {};
    std::vector<std::string> env = {};
    std::vector<std::string> env_files = {};
    std::vector<std::string> publish = {};
    bool service_ports = false;
    std::vector<std::string> volumes = {};
    std::vector<std::string> labels = {};
    bool no_deps = false;
    bool no_tty = false;
    bool tty = false;  ///< Accepted: it is the default on a terminal.
    bool interactive = true;
    std::string entrypoint = {};
    std::string user = {};
    std::string working_dir = {};
    std::vector<std::string> cap_add = {};
    std::vector<std::string> cap_drop = {};
    std::string restart = {};
    std::string pull = {};  ///< Policy, over that of the service.
    bool quiet_pull = false;
    bool build = false;  ///< Also where the image is there.
    bool quiet_build = false;
    bool use_aliases = false;
    bool remove_orphans = false;
    std::string service = {};
    std::vector<std::string> command = {};
};

struct ScaleFlags {
    bool no_deps = false;
    std::vector<std::string> words = {};
};

struct CreateFlags {
    bool build = false;
    bool no_build = false;
    bool quiet_build = false;
    std::string pull = {};  ///< Policy, over those of the services.
    bool quiet_pull = false;
    bool force_recreate = false;
    bool no_recreate = false;
    bool remove_orphans = false;
    std::vector<std::string> scale = {};
    bool yes = false;
    std::vector<std::string> services = {};
};

struct DownFlags {
    bool volumes = false;
    bool remove_orphans = false;  ///< Accepted; orphans always go.
    std::optional<int> timeout_s = {};
    std::string images = {};  ///< --rmi: "local" or "all".
    std::vector<std::string> services = {};
};

struct PsFlags {
    bool all = false;
    bool quiet = false;
    bool services_only = false;
    bool no_trunc = false;
    bool orphans = true;  ///< Also containers of services that the file doesn't have.
    std::vector<std::string> statuses = {};
    std::vector<std::string> filters = {};
    std::string format = "table";
    std::vector<std::string> services = {};
};

struct LogsFlags {
    bool follow = false;
    std::string tail = "all";
    int index = 0;
    bool timestamps = false;
    std::string since = {};
    std::string until = {};
    bool no_log_prefix = false;
    bool no_color = false;
    std::vector<std::string> services = {};
};

struct InspectFlags {
    std::string format = {};
    std::vector<std::string> names = {};
};

struct PlanFlags {
    std::string format = "text";
    bool detailed_exitcode = false;
    std::string out = {};  ///< File for `up --plan`.
    UpFlags up = {};       ///< Those of `up` that a plan depends on.
};

struct ConfigFlags {
    std::vector<std::string> names = {};  ///< Of services.
    std::string format = "yaml";
    std::string output = {};
    std::string explain = {};
    std::optional<std::string> hash = {};
    bool quiet = false;
    bool services = false;
    bool volumes = false;
    bool networks = false;
    bool images = false;
    bool profiles = false;
    bool variables = false;
    bool environment = false;
    bool no_interpolate = false;
    bool no_normalize = false;
    bool no_env_resolution = false;
    bool no_path_resolution = false;
    bool no_consistency = false;
    bool all_resources = false;
    bool resolve_image_digests = false;
    bool lock_image_digests = false;
};

/// docker compose's older name of `config`.
struct ConvertFlags : ConfigFlags {};

struct ExecFlags {
    std::string service = {};
    std::vector<std::string> command = {};
    std::vector<std::string> env = {};
    std::string user = {};
    std::string working_dir = {};
    int index = 1;
    bool detach = false;
    bool no_tty = false;
    bool tty = false;          ///< Accepted: it is the default on a terminal.
    bool interactive = false;  ///< Accepted: it is the default.
    bool privileged = false;
};

struct ImagesFlags {
    bool quiet = false;
    bool digests = false;
    bool no_trunc = false;
    bool all = false;  ///< Accepted: no image is hidden.
    std::string format = "table";
    std::vector<std::string> filters = {};
    std::string reference = {};
};

struct BuildFlags {
    std::vector<std::string> words = {};  ///< Services, or one folder.
    std::vector<std::string> tags = {};
    std::vector<std::string> args = {};
    std::vector<std::string> labels = {};
    std::vector<std::string> secrets = {};
    std::vector<std::string> contexts = {};
    std::vector<std::string> add_hosts = {};
    std::vector<std::string> ulimits = {};
    std::vector<std::string> outputs = {};
    std::vector<std::string> ssh = {};
    std::vector<std::string> cache_from = {};
    std::vector<std::string> cache_to = {};
    std::vector<std::string> allow = {};            ///< Entitlements.
    std::vector<std::string> no_cache_filter = {};  ///< Stages.
    std::vector<std::string> attests = {};          ///< Of --attest.
    std::vector<std::string> annotations = {};      ///< Refused.
    std::vector<std::string> unheeded = {};  ///< Values of what BuildKit doesn't heed either.
    std::string platform = {};
    std::string provenance = {};
    std::string sbom = {};
    std::string builder = {};
    std::string cgroup_parent = {};  ///< Refused.
    std::string target = {};
    std::string network = {};
    std::string shm_size = {};
    std::string iid_file = {};
    std::string metadata_file = {};
    bool no_cache = false;
    bool pull = false;
    bool push = false;
    bool quiet = false;
    bool with_dependencies = false;
    bool check = false;
    bool load = false;
    bool parallel = false;   ///< Accepted: stages always are.
    bool no_effect = false;  ///< --rm and the like.
};

struct LoadFlags {
    std::string input = {};
    bool quiet = false;
};

struct ImportFlags {
    std::vector<std::string> changes = {};
    std::string message = {};
    std::string archive = {};
    std::string reference = {};
};

struct TagFlags {
    std::string source = {};
    std::string target = {};
};

struct RmiFlags {
    bool force = false;
    std::vector<std::string> images = {};
};

/// What is amiss on this host.
struct DoctorFlags {
    std::string format = "text";
};

struct VersionFlags {
    bool brief = false;
    std::string format = "pretty";
};

struct ReexecFlags {};

struct CompletionFlags {
    std::string shell = {};
};

/// Hidden: writes the manual pages, when davit is built.
struct ManualFlags {
    std::string folder = {};
};

using Command = std::variant<
    std::monostate, UpFlags, RunFlags, ScaleFlags, CreateFlags, DownFlags, StopFlags, PsFlags,
    LogsFlags, InspectFlags, PlanFlags, ConfigFlags, ConvertFlags, ExecFlags, ImagesFlags,
    LoadFlags, BuildFlags, ImportFlags, TagFlags, RmiFlags, VersionFlags, DoctorFlags,
    // about containers that are there
    WatchFlags, StartFlags, RestartFlags, PauseFlags, UnpauseFlags, AttachFlags, KillFlags, RmFlags,
    PortFlags, TopFlags, LsFlags, WaitFlags, StatsFlags, EventsFlags, CopyFlags, VolumesFlags,
    // volume …
    VolumeListFlags, VolumeInspectFlags, VolumeCreateFlags, VolumeRemoveFlags, VolumePruneFlags,
    // network …
    NetworkListFlags, NetworkInspectFlags, NetworkCreateFlags, NetworkRemoveFlags,
    NetworkPruneFlags, NetworkReloadFlags,
    // registries and archives
    PullFlags, LoginFlags, LogoutFlags, PushFlags, SaveFlags, ImageInspectFlags, HistoryFlags,
    ImageCheckFlags, ImagePruneFlags, SystemDfFlags, SystemPruneFlags, BuilderPruneFlags,
    CommitFlags, ExportFlags, ReexecFlags, DataRootMoveFlags,
    // for shells, manual and boot
    CompletionFlags, ManualFlags, EnableFlags, DisableFlags, BootFlags>;

void declare(CLI::App& command, ReexecFlags& flags);
void declare(CLI::App& command, UpFlags& flags);
void declare(CLI::App& command, RunFlags& flags);
void declare(CLI::App& command, ScaleFlags& flags);
void declare(CLI::App& command, CreateFlags& flags);
void declare(CLI::App& command, DownFlags& flags);
void declare(CLI::App& command, PsFlags& flags);
void declare(CLI::App& command, LogsFlags& flags);
void declare(CLI::App& command, InspectFlags& flags);
void declare(CLI::App& command, PlanFlags& flags);
void declare(CLI::App& command, ConfigFlags& flags);
void declare(CLI::App& command, ExecFlags& flags);
void declare(CLI::App& command, ImagesFlags& flags);
void declare(CLI::App& command, BuildFlags& flags);
void declare(CLI::App& command, LoadFlags& flags);
void declare(CLI::App& command, ImportFlags& flags);
void declare(CLI::App& command, TagFlags& flags);
void declare(CLI::App& command, RmiFlags& flags);
void declare(CLI::App& command, VersionFlags& flags);
void declare(CLI::App& command, DoctorFlags& flags);
void declare(CLI::App& command, CompletionFlags& flags);
void declare(CLI::App& command, ManualFlags& flags);

Result<int> run(const Context& context, const ReexecFlags& flags);
Result<int> run(const Context& context, const UpFlags& flags);
Result<int> run(const Context& context, const RunFlags& flags);
Result<int> run(const Context& context, const ScaleFlags& flags);
Result<int> run(const Context& context, const CreateFlags& flags);
Result<int> run(const Context& context, const DownFlags& flags);
Result<int> run(const Context& context, const PsFlags& flags);
Result<int> run(const Context& context, const LogsFlags& flags);
Result<int> run(const Context& context, const InspectFlags& flags);
Result<int> run(const Context& context, const PlanFlags& flags);
Result<int> run(const Context& context, const ConfigFlags& flags);
Result<int> run(const Context& context, const ExecFlags& flags);
Result<int> run(const Context& context, const ImagesFlags& flags);
Result<int> run(const Context& context, const BuildFlags& flags);
Result<int> run(const Context& context, const LoadFlags& flags);
Result<int> run(const Context& context, const ImportFlags& flags);
Result<int> run(const Context& context, const TagFlags& flags);
Result<int> run(const Context& context, const RmiFlags& flags);
Result<int> run(const Context& context, const VersionFlags& flags);
Result<int> run(const Context& context, const DoctorFlags& flags);
Result<int> run(const Context& context, const CompletionFlags& flags);
Result<int> run(const Context& context, const ManualFlags& flags);

/// The number and the commit of this davit, as `davit version` prints them.
std::string version_number();
std::string version_commit();

}  // namespace davit::cli
