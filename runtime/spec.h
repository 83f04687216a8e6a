#pragma once

#include "base/json.h"
#include "base/result.h"

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
};

struct SpecDeviceRule {
    bool allow = false;
    char type = 'a';                         ///< 'a', 'b' or 'c'
    std::optional<std::int64_t> major = {};  ///< Absent: all.
    std::optional<std::int64_t> minor = {};
    std::string access = "rwm";
};

struct SpecResources {
    std::optional<std::int64_t> memory_limit = {};  ///< Bytes.
    std::optional<std::int64_t> memory_swap = {};   ///< Bytes, memory included; -1: no limit.
    std::optional<std::int64_t> memory_reservation = {};
    std::optional<std::uint64_t> cpu_shares = {};
    std::optional<std::int64_t> cpu_quota_us = {};
    std::optional<std::uint64_t> cpu_period_us = {};
    std::optional<std::int64_t> pids_limit = {};  ///< <= 0: no limit.
    std::vector<SpecDeviceRule> devices = {};
};

/// Which namespaces the container gets of its own; one that is not asked for is the host's.
struct SpecNamespaces {
    bool pid = false;
    bool network = false;
    bool mount = false;
    bool ipc = false;
    bool uts = false;
    bool user = false;
    bool cgroup = false;
};

struct Spec {
    std::vector<std::string> args = {};
    std::vector<std::string> env = {};
    std::string cwd = "/";
    SpecUser user = {};
    SpecCapabilities capabilities = {};
    std::vector<SpecRlimit> rlimits = {};
    bool no_new_privileges = false;
    std::optional<int> oom_score_adj = {};

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
    std::map<std::string, std::string> annotations = {};
};

/// Decodes and checks a configuration. What this runtime doesn't do yet (hooks, a terminal,
/// namespaces by path, …) is refused by name: nothing is left out silently.
/// @errors InvalidInput, Unsupported
Result<Spec> parse_spec(const Json& json);

/// Reads `bundle`/config.json.
Result<Spec> read_spec(const std::string& bundle);

// Annotations: what Compose asks for and OCI has no word for.
inline constexpr const char* kOverlayLower =
    "io.davit.overlay.lower";  ///< Folders, top first, a line each.
inline constexpr const char* kOverlayUpper = "io.davit.overlay.upper";
inline constexpr const char* kOverlayWork = "io.davit.overlay.work";
inline constexpr const char* kLogPath = "io.davit.log.path";  ///< Absent: output is thrown away.
inline constexpr const char* kLogMaxSize = "io.davit.log.max-size";  ///< Bytes; "-1": no limit.
inline constexpr const char* kLogMaxFile = "io.davit.log.max-file";
inline constexpr const char* kRestart = "io.davit.restart";          ///< As Compose writes it.
inline constexpr const char* kHealthCheck = "io.davit.healthcheck";  ///< JSON; see health.h.
/// With a namespace's type behind it: the run folder of the container whose namespace is joined.
inline constexpr const char* kJoin = "io.davit.join.";
/// "open": it can be attached to; "once": its end is the program's.
inline constexpr const char* kStdin = "io.davit.stdin";
inline constexpr const char* kStopSignal = "io.davit.stop-signal";  ///< Number.
inline constexpr const char* kListen = "io.davit.listen";           ///< JSON; see guard_ports.h.

}  // namespace davit::runtime
