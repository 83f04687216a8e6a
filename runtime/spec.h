#pragma once

#include "base/json.h"
#include "base/result.h"
#include "runtime/spec_resources.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// The OCI runtime configuration (config.json) as plain values: what this runtime understands of
/// it. Names follow the runtime specification. @source OCI runtime-spec 1.2, config.md,
/// config-linux.md
namespace davit::runtime {

struct IdMapping {
    std::uint32_t container_id = 0;
    std::uint32_t host_id = 0;
    std::uint32_t size = 0;
};

struct SpecUser {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> additional_gids = {};
    std::uint32_t umask = 0022;
};

struct SpecRlimit {
    int resource = 0;  ///< RLIMIT_…
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

/// Capability sets as bit masks, bit n being capability n. @source capabilities(7)
struct SpecCapabilities {
    std::uint64_t bounding = 0;
    std::uint64_t effective = 0;
    std::uint64_t inheritable = 0;
    std::uint64_t permitted = 0;
    std::uint64_t ambient = 0;
};

struct SpecMount {
    std::string destination = {};
    std::string type = {};
    std::string source = {};
    std::vector<std::string> options = {};
    std::vector<IdMapping> uid_mappings = {};  ///< For `idmap`; empty: the container's own.
    std::vector<IdMapping> gid_mappings = {};
};

/// A device node that the container gets. @source config-linux.md "Devices"
struct SpecDevice {
    std::string path = {};  ///< In the container.
    char type = 'c';        ///< 'c', 'b' or 'p' (FIFO)
    unsigned major = 0;
    unsigned minor = 0;
    std::uint32_t mode = 0666;
    std::uint32_t uid = 0;  ///< As the container sees it.
    std::uint32_t gid = 0;
};

/// Which memory nodes the program's memory comes from. @source OCI config-linux.md "Memory policy"
struct SpecMemoryPolicy {
    int mode = 0;                           ///< With its flags, as set_mempolicy(2) takes it.
    std::vector<unsigned long> nodes = {};  ///< A bit for each node.
};

/// How a program is scheduled. @source sched_setattr(2), config.md "scheduler"
struct SpecScheduler {
    std::uint32_t policy = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t flags = 0;
    std::uint64_t runtime_ns = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};

struct SpecHook {
    std::string path = {};
    std::vector<std::string> args = {};  ///< With argv[0]; empty: the path alone.
    std::vector<std::string> env = {};
    std::optional<int> timeout_seconds = {};
};

/// @source config.md "POSIX-platform Hooks"
struct SpecHooks {
    std::vector<SpecHook> prestart = {};
    std::vector<SpecHook> create_runtime = {};
    std::vector<SpecHook> create_container = {};
    std::vector<SpecHook> start_container = {};
    std::vector<SpecHook> poststart = {};
    std::vector<SpecHook> poststop = {};
};

/// Which namespaces the container has other than the host's: new ones, or, where `paths` names one
/// by the type's name, an existing one that it joins.
struct SpecNamespaces {
    bool pid = false;
    bool network = false;
    bool mount = false;
    bool ipc = false;
    bool uts = false;
    bool user = false;
    bool cgroup = false;
    bool time = false;
    std::map<std::string, std::string> paths = {};  ///< {"network", "/run/netns/x"}

    /// The path of the namespace to join; empty where there is none.
    std::string path_of(const std::string& type) const;
};

struct Spec {
    std::string id = {};       ///< Not in the file; for hooks.
    std::string bundle = {};   ///< Not in the file; its folder.
    std::string version = {};  ///< ociVersion

    std::vector<std::string> args = {};
    std::vector<std::string> env = {};
    std::string cwd = "/";
    SpecUser user = {};
    SpecCapabilities capabilities = {};
    std::vector<SpecRlimit> rlimits = {};
    bool no_new_privileges = false;
    std::optional<int> oom_score_adj = {};
    bool terminal = false;
    unsigned console_rows = 0;
    unsigned console_columns = 0;
    std::string apparmor_profile = {};
    std::string selinux_label = {};
    std::optional<int> io_priority = {};  ///< As ioprio_set(2) takes it.
    std::optional<SpecScheduler> scheduler = {};
    std::optional<SpecMemoryPolicy> memory_policy = {};
    std::string exec_cpus = {};  ///< CPUs of a further program, as cpuset.cpus writes them.
    /// Those that it has until it is in the container's cgroup.
    std::string exec_cpus_before = {};
    /// Whether the program gets a session keyring of its own. keyrings(7)
    bool new_keyring = true;

    std::string root_path = {};
    bool root_readonly = false;
    std::string hostname = {};
    std::string domainname = {};
    std::vector<SpecMount> mounts = {};

    SpecNamespaces namespaces = {};
    std::vector<IdMapping> uid_mappings = {};
    std::vector<IdMapping> gid_mappings = {};
    std::string cgroups_path = {};
    SpecResources resources = {};
    std::optional<Json> seccomp = {};  ///< As it stands in the file; see seccomp.h.
    std::vector<std::string> masked_paths = {};
    std::vector<std::string> readonly_paths = {};
    std::map<std::string, std::string> sysctl = {};
    std::vector<SpecDevice> devices = {};
    /// MS_PRIVATE, MS_SLAVE, … with MS_REC; 0: private.
    unsigned long rootfs_propagation = 0;
    std::string mount_label = {};
    std::optional<unsigned long> personality = {};
    std::map<std::string, std::string> time_offsets = {};  ///< {"boottime", "secs nanosecs"}
    SpecHooks hooks = {};
    std::map<std::string, std::string> annotations = {};
};

/// Decodes and checks a configuration. What this runtime doesn't do is refused by name: nothing is
/// left out silently. @errors InvalidInput, Unsupported
Result<Spec> parse_spec(const Json& json);

/// Reads `bundle`/config.json.
Result<Spec> read_spec(const std::string& bundle);

/// A type of mount beside the kernel's: what an image has, read-only. The source is its layers, as
/// kOverlayLower has them.
inline constexpr const char* kImageMount = "io.davit.image";

/// Another one: a file that begins as a copy of the source and is the container's own, in its
/// memory. A bind of the source would let it fill the file system that the source is on.
inline constexpr const char* kCopyMount = "io.davit.copy";

// Annotations: what Compose asks for and OCI has no word for.
inline constexpr const char* kOverlayLower =
    "io.davit.overlay.lower";  ///< Folders, top first, a line each.
inline constexpr const char* kOverlayUpper = "io.davit.overlay.upper";
inline constexpr const char* kOverlayWork = "io.davit.overlay.work";
/// Set: the ids of root.path on disk are those that the container sees.
inline constexpr const char* kIdmapRoot = "io.davit.root.idmap";
inline constexpr const char* kLogPath = "io.davit.log.path";  ///< Absent: output is thrown away.
inline constexpr const char* kLogMaxSize = "io.davit.log.max-size";  ///< Bytes; "-1": no limit.
inline constexpr const char* kLogMaxFile = "io.davit.log.max-file";
/// Set: rotated files are compressed.
inline constexpr const char* kLogCompress = "io.davit.log.compress";
inline constexpr const char* kLogTarget = "io.davit.log.target";     ///< JSON; see log_forward.h.
inline constexpr const char* kRestart = "io.davit.restart";          ///< As Compose writes it.
inline constexpr const char* kHealthCheck = "io.davit.healthcheck";  ///< JSON; see health.h.
/// With a namespace's type behind it: the run folder of the container whose namespace is joined.
inline constexpr const char* kJoin = "io.davit.join.";
/// "open": it can be attached to; "once": its end is the program's.
inline constexpr const char* kStdin = "io.davit.stdin";
inline constexpr const char* kStopSignal = "io.davit.stop-signal";  ///< Number.
/// Set: the program keeps the caller's session keyring.
inline constexpr const char* kKeepKeyring = "io.davit.keep-keyring";
/// The scope of systemd that the cgroup is. @source systemd_scope.h
inline constexpr const char* kSystemdUnit = "io.davit.systemd-unit";
inline constexpr const char* kSystemdSlice = "io.davit.systemd-slice";
inline constexpr const char* kDns = "io.davit.dns";        ///< JSON; see dns_zone.h.
inline constexpr const char* kRules = "io.davit.rules";    ///< JSON; see rules_watch.h.
inline constexpr const char* kListen = "io.davit.listen";  ///< JSON; see guard_ports.h.

}  // namespace davit::runtime
