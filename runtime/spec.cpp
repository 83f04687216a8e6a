#include "runtime/spec.h"

#include "base/file.h"
#include "base/strings.h"
#include "runtime/capabilities.h"

#include <algorithm>
#include <sys/resource.h>

namespace davit::runtime {
namespace {

Error invalid(std::string message) { return Error(ErrorKind::InvalidInput, std::move(message)); }

/// An empty object where `json` has no object at `key`.
const Json& object_at(const Json& json, const char* key) {
    static const Json kNothing = Json::object();
    const auto found = json.find(key);
    return found == json.end() || !found->is_object() ? kNothing : *found;
}

const Json& array_at(const Json& json, const char* key) {
    static const Json kNothing = Json::array();
    const auto found = json.find(key);
    return found == json.end() || !found->is_array() ? kNothing : *found;
}

std::vector<std::string> strings_at(const Json& json, const char* key) {
    return array_at(json, key).get<std::vector<std::string>>();
}

template <typename T>
std::optional<T> number_at(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
}

Result<SpecCapabilities> parse_capabilities(const Json& json) {
    SpecCapabilities sets;
    struct Row {
        const char* key;
        std::uint64_t* mask;
    };
    for (const Row& row : {Row{"bounding", &sets.bounding}, Row{"effective", &sets.effective},
                           Row{"inheritable", &sets.inheritable}, Row{"permitted", &sets.permitted},
                           Row{"ambient", &sets.ambient}})
        *row.mask = TRY(capability_mask(strings_at(json, row.key)));
    return sets;
}

Result<std::vector<SpecRlimit>> parse_rlimits(const Json& json) {
    std::vector<SpecRlimit> limits;
    for (const Json& entry : json) {
        const std::string type = entry.at("type").get<std::string>();
        const std::optional<int> resource = rlimit_number(type);
        if (!resource) return invalid(fmt::format("unknown rlimit '{}'", type));
        limits.push_back({*resource, entry.at("soft").get<std::uint64_t>(),
                          entry.at("hard").get<std::uint64_t>()});
        if (limits.back().soft > limits.back().hard)
            return invalid(fmt::format("rlimit '{}' has a soft limit above its hard one", type));
    }
    return limits;
}

Result<SpecNamespaces> parse_namespaces(const Json& json) {
    SpecNamespaces own;
    for (const Json& entry : json) {
        const std::string type = entry.at("type").get<std::string>();
        if (!string_or(entry, "path").empty())
            return Error(ErrorKind::Unsupported,
                         fmt::format("joining a {} namespace by path is not supported yet", type));
        if (type == "pid")
            own.pid = true;
        else if (type == "network")
            own.network = true;
        else if (type == "mount")
            own.mount = true;
        else if (type == "ipc")
            own.ipc = true;
        else if (type == "uts")
            own.uts = true;
        else if (type == "user")
            own.user = true;
        else if (type == "cgroup")
            own.cgroup = true;
        else
            return Error(ErrorKind::Unsupported, fmt::format("unknown namespace '{}'", type));
    }
    return own;
}

std::vector<IdMapping> parse_mappings(const Json& json) {
    std::vector<IdMapping> mappings;
    for (const Json& entry : json)
        mappings.push_back({entry.at("containerID").get<std::uint32_t>(),
                            entry.at("hostID").get<std::uint32_t>(),
                            entry.at("size").get<std::uint32_t>()});
    return mappings;
}

SpecResources parse_resources(const Json& json) {
    SpecResources resources;
    const Json& memory = object_at(json, "memory");
    resources.memory_limit = number_at<std::int64_t>(memory, "limit");
    resources.memory_swap = number_at<std::int64_t>(memory, "swap");
    resources.memory_reservation = number_at<std::int64_t>(memory, "reservation");
    const Json& cpu = object_at(json, "cpu");
    resources.cpu_shares = number_at<std::uint64_t>(cpu, "shares");
    resources.cpu_quota_us = number_at<std::int64_t>(cpu, "quota");
    resources.cpu_period_us = number_at<std::uint64_t>(cpu, "period");
    resources.pids_limit = number_at<std::int64_t>(object_at(json, "pids"), "limit");
    for (const Json& entry : array_at(json, "devices")) {
        SpecDeviceRule rule;
        rule.allow = entry.at("allow").get<bool>();
        const std::string type = string_or(entry, "type", "a");
        rule.type = type.empty() ? 'a' : type.front();
        rule.major = number_at<std::int64_t>(entry, "major");
        rule.minor = number_at<std::int64_t>(entry, "minor");
        rule.access = string_or(entry, "access", "rwm");
        resources.devices.push_back(std::move(rule));
    }
    return resources;
}

/// Settings of the specification that this runtime doesn't bring about yet.
constexpr const char* kUnsupported[] = {
    "process.apparmorProfile",
    "process.selinuxLabel",
    "process.ioPriority",
    "process.scheduler",
    "process.execCPUAffinity",
    "linux.devices",
    "linux.mountLabel",
    "linux.rootfsPropagation",
    "linux.intelRdt",
    "linux.memoryPolicy",
    "linux.personality",
    "linux.timeOffsets",
    "linux.netDevices",
    "linux.resources.blockIO",
    "linux.resources.hugepageLimits",
    "linux.resources.network",
    "linux.resources.rdma",
    "linux.resources.unified",
    "linux.resources.cpu.burst",
    "linux.resources.cpu.cpus",
    "linux.resources.cpu.mems",
    "linux.resources.cpu.idle",
    "linux.resources.cpu.realtimePeriod",
    "linux.resources.cpu.realtimeRuntime",
    "linux.resources.memory.kernel",
    "linux.resources.memory.kernelTCP",
    "linux.resources.memory.swappiness",
    "linux.resources.memory.disableOOMKiller",
};

Result<void> refuse_unsupported(const Json& json) {
    for (const char* path : kUnsupported) {
        const Json* value = &json;
        for (const std::string& key : split(path, '.')) {
            const bool there = value != nullptr && value->is_object() && value->contains(key);
            value = there ? &value->at(key) : nullptr;
        }
        const bool asks =
            value != nullptr && !value->empty() && *value != Json("") && *value != Json(false);
        if (asks)
            return Error(ErrorKind::Unsupported, fmt::format("'{}' is not supported yet", path));
    }
    return {};
}

Result<void> check(const Spec& spec) {
    if (spec.args.empty()) return invalid("process.args is empty: there is no program to run");
    for (const std::string& arg : spec.args) {
        if (arg.find('\0') != std::string::npos) return invalid("process.args holds a NUL byte");
    }
    if (!spec.cgroups_path.starts_with('/') || spec.cgroups_path.size() < 2 ||
        clean_path(spec.cgroups_path) != spec.cgroups_path)
        return invalid(
            fmt::format("cgroupsPath '{}' is not a clean absolute path", spec.cgroups_path));
    if (!spec.cwd.starts_with('/'))
        return invalid(fmt::format("cwd '{}' is not absolute", spec.cwd));
    for (const std::string& variable : spec.env) {
        if (variable.find('\0') != std::string::npos || variable.starts_with('='))
            return invalid(
                fmt::format("environment variable '{}' is malformed", printable(variable)));
    }
    for (const SpecMount& mount : spec.mounts) {
        if (!mount.destination.starts_with('/'))
            return invalid(fmt::format("mount target '{}' is not absolute", mount.destination));
    }
    if (spec.namespaces.user && (spec.uid_mappings.empty() || spec.gid_mappings.empty()))
        return invalid("a user namespace needs uidMappings and gidMappings");
    if (!spec.namespaces.mount || !spec.namespaces.pid)
        return Error(ErrorKind::Unsupported,
                     "a container without a mount and a pid namespace of its own is not supported "
                     "yet");
    return {};
}

Result<Spec> decode(const Json& json) {
    Spec spec;
    const std::string version = json.at("ociVersion").get<std::string>();
    if (!version.starts_with("1."))
        return Error(ErrorKind::Unsupported, fmt::format("ociVersion '{}' is not 1.x", version));
    if (json.contains("hooks") && !json.at("hooks").empty())
        return Error(ErrorKind::Unsupported, "hooks are not supported yet");

    const Json& process = json.at("process");
    if (process.value("terminal", false))
        return Error(ErrorKind::Unsupported, "a terminal is not supported yet");
    spec.args = strings_at(process, "args");
    spec.env = strings_at(process, "env");
    spec.cwd = process.at("cwd").get<std::string>();
    const Json& user = object_at(process, "user");
    spec.user.uid = user.value("uid", 0U);
    spec.user.gid = user.value("gid", 0U);
    spec.user.umask = user.value("umask", 0022U);
    spec.user.additional_gids = array_at(user, "additionalGids").get<std::vector<std::uint32_t>>();
    spec.capabilities = TRY(parse_capabilities(object_at(process, "capabilities")));
    spec.rlimits = TRY(parse_rlimits(array_at(process, "rlimits")));
    spec.no_new_privileges = process.value("noNewPrivileges", false);
    spec.oom_score_adj = number_at<int>(process, "oomScoreAdj");

    const Json& root = object_at(json, "root");
    spec.root_path = string_or(root, "path");
    spec.root_readonly = root.value("readonly", false);
    spec.hostname = string_or(json, "hostname");
    spec.domainname = string_or(json, "domainname");
    for (const Json& entry : array_at(json, "mounts"))
        spec.mounts.push_back({entry.at("destination").get<std::string>(), string_or(entry, "type"),
                               string_or(entry, "source"), strings_at(entry, "options")});

    const Json& linux_part = object_at(json, "linux");
    spec.namespaces = TRY(parse_namespaces(array_at(linux_part, "namespaces")));
    spec.uid_mappings = parse_mappings(array_at(linux_part, "uidMappings"));
    spec.gid_mappings = parse_mappings(array_at(linux_part, "gidMappings"));
    spec.cgroups_path = string_or(linux_part, "cgroupsPath");
    spec.resources = parse_resources(object_at(linux_part, "resources"));
    if (linux_part.contains("seccomp")) spec.seccomp = linux_part.at("seccomp");
    spec.masked_paths = strings_at(linux_part, "maskedPaths");
    spec.readonly_paths = strings_at(linux_part, "readonlyPaths");
    spec.sysctl = object_at(linux_part, "sysctl").get<std::map<std::string, std::string>>();
    TRY(refuse_unsupported(json));
    spec.annotations = object_at(json, "annotations").get<std::map<std::string, std::string>>();
    TRY(check(spec));
    return spec;
}

}  // namespace

Result<Spec> parse_spec(const Json& json) {
    Result<Result<Spec>> decoded = decode_json(json, "config.json", decode);
    if (!decoded) return std::move(decoded).error();
    return *std::move(decoded);
}

Result<Spec> read_spec(const std::string& bundle) {
    const Json json = TRY(read_json(bundle + "/config.json"));
    Spec spec = TRY_DOING(parse_spec(json), "read '{}/config.json'", bundle);
    spec.root_path = join_path(bundle, spec.root_path);  // relative to the bundle, as OCI has it
    return spec;
}

}  // namespace davit::runtime
