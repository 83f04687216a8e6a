#include "stack/inspect_host.h"

#include "base/bytes.h"
#include "base/strings.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace davit::stack {
namespace {

const Json& part(const Json& json, const char* key) {
    static const Json kNothing = Json::object();
    const auto found = json.is_object() ? json.find(key) : json.end();
    return found == json.end() ? kNothing : *found;
}

/// "RLIMIT_NOFILE" as `docker run --ulimit` has it; -1: no limit.
Json ulimits_of(const Json& process) {
    Json list = Json::array();
    for (const Json& limit : part(process, "rlimits")) {
        std::string name = lowered(string_or(limit, "type"));
        if (name.starts_with("rlimit_")) name.erase(0, 7);
        list.push_back(
            {{"Name", name},
             {"Hard", static_cast<std::int64_t>(limit.value("hard", std::uint64_t{0}))},
             {"Soft", static_cast<std::int64_t>(limit.value("soft", std::uint64_t{0}))}});
    }
    return list;
}

std::vector<std::string> options_of(const Json& mount) {
    return mount.value("options", std::vector<std::string>());
}

/// The size of /dev/shm; 0 where it is another container's or the host's.
std::int64_t shm_size_of(const Json& mounts) {
    for (const Json& mount : mounts) {
        if (string_or(mount, "destination") != "/dev/shm") continue;
        for (const std::string& option : options_of(mount)) {
            if (!option.starts_with("size=")) continue;
            const Result<std::int64_t> size = parse_bytes(option.substr(5));
            return size ? *size : 0;
        }
    }
    return 0;
}

Json tmpfs_of(const Json& mounts) {
    Json found = Json::object();
    for (const Json& mount : mounts) {
        const std::string target = string_or(mount, "destination");
        // Those of /dev are every container's.
        if (string_or(mount, "type") != "tmpfs" || target == "/dev" || target.starts_with("/dev/"))
            continue;
        std::string options;
        for (const std::string& option : options_of(mount))
            options += (options.empty() ? "" : ",") + option;
        found[target] = options;
    }
    return found;
}

}  // namespace

void add_host_config(const Json& config, Json& host_config) {
    const Json& process = part(config, "process");
    const Json& linux_part = part(config, "linux");
    const Json& mounts = part(config, "mounts");
    host_config["Runtime"] = "davit-runtime";
    host_config["AutoRemove"] = false;
    host_config["PublishAllPorts"] = false;
    host_config["Ulimits"] = ulimits_of(process);
    host_config["OomScoreAdj"] = process.value("oomScoreAdj", 0);
    host_config["ShmSize"] = shm_size_of(mounts);
    for (const auto& [key, name] :
         {std::pair("maskedPaths", "MaskedPaths"), std::pair("readonlyPaths", "ReadonlyPaths")})
        host_config[name] = linux_part.value(key, Json::array());
    // Left out where there are none, as Docker does it.
    if (Json tmpfs = tmpfs_of(mounts); !tmpfs.empty()) host_config["Tmpfs"] = std::move(tmpfs);
    if (const Json& sysctls = part(linux_part, "sysctl"); !sysctls.empty())
        host_config["Sysctls"] = sysctls;
    const Json& args = part(process, "args");
    if (args.is_array() && !args.empty() && args.front() == "/dev/init") host_config["Init"] = true;
}

}  // namespace davit::stack
