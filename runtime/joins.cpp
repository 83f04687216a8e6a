#include "runtime/joins.h"

#include "base/sys.h"
#include "runtime/spec.h"
#include "runtime/state.h"

#include <fmt/format.h>
#include <string>

namespace davit::runtime {
namespace {

/// OCI's word for a namespace as /proc/PID/ns has it.
std::string file_of(const std::string& type) {
    if (type == "network") return "net";
    if (type == "mount") return "mnt";
    return type;
}

void set_path(Json& namespaces, const std::string& type, const std::string& path) {
    for (Json& entry : namespaces) {
        if (string_or(entry, "type") != type) continue;
        entry["path"] = path;
        return;
    }
}

}  // namespace

Result<Partners> resolve_joins(Json& config, pid_t own) {
    Partners partners;
    const Json annotations = config.value("annotations", Json::object());
    for (const auto& [key, value] : annotations.items()) {
        const std::string prefix = kJoin;
        if (!key.starts_with(prefix) || !value.is_string()) continue;
        const std::string type = key.substr(prefix.size());
        const std::string run_dir = value.get<std::string>();
        if (own != 0) {
            set_path(config["linux"]["namespaces"], type,
                     fmt::format("/proc/{}/ns/{}", own, file_of(type)));
            continue;
        }
        const ContainerState state = TRY(observe_state(run_dir));
        Result<UniqueFd> process = sys::open_process(state.pid, state.start_ticks);
        if (state.pid == 0 || !process)
            return Error(
                       ErrorKind::NotFound,
                       fmt::format("the container whose {} namespace is joined, '{}', does not run",
                                   type, run_dir.substr(run_dir.rfind('/') + 1)))
                .help("start it first");
        Json& namespaces = config["linux"]["namespaces"];
        set_path(namespaces, type, fmt::format("/proc/{}/ns/{}", state.pid, file_of(type)));
        set_path(namespaces, "user", fmt::format("/proc/{}/ns/user", state.pid));
        partners.push_back(*std::move(process));
    }
    return partners;
}

Result<void> check_partners(const Partners& partners) {
    for (const UniqueFd& partner : partners) {
        if (TRY(sys::wait_for_exit(partner, 0)))
            return Error(ErrorKind::NotFound,
                         "a container whose namespace is joined has just ended")
                .help("start it first");
    }
    return {};
}

}  // namespace davit::runtime
