#include "stack/exec.h"

#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/spec.h"
#include "stack/users.h"

#include <fmt/format.h>
#include <map>

namespace davit::stack {
namespace {

/// Where the container's files are looked up: its writable layer, then the image's, top first.
std::vector<std::string> layers_of(const Json& config) {
    const Json annotations = config.value("annotations", Json::object());
    std::vector<std::string> layers = {annotations.value(runtime::kOverlayUpper, std::string())};
    for (std::string& layer : split(annotations.value(runtime::kOverlayLower, std::string()), '\n'))
        layers.push_back(std::move(layer));
    std::erase(layers, std::string());
    return layers;
}

Json user_json(const ResolvedUser& user) {
    return {{"uid", user.uid}, {"gid", user.gid}, {"umask", 0022}, {"additionalGids", user.groups}};
}

}  // namespace

Result<Json> exec_process(const ContainerRecord& record, const Json& config,
                          const ExecRequest& request) {
    Json process = config.at("process");
    process["args"] = request.command;
    if (!request.working_dir.empty()) {
        if (!request.working_dir.starts_with('/'))
            return Error(ErrorKind::InvalidInput,
                         fmt::format("the working directory '{}' is not absolute",
                                     printable(request.working_dir)))
                .help("begin it with '/'");
        process["cwd"] = request.working_dir;
    }
    std::map<std::string, std::string> variables;
    const auto set = [&](const std::string& entry) {
        const std::size_t equals = entry.find('=');
        if (equals != std::string::npos)
            variables[entry.substr(0, equals)] = entry.substr(equals + 1);
    };
    for (const std::string& entry : record.env) set(entry);
    if (request.terminal) variables.emplace("TERM", "xterm");
    if (!request.user.empty()) {
        const std::vector<std::string> layers = layers_of(config);
        const ResolvedUser user =
            TRY(resolve_user(request.user, read_from_layers(layers, "etc/passwd"),
                             read_from_layers(layers, "etc/group")));
        process["user"] = user_json(user);
        variables["HOME"] = user.home;
    }
    for (const std::string& entry : request.env) set(entry);
    Json env = Json::array();
    for (const auto& [name, value] : variables) env.push_back(name + "=" + value);
    process["env"] = std::move(env);
    if (request.privileged) {
        const std::vector<std::string> all = runtime::capability_names(runtime::all_capabilities());
        process["capabilities"] = {{"bounding", all},
                                   {"effective", all},
                                   {"inheritable", Json::array()},
                                   {"permitted", all},
                                   {"ambient", Json::array()}};
    }
    return process;
}

}  // namespace davit::stack
