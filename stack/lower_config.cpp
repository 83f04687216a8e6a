#include "stack/lower_config.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/labels.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"
#include "stack/log_target.h"
#include "stack/lower.h"
#include "stack/seccomp_profile.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <map>
#include <sys/resource.h>

namespace davit::stack {
namespace {

constexpr const char* kInitProgram = "/dev/init";

/// "nofile" as OCI writes it.
std::string rlimit_name(const std::string& ulimit) {
    std::string name = "RLIMIT_";
    for (const char c : ulimit)
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

/// Sysctls of namespaces that a container has for itself. @source sysctl(5), namespaces(7)
bool is_own_sysctl(const std::string& name) {
    constexpr std::array<std::string_view, 8> kOfIpc = {
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    return name.starts_with("net.") || name.starts_with("fs.mqueue.") ||
           std::find(kOfIpc.begin(), kOfIpc.end(), name) != kOfIpc.end();
}

bool has_all(const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [](const std::string& name) {
        return name == "ALL" || name == "all" || name == "CAP_ALL";
    });
}

std::vector<std::string> without_all(std::vector<std::string> names) {
    std::erase_if(names, [](const std::string& name) { return has_all({name}); });
    return names;
}

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
    // The guard passes on to an address of either family; internal networks publish nothing.
    std::string target;
    for (const Endpoint& endpoint : record.endpoints) {
        if (endpoint.host_link.empty()) continue;  // the host has no way to a shared link
        if (endpoint.default4 && !endpoint.ip.empty()) target = endpoint.ip;
        if (endpoint.default6 && !endpoint.ip6.empty() && target.empty()) target = endpoint.ip6;
    }
    if (record.ports.empty() || target.empty()) return {};
    Json list = Json::array();
    for (const compose::Port& port : record.ports)
        list.push_back({{"protocol", port.protocol},
                        {"host_ip", port.host_ip},
                        {"host_port", port.published},
                        {"target_ip", target},
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
    if (option("compress", record.logging.driver == "local" ? "true" : "false") == "true")
        annotations[runtime::kLogCompress] = "yes";
    if (const auto target = TRY(log_target_of(record)))
        annotations[runtime::kLogTarget] = runtime::to_json(*target).dump();
    return {};
}

/// As Docker does it, a kernel without the module leaves the option out; but not without a word.
void add_labels(const compose::Privileges& privileges, Json& process) {
    if (!privileges.apparmor_profile.empty()) {
        if (runtime::apparmor_enabled())
            process["apparmorProfile"] = privileges.apparmor_profile;
        else
            log::warn("stack", "this kernel has no AppArmor: profile '{}' is not applied",
                      printable(privileges.apparmor_profile));
    }
    if (privileges.selinux_parts.empty()) return;
    if (!runtime::selinux_enabled())
        return log::warn("stack", "this kernel has no SELinux: the label is not applied");
    std::map<std::string, std::string> parts = privileges.selinux_parts;
    // What the policy of containers has. @source container_contexts(5)
    parts.insert(
        {{"user", "system_u"}, {"role", "system_r"}, {"type", "container_t"}, {"level", "s0"}});
    process["selinuxLabel"] =
        fmt::format("{}:{}:{}:{}", parts["user"], parts["role"], parts["type"], parts["level"]);
}

}  // namespace

/// @source moby daemon/pkg/oci/caps TweakCapabilities
Result<std::uint64_t> capabilities_of(const compose::Service& service) {
    const compose::Privileges& privileges = service.privileges;
    const std::uint64_t add = TRY(runtime::capability_mask(without_all(privileges.cap_add)));
    const std::uint64_t drop = TRY(runtime::capability_mask(without_all(privileges.cap_drop)));
    std::uint64_t mask = runtime::default_capabilities();
    if (privileges.privileged) return runtime::all_capabilities();
    if (has_all(privileges.cap_add)) mask = runtime::all_capabilities();
    if (has_all(privileges.cap_drop)) mask = 0;
    return (mask & ~drop) | add;
}

std::optional<AttributeProblem> kernel_problem(const compose::Service& service) {
    for (const auto& [attribute, names] : {std::pair{"cap_add", &service.privileges.cap_add},
                                           std::pair{"cap_drop", &service.privileges.cap_drop}}) {
        if (const auto mask = runtime::capability_mask(without_all(*names)); !mask)
            return AttributeProblem{attribute, mask.error().to_string(), mask.error().help()};
    }
    for (const auto& [name, limit] : service.ulimits) {
        if (!runtime::rlimit_number(rlimit_name(name)))
            return AttributeProblem{"ulimits", fmt::format("there is no ulimit '{}'", name),
                                    "use a name such as nofile, nproc or memlock"};
    }
    for (const auto& [name, value] : service.sysctls) {
        if (!is_own_sysctl(name))
            return AttributeProblem{
                "sysctls", fmt::format("'{}' is not a container's own, but the host's", name),
                "set it on the host with sysctl(8)"};
    }
    for (const auto& [name, value] : service.sysctls) {
        if (name.starts_with("net.") && service.network_mode == "host")
            return AttributeProblem{"sysctls",
                                    fmt::format("'{}' is the host's with the host's network", name),
                                    "set it on the host with sysctl(8)"};
    }
    for (const auto& [name, value] : service.annotations) {
        if (name.starts_with("io.davit."))
            return AttributeProblem{"annotations", fmt::format("'{}' is davit's own", name),
                                    "use another prefix"};
    }
    return std::nullopt;
}

Json process_json(const ContainerRecord& record, const ResolvedUser& user,
                  const compose::Service& service, std::uint64_t capabilities) {
    std::vector<std::string> args;
    if (service.init) args = {kInitProgram, "init", "--"};
    args.insert(args.end(), record.entrypoint.begin(), record.entrypoint.end());
    args.insert(args.end(), record.cmd.begin(), record.cmd.end());
    Json rlimits = Json::array();
    const auto limit = [](std::int64_t value) {
        return value < 0 ? RLIM_INFINITY : static_cast<rlim_t>(value);
    };
    for (const auto& [name, ulimit] : service.ulimits)
        rlimits.push_back({{"type", rlimit_name(name)},
                           {"soft", limit(ulimit.soft)},
                           {"hard", limit(ulimit.hard)}});
    Json process = {
        {"terminal", service.tty},
        {"user",
         {{"uid", user.uid}, {"gid", user.gid}, {"umask", 0022}, {"additionalGids", user.groups}}},
        {"args", std::move(args)},
        {"env", record.env},
        {"cwd", record.cwd},
        {"capabilities", capability_sets(capabilities)},
        {"noNewPrivileges", service.privileges.no_new_privileges},
        {"rlimits", std::move(rlimits)}};
    if (service.oom_score_adj) process["oomScoreAdj"] = *service.oom_score_adj;
    add_labels(service.privileges, process);
    return process;
}

namespace {

/// /dev/shm: of its own, or a folder that others have too. IPC objects of the host need its folder.
void add_shared_memory(const ContainerInputs& in, Json& mounts) {
    const compose::Service& service = in.wanted->config;
    const std::string& ipc = service.sharing.ipc;
    if (ipc == "none") return;
    const std::string folder = ipc == "host" ? std::string("/dev/shm") : in.joins.shm_dir;
    if (!folder.empty()) {
        mounts.push_back(
            bind_json("/dev/shm", folder, {"bind", "rprivate", "nosuid", "noexec", "nodev"}));
        return;
    }
    mounts.push_back(
        mount_json("/dev/shm", "tmpfs",
                   {"nosuid", "noexec", "nodev", "mode=1777",
                    service.shm_size_bytes > 0 ? fmt::format("size={}", service.shm_size_bytes)
                                               : std::string("size=65536k")}));
}

/// Where something is mounted, and how.
using Own = std::vector<std::pair<std::string, Json>>;

void add_devices(const ContainerInputs& in, const ContainerRecord& record, Own& own) {
    if (in.uid_base == 0) return;  // the runtime makes them: see devices_json
    for (std::size_t i = 0; i < in.devices.size(); ++i)
        own.emplace_back(in.devices[i].target,
                         bind_json(in.devices[i].target, device_file(record.state_dir, i),
                                   {"bind", "rprivate", "nosuid", "noexec", "dev"}));
}

Json mount_json(const ContainerInputs& in, const ContainerRecord& record,
                const MountRecord& mount) {
    if (mount.type == "image") {
        std::string layers;
        if (const auto image = in.mounted_images.find(mount.source);
            image != in.mounted_images.end())
            for (const std::string& layer : image->second.layers)
                layers += (layers.empty() ? "" : "\n") + layer;
        std::vector<std::string> options = {"nosuid", "nodev", "ro"};
        options.insert(options.end(), mount.options.begin(), mount.options.end());
        return {{"destination", mount.destination},
                {"type", runtime::kImageMount},
                {"source", layers},
                {"options", std::move(options)}};
    }
    std::vector<std::string> options = {mount.alone ? "bind" : "rbind",
                                        mount.propagation.empty() ? "rprivate" : mount.propagation};
    // Without devices, as Docker's device rules have it: a folder may hold the node of a disk. A
    // file with rules of its own says what may be opened, as for a bind of /dev/bus/usb.
    const compose::Service& service = in.wanted->config;
    if (!service.privileges.privileged && service.device_cgroup_rules.empty())
        options.emplace_back("nodev");
    options.emplace_back(mount.read_only ? "ro" : "rw");
    // Configs and secrets belong to the range already: the run root is often a tmpfs.
    if (record.uid_base != 0 && !mount.file) options.emplace_back("idmap");
    options.insert(options.end(), mount.options.begin(), mount.options.end());
    return bind_json(mount.destination, mount.source, std::move(options));
}

}  // namespace

Json mounts_json(const ContainerInputs& in, const ContainerRecord& record,
                 const std::string& run_dir) {
    const compose::Service& service = in.wanted->config;
    const bool privileged = service.privileges.privileged;
    Json mounts = Json::array();
    mounts.push_back(mount_json("/proc", "proc", {"nosuid", "noexec", "nodev"}));
    mounts.push_back(
        mount_json("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
    mounts.push_back(
        mount_json("/dev/pts", "devpts",
                   {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
    add_shared_memory(in, mounts);
    mounts.push_back(mount_json("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    mounts.push_back(
        mount_json("/sys", "sysfs", {"nosuid", "noexec", "nodev", privileged ? "rw" : "ro"}));
    mounts.push_back(
        mount_json("/sys/fs/cgroup", "cgroup",
                   {"nosuid", "noexec", "nodev", "relatime", privileged ? "rw" : "ro"}));
    // Programs may write to them, and what they write is not to fill the host's /run.
    for (const char* file : {"hosts", "hostname", "resolv.conf"})
        mounts.push_back({{"destination", fmt::format("/etc/{}", file)},
                          {"type", runtime::kCopyMount},
                          {"source", fmt::format("{}/{}", run_dir, file)}});
    if (service.init)
        mounts.push_back(
            bind_json(kInitProgram, in.runtime_program, {"bind", "ro", "nosuid", "nodev"}));
    // What is mounted inside of another mount comes after it.
    Own own;
    for (const compose::Tmpfs& tmpfs : service.tmpfs) {
        std::vector<std::string> options = {"nosuid", "nodev", "noexec"};
        options.insert(options.end(), tmpfs.options.begin(), tmpfs.options.end());
        own.emplace_back(tmpfs.target,
                         mount_json(tmpfs.target.c_str(), "tmpfs", std::move(options)));
    }
    for (const MountRecord& mount : record.mounts)
        own.emplace_back(mount.destination, mount_json(in, record, mount));
    add_devices(in, record, own);
    for (const CdiMount& mount : in.cdi.mounts) {
        std::vector<std::string> options = mount.options;
        const bool bind = mount.type.empty() || mount.type == "bind";
        if (bind) options.insert(options.begin(), "rbind");
        Json json = mount_json(mount.target.c_str(), bind ? "bind" : mount.type.c_str(),
                               std::move(options));
        json["source"] = mount.source;
        own.emplace_back(mount.target, std::move(json));
    }
    const auto depth = [](const std::string& path) {
        return std::count(path.begin(), path.end(), '/');
    };
    std::stable_sort(own.begin(), own.end(), [&](const auto& one, const auto& other) {
        return depth(one.first) < depth(other.first);
    });
    for (auto& [target, mount] : own) mounts.push_back(std::move(mount));
    return mounts;
}

namespace {

/// The namespaces of its own and those that it joins; what is left out is the host's.
Json namespaces_json(const ContainerInputs& in) {
    const compose::Sharing& sharing = in.wanted->config.sharing;
    Json namespaces = Json::array();
    const auto add = [&](const char* type, bool host) {
        if (!host) namespaces.push_back({{"type", type}});
    };
    add("pid", sharing.pid == "host");
    add("network", in.wanted->config.network_mode == "host");
    add("ipc", sharing.ipc == "host");
    add("uts", sharing.uts == "host");
    add("mount", false);
    add("cgroup", sharing.cgroup == "host");
    add("user", in.uid_base == 0);
    return namespaces;
}

Result<Json> seccomp_json(const compose::Service& service, std::uint64_t capabilities) {
    if (service.privileges.seccomp_profile.empty())
        return runtime::named_default_seccomp(capabilities);
    return oci_seccomp(service.privileges.seccomp_profile, profile_facts(capabilities));
}

}  // namespace

Result<Json> linux_json(const ContainerInputs& in, const ContainerRecord& record,
                        std::uint64_t capabilities) {
    const compose::Service& service = in.wanted->config;
    Json linux_part = Json::object();
    if (record.uid_base != 0) {
        const Json map = Json::array(
            {Json{{"containerID", 0}, {"hostID", record.uid_base}, {"size", kIdsPerContainer}}});
        linux_part["uidMappings"] = map;
        linux_part["gidMappings"] = map;
    }
    linux_part["namespaces"] = namespaces_json(in);
    linux_part["cgroupsPath"] = cgroup_of(record);
    linux_part["resources"] = resources_json(in);
    if (Json devices = devices_json(in); !devices.empty())
        linux_part["devices"] = std::move(devices);
    // Any program may listen on port 80 and send pings: both are its own network's business, where
    // it has one of its own.
    linux_part["sysctl"] = Json::object();
    if (record.network_mode != "host" && record.network_container.empty())
        linux_part["sysctl"] = {
            {"net.ipv4.ip_unprivileged_port_start", "0"},
            {"net.ipv4.ping_group_range", record.uid_base != 0 ? "0 65535" : "0 2147483647"}};
    for (const auto& [name, value] : service.sysctls) linux_part["sysctl"][name] = value;
    if (!service.privileges.unfiltered && !service.privileges.privileged)
        linux_part["seccomp"] = TRY(seccomp_json(service, capabilities));
    if (service.privileges.unmasked_paths || service.privileges.privileged) return linux_part;
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

Result<Json> annotations_json(const ContainerInputs& in, const ContainerRecord& record) {
    std::string lower;
    for (const std::string& layer : in.image->layers) lower += (lower.empty() ? "" : "\n") + layer;
    if (!in.mount_points.empty()) lower += (lower.empty() ? "" : "\n") + in.mount_points;
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
    if (record.health_check)
        annotations[runtime::kHealthCheck] =
            runtime::to_json(*record.health_check)
                .dump(-1, ' ', false, Json::error_handler_t::replace);
    for (const auto& [type, run_dir] : in.joins.run_dirs)
        annotations[runtime::kJoin + type] = run_dir;
    // That of `run` ends with the caller's, as Docker's StdinOnce has it.
    if (in.wanted->config.stdin_open)
        annotations[runtime::kStdin] = record.one_off ? "once" : "open";
    const std::string listen = listen_ports(record);
    if (!listen.empty()) annotations[runtime::kListen] = listen;
    TRY(add_log(record, annotations));
    return annotations;
}

}  // namespace davit::stack
