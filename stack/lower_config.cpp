#include "stack/lower_config.h"

#include "base/bytes.h"
#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "stack/lower.h"

#include <cmath>

namespace davit::stack {
namespace {

constexpr std::uint32_t kIdsPerContainer = 65536;

Json mount_json(const char* destination, const char* type, std::vector<std::string> options) {
    return {{"destination", destination},
            {"type", type},
            {"source", type},
            {"options", std::move(options)}};
}

Json bind_json(const std::string& destination, const std::string& source,
               std::vector<std::string> options) {
    return {{"destination", destination},
            {"type", "bind"},
            {"source", source},
            {"options", std::move(options)}};
}

Json capability_sets(std::uint64_t mask) {
    const std::vector<std::string> names = runtime::capability_names(mask);
    return {{"bounding", names},
            {"effective", names},
            {"inheritable", Json::array()},
            {"permitted", names},
            {"ambient", Json::array()}};
}

Json resources_json(const compose::Resources& limits) {
    Json resources = Json::object();
    if (limits.memory_bytes > 0)
        // As Docker: as much swap again as memory.
        resources["memory"] = {{"limit", limits.memory_bytes}, {"swap", limits.memory_bytes * 2}};
    if (limits.cpus > 0) {
        constexpr long kPeriodUs = 100000;
        resources["cpu"] = {{"quota", std::lround(limits.cpus * kPeriodUs)}, {"period", kPeriodUs}};
    }
    if (limits.pids > 0) resources["pids"] = {{"limit", limits.pids}};
    Json devices = Json::array({Json{{"allow", false}, {"access", "rwm"}}});
    const auto allow = [&](const char* type, int major, int minor, const char* access) {
        Json rule = {{"allow", true}, {"type", type}, {"access", access}};
        if (major >= 0) rule["major"] = major;
        if (minor >= 0) rule["minor"] = minor;
        devices.push_back(std::move(rule));
    };
    allow("c", -1, -1, "m");
    allow("b", -1, -1, "m");
    for (const int minor : {3, 5, 7, 8, 9}) allow("c", 1, minor, "rwm");
    for (const int minor : {0, 1, 2}) allow("c", 5, minor, "rwm");
    allow("c", 136, -1, "rwm");
    resources["devices"] = std::move(devices);
    return resources;
}

std::string restart_word(const compose::RestartPolicy& policy) {
    using Condition = compose::RestartPolicy::Condition;
    switch (policy.condition) {
        case Condition::No: return "no";
        case Condition::Always: return "always";
        case Condition::UnlessStopped: return "unless-stopped";
        case Condition::OnFailure: break;
    }
    return policy.max_attempts > 0 ? fmt::format("on-failure:{}", policy.max_attempts)
                                   : std::string("on-failure");
}

/// The published ports as the guard listens on them; see runtime/relay.h.
std::string listen_ports(const ContainerRecord& record) {
    if (record.ports.empty() || record.endpoints.empty()) return {};
    Json list = Json::array();
    for (const compose::Port& port : record.ports)
        list.push_back({{"protocol", port.protocol},
                        {"host_ip", port.host_ip},
                        {"host_port", port.published},
                        {"target_ip", record.endpoints.front().ip},
                        {"target_port", port.target}});
    return list.dump();
}

/// Where the file says nothing, a log is 10 MiB and three files, so that no program fills the disk.
Result<void> add_log(const ContainerRecord& record, Json& annotations) {
    if (record.log_path.empty()) return {};
    const auto option = [&](const char* name, const char* otherwise) {
        const auto found = record.logging.options.find(name);
        return found == record.logging.options.end() ? std::string(otherwise) : found->second;
    };
    const std::string size_text = option("max-size", "10m");
    std::int64_t size = -1;
    if (size_text != "-1")
        size = TRY_DOING(parse_bytes(size_text), "read logging option 'max-size' of '{}'",
                         record.service);
    const auto files = parse_integer(option("max-file", "3"));
    if (!files || *files < 1 || *files > 1000)
        return Error(ErrorKind::InvalidInput,
                     fmt::format("logging option 'max-file' of '{}' is not a number from 1 to 1000",
                                 record.service));
    annotations[runtime::kLogPath] = record.log_path;
    annotations[runtime::kLogMaxSize] = fmt::format("{}", size);
    annotations[runtime::kLogMaxFile] = fmt::format("{}", *files);
    return {};
}

}  // namespace

Json process_json(const ContainerRecord& record, const ResolvedUser& user,
                  std::uint64_t capabilities) {
    std::vector<std::string> args = record.entrypoint;
    args.insert(args.end(), record.cmd.begin(), record.cmd.end());
    return {
        {"terminal", false},
        {"user",
         {{"uid", user.uid}, {"gid", user.gid}, {"umask", 0022}, {"additionalGids", user.groups}}},
        {"args", std::move(args)},
        {"env", record.env},
        {"cwd", record.cwd},
        {"capabilities", capability_sets(capabilities)},
        {"noNewPrivileges", false}};
}

Json mounts_json(const ContainerRecord& record, const std::string& run_dir) {
    Json mounts = Json::array();
    mounts.push_back(mount_json("/proc", "proc", {"nosuid", "noexec", "nodev"}));
    mounts.push_back(
        mount_json("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
    mounts.push_back(
        mount_json("/dev/pts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
    mounts.push_back(
        mount_json("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
    mounts.push_back(mount_json("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    mounts.push_back(mount_json("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    for (const char* file : {"hosts", "hostname", "resolv.conf"})
        mounts.push_back(bind_json(fmt::format("/etc/{}", file),
                                   fmt::format("{}/{}", run_dir, file), {"bind", "rprivate"}));
    for (const MountRecord& mount : record.mounts) {
        // Without devices, as Docker's device rules have it: a folder may hold the node of a disk.
        std::vector<std::string> options = {"rbind", "rprivate", "nodev",
                                            mount.read_only ? "ro" : "rw"};
        if (record.uid_base != 0) options.emplace_back("idmap");
        mounts.push_back(bind_json(mount.destination, mount.source, std::move(options)));
    }
    return mounts;
}

Json linux_json(const ContainerRecord& record, std::uint64_t capabilities) {
    Json namespaces = Json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
        namespaces.push_back({{"type", type}});
    Json linux_part = Json::object();
    if (record.uid_base != 0) {
        namespaces.push_back({{"type", "user"}});
        const Json map = Json::array(
            {Json{{"containerID", 0}, {"hostID", record.uid_base}, {"size", kIdsPerContainer}}});
        linux_part["uidMappings"] = map;
        linux_part["gidMappings"] = map;
    }
    linux_part["namespaces"] = std::move(namespaces);
    linux_part["cgroupsPath"] = cgroup_path(record.project, record.name);
    linux_part["resources"] = resources_json(record.resources);
    // Any program may listen on port 80 and send pings: both are its own network's business.
    linux_part["sysctl"] = {
        {"net.ipv4.ip_unprivileged_port_start", "0"},
        {"net.ipv4.ping_group_range", record.uid_base != 0 ? "0 65535" : "0 2147483647"}};
    linux_part["seccomp"] = runtime::default_seccomp(capabilities);
    linux_part["maskedPaths"] = {"/proc/acpi",
                                 "/proc/asound",
                                 "/proc/interrupts",
                                 "/proc/kcore",
                                 "/proc/keys",
                                 "/proc/latency_stats",
                                 "/proc/sched_debug",
                                 "/proc/scsi",
                                 "/proc/timer_list",
                                 "/proc/timer_stats",
                                 "/sys/devices/virtual/powercap",
                                 "/sys/firmware"};
    linux_part["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                   "/proc/sysrq-trigger"};
    return linux_part;
}

Result<Json> annotations_json(const ContainerRecord& record,
                              const std::vector<std::string>& layers) {
    std::string lower;
    for (const std::string& layer : layers) lower += (lower.empty() ? "" : "\n") + layer;
    Json annotations = {{runtime::kOverlayLower, lower},
                        {runtime::kOverlayUpper, record.state_dir + "/rw/upper"},
                        {runtime::kOverlayWork, record.state_dir + "/rw/work"},
                        {runtime::kRestart, restart_word(record.restart)}};
    if (!record.stop_signal.empty()) {
        const auto number = runtime::signal_number(record.stop_signal);
        if (!number)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("unknown stop signal '{}' of service '{}'", record.stop_signal,
                                     record.service))
                .help("use a name such as SIGTERM, or a number");
        annotations[runtime::kStopSignal] = fmt::format("{}", *number);
    }
    const std::string listen = listen_ports(record);
    if (!listen.empty()) annotations[runtime::kListen] = listen;
    TRY(add_log(record, annotations));
    return annotations;
}

}  // namespace davit::stack
