#include "runtime/spec.h"

#include "base/file.h"
#include "base/strings.h"
#include "runtime/spec_json.h"

#include <algorithm>
#include <iterator>
#include <sys/mount.h>
#include <sys/personality.h>

namespace davit::runtime {
namespace {

struct NamespaceRow {
    const char* type;
    bool SpecNamespaces::*has;
};
constexpr NamespaceRow kNamespaces[] = {
    {"pid", &SpecNamespaces::pid},       {"network", &SpecNamespaces::network},
    {"mount", &SpecNamespaces::mount},   {"ipc", &SpecNamespaces::ipc},
    {"uts", &SpecNamespaces::uts},       {"user", &SpecNamespaces::user},
    {"cgroup", &SpecNamespaces::cgroup}, {"time", &SpecNamespaces::time}};

Result<SpecNamespaces> parse_namespaces(const Json& json) {
    SpecNamespaces spaces;
    for (const Json& entry : json) {
        const std::string type = entry.at("type").get<std::string>();
        const auto* row =
            std::find_if(std::begin(kNamespaces), std::end(kNamespaces),
                         [&](const NamespaceRow& known) { return type == known.type; });
        if (row == std::end(kNamespaces))
            return invalid_spec(fmt::format("unknown namespace '{}'", type));
        if (spaces.*(row->has))
            return invalid_spec(fmt::format("namespace '{}' is there twice", type));
        spaces.*(row->has) = true;
        const std::string path = string_or(entry, "path");
        if (path.empty()) continue;
        if (!path.starts_with('/'))
            return invalid_spec(fmt::format("namespace path '{}' is not absolute", path));
        spaces.paths[type] = path;
    }
    return spaces;
}

std::vector<IdMapping> parse_mappings(const Json& json) {
    std::vector<IdMapping> mappings;
    for (const Json& entry : json)
        mappings.push_back({entry.at("containerID").get<std::uint32_t>(),
                            entry.at("hostID").get<std::uint32_t>(),
                            entry.at("size").get<std::uint32_t>()});
    return mappings;
}

Result<std::vector<SpecDevice>> parse_devices(const Json& json) {
    std::vector<SpecDevice> devices;
    for (const Json& entry : json) {
        SpecDevice device;
        device.path = entry.at("path").get<std::string>();
        const std::string type = entry.at("type").get<std::string>();
        if (type.size() != 1 || std::string_view("bcup").find(type[0]) == std::string_view::npos)
            return invalid_spec(
                fmt::format("device '{}' has the unknown type '{}'", device.path, type));
        device.type = type == "u" ? 'c' : type[0];
        if (device.type != 'p') {
            device.major = entry.at("major").get<unsigned>();
            device.minor = entry.at("minor").get<unsigned>();
        }
        device.mode = number_at<std::uint32_t>(entry, "fileMode").value_or(0666) & 07777U;
        device.uid = number_at<std::uint32_t>(entry, "uid").value_or(0);
        device.gid = number_at<std::uint32_t>(entry, "gid").value_or(0);
        if (!device.path.starts_with('/') || clean_path(device.path) != device.path ||
            device.path.size() < 2)
            return invalid_spec(
                fmt::format("device path '{}' is not a clean absolute path", device.path));
        for (const SpecDevice& other : devices) {
            if (other.path == device.path)
                return invalid_spec(fmt::format("device '{}' is there twice", device.path));
        }
        devices.push_back(std::move(device));
    }
    return devices;
}

Result<std::vector<SpecHook>> parse_hooks(const Json& json, const char* kind) {
    std::vector<SpecHook> hooks;
    for (const Json& entry : array_at(json, kind)) {
        SpecHook hook;
        hook.path = entry.at("path").get<std::string>();
        hook.args = strings_at(entry, "args");
        hook.env = strings_at(entry, "env");
        hook.timeout_seconds = number_at<int>(entry, "timeout");
        if (!hook.path.starts_with('/'))
            return invalid_spec(
                fmt::format("the path '{}' of a {} hook is not absolute", hook.path, kind));
        if (hook.timeout_seconds && *hook.timeout_seconds <= 0)
            return invalid_spec(
                fmt::format("the timeout of {} hook '{}' is not above 0", kind, hook.path));
        hooks.push_back(std::move(hook));
    }
    return hooks;
}

Result<SpecHooks> parse_all_hooks(const Json& json) {
    SpecHooks hooks;
    hooks.prestart = TRY(parse_hooks(json, "prestart"));
    hooks.create_runtime = TRY(parse_hooks(json, "createRuntime"));
    hooks.create_container = TRY(parse_hooks(json, "createContainer"));
    hooks.start_container = TRY(parse_hooks(json, "startContainer"));
    hooks.poststart = TRY(parse_hooks(json, "poststart"));
    hooks.poststop = TRY(parse_hooks(json, "poststop"));
    return hooks;
}

Result<unsigned long> parse_propagation(const std::string& text) {
    struct Row {
        const char* name;
        unsigned long flags;
    };
    constexpr Row kRows[] = {
        {"", 0},
        {"private", MS_PRIVATE},
        {"rprivate", MS_PRIVATE | MS_REC},
        {"slave", MS_SLAVE},
        {"rslave", MS_SLAVE | MS_REC},
        {"shared", MS_SHARED},
        {"rshared", MS_SHARED | MS_REC},
        {"unbindable", MS_UNBINDABLE},
        {"runbindable", MS_UNBINDABLE | MS_REC},
    };
    for (const Row& row : kRows) {
        if (text == row.name) return row.flags;
    }
    return invalid_spec(fmt::format("unknown rootfsPropagation '{}'", text));
}

Result<std::optional<unsigned long>> parse_personality(const Json& json) {
    std::optional<unsigned long> none;
    if (json.empty()) return none;
    const std::string domain = string_or(json, "domain");
    if (!strings_at(json, "flags").empty())
        return Error(ErrorKind::Unsupported, "flags of a personality are not supported");
    if (domain == "LINUX") return std::optional<unsigned long>(PER_LINUX);
    if (domain == "LINUX32") return std::optional<unsigned long>(PER_LINUX32);
    return invalid_spec(fmt::format("unknown personality '{}'", domain));
}

Result<std::map<std::string, std::string>> parse_time_offsets(const Json& json) {
    std::map<std::string, std::string> offsets;
    for (const auto& [clock, offset] : json.items()) {
        if (clock != "monotonic" && clock != "boottime")
            return invalid_spec(fmt::format("the clock '{}' can't have an offset", clock));
        offsets[clock] = fmt::format("{} {}", number_at<std::int64_t>(offset, "secs").value_or(0),
                                     number_at<std::uint32_t>(offset, "nanosecs").value_or(0));
    }
    return offsets;
}

/// Settings of the specification that this runtime doesn't bring about yet.
constexpr const char* kUnsupported[] = {
    "linux.intelRdt", "linux.netDevices", "vm", "windows", "solaris", "zos",
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

Result<void> check_namespaces(const Spec& spec) {
    const SpecNamespaces& spaces = spec.namespaces;
    const bool own_user = spaces.user && spaces.path_of("user").empty();
    if (own_user && (spec.uid_mappings.empty() || spec.gid_mappings.empty()))
        return invalid_spec("a user namespace needs uidMappings and gidMappings");
    if (!own_user && !spaces.user && !(spec.uid_mappings.empty() && spec.gid_mappings.empty()))
        return invalid_spec("uidMappings and gidMappings need a user namespace");
    if (!spec.time_offsets.empty() && (!spaces.time || !spaces.path_of("time").empty()))
        return invalid_spec("timeOffsets need a time namespace of the container's own");
    if ((!spec.hostname.empty() || !spec.domainname.empty()) && !spaces.uts)
        return invalid_spec("hostname and domainname need a uts namespace");
    if (!spaces.mount)
        return Error(ErrorKind::Unsupported,
                     "a container without a mount namespace is not supported: its mounts would be "
                     "the host's");
    return {};
}

Result<void> check(const Spec& spec) {
    // Empty: whoever runs it names one.
    if (!spec.cgroups_path.empty() &&
        (!spec.cgroups_path.starts_with('/') || spec.cgroups_path.size() < 2 ||
         clean_path(spec.cgroups_path) != spec.cgroups_path))
        return invalid_spec(
            fmt::format("cgroupsPath '{}' is not a clean absolute path", spec.cgroups_path));
    for (const SpecMount& mount : spec.mounts) {
        if (!mount.destination.starts_with('/'))
            return invalid_spec(
                fmt::format("mount target '{}' is not absolute", mount.destination));
        if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
            return invalid_spec(fmt::format(
                "mount '{}' has only one of uidMappings and gidMappings", mount.destination));
    }
    for (const auto* list : {&spec.masked_paths, &spec.readonly_paths}) {
        for (const std::string& path : *list) {
            if (!path.starts_with('/'))
                return invalid_spec(
                    fmt::format("masked or read-only path '{}' is not absolute", path));
        }
    }
    return check_namespaces(spec);
}

Result<Spec> decode(const Json& json) {
    Spec spec;
    const std::string version = json.at("ociVersion").get<std::string>();
    if (!version.starts_with("1."))
        return Error(ErrorKind::Unsupported, fmt::format("ociVersion '{}' is not 1.x", version));
    spec.version = version;
    spec.hooks = TRY(parse_all_hooks(object_at(json, "hooks")));
    TRY(parse_process(json.at("process"), spec));

    const Json& root = object_at(json, "root");
    spec.root_path = string_or(root, "path");
    spec.root_readonly = root.value("readonly", false);
    spec.hostname = string_or(json, "hostname");
    spec.domainname = string_or(json, "domainname");
    for (const Json& entry : array_at(json, "mounts"))
        spec.mounts.push_back({entry.at("destination").get<std::string>(), string_or(entry, "type"),
                               string_or(entry, "source"), strings_at(entry, "options"),
                               parse_mappings(array_at(entry, "uidMappings")),
                               parse_mappings(array_at(entry, "gidMappings"))});

    const Json& linux_part = object_at(json, "linux");
    spec.namespaces = TRY(parse_namespaces(array_at(linux_part, "namespaces")));
    spec.uid_mappings = parse_mappings(array_at(linux_part, "uidMappings"));
    spec.gid_mappings = parse_mappings(array_at(linux_part, "gidMappings"));
    spec.cgroups_path = string_or(linux_part, "cgroupsPath");
    spec.resources = TRY(parse_resources(object_at(linux_part, "resources")));
    if (!object_at(linux_part, "seccomp").empty()) spec.seccomp = linux_part.at("seccomp");
    spec.devices = TRY(parse_devices(array_at(linux_part, "devices")));
    spec.rootfs_propagation = TRY(parse_propagation(string_or(linux_part, "rootfsPropagation")));
    spec.mount_label = string_or(linux_part, "mountLabel");
    spec.personality = TRY(parse_personality(object_at(linux_part, "personality")));
    spec.time_offsets = TRY(parse_time_offsets(object_at(linux_part, "timeOffsets")));
    spec.memory_policy = TRY(parse_memory_policy(object_at(linux_part, "memoryPolicy")));
    spec.masked_paths = strings_at(linux_part, "maskedPaths");
    spec.readonly_paths = strings_at(linux_part, "readonlyPaths");
    spec.sysctl = object_at(linux_part, "sysctl").get<std::map<std::string, std::string>>();
    TRY(refuse_unsupported(json));
    spec.annotations = object_at(json, "annotations").get<std::map<std::string, std::string>>();
    spec.new_keyring = !spec.annotations.contains(kKeepKeyring);
    TRY(check(spec));
    return spec;
}

}  // namespace

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

std::string SpecNamespaces::path_of(const std::string& type) const {
    const auto found = paths.find(type);
    return found == paths.end() ? std::string() : found->second;
}

Result<Spec> parse_spec(const Json& json) {
    Result<Result<Spec>> decoded = decode_json(json, "config.json", decode);
    if (!decoded) return std::move(decoded).error();
    return *std::move(decoded);
}

Result<Spec> read_spec(const std::string& bundle) {
    const Json json = TRY(read_json(bundle + "/config.json"));
    Spec spec = TRY_DOING(parse_spec(json), "read '{}/config.json'", bundle);
    spec.root_path = join_path(bundle, spec.root_path);  // relative to the bundle, as OCI has it
    spec.bundle = bundle;
    return spec;
}

}  // namespace davit::runtime
