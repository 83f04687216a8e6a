#include "stack/record_parts.h"

#include <map>
#include <string>
#include <vector>

namespace davit::stack {
namespace {

using Texts = std::vector<std::string>;

}  // namespace

Json privileges_json(const compose::Privileges& privileges) {
    return {{"cap_add", privileges.cap_add},
            {"cap_drop", privileges.cap_drop},
            {"no_new_privileges", privileges.no_new_privileges},
            {"unfiltered", privileges.unfiltered},
            {"unmasked_paths", privileges.unmasked_paths},
            {"privileged", privileges.privileged},
            {"seccomp_file", privileges.seccomp_file},
            {"apparmor_profile", privileges.apparmor_profile},
            {"selinux_parts", privileges.selinux_parts},
            {"host_users", privileges.host_users}};
}

compose::Privileges privileges_of(const Json& json) {
    compose::Privileges privileges;
    privileges.cap_add = value_or<Texts>(json, "cap_add", {});
    privileges.cap_drop = value_or<Texts>(json, "cap_drop", {});
    privileges.no_new_privileges = value_or(json, "no_new_privileges", false);
    privileges.unfiltered = value_or(json, "unfiltered", false);
    privileges.unmasked_paths = value_or(json, "unmasked_paths", false);
    privileges.privileged = value_or(json, "privileged", false);
    privileges.seccomp_file = value_or<std::string>(json, "seccomp_file", "");
    privileges.apparmor_profile = value_or<std::string>(json, "apparmor_profile", "");
    privileges.selinux_parts =
        value_or<std::map<std::string, std::string>>(json, "selinux_parts", {});
    privileges.host_users = value_or(json, "host_users", false);
    return privileges;
}

Json mounts_json(const std::vector<MountRecord>& mounts) {
    Json list = Json::array();
    for (const MountRecord& mount : mounts)
        list.push_back({{"type", mount.type},
                        {"name", mount.name},
                        {"source", mount.source},
                        {"destination", mount.destination},
                        {"read_only", mount.read_only},
                        {"anonymous", mount.anonymous},
                        {"file", mount.file},
                        {"options", mount.options},
                        {"propagation", mount.propagation},
                        {"alone", mount.alone}});
    return list;
}

std::vector<MountRecord> mounts_of(const Json& json) {
    std::vector<MountRecord> mounts;
    for (const Json& one : json) {
        MountRecord mount;
        mount.type = value_or<std::string>(one, "type", "bind");
        mount.name = value_or<std::string>(one, "name", "");
        mount.source = value_or<std::string>(one, "source", "");
        mount.destination = value_or<std::string>(one, "destination", "");
        mount.read_only = value_or(one, "read_only", false);
        mount.anonymous = value_or(one, "anonymous", false);
        mount.file = value_or(one, "file", false);
        mount.options = value_or<Texts>(one, "options", {});
        mount.propagation = value_or<std::string>(one, "propagation", "");
        mount.alone = value_or(one, "alone", false);
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

Json hooks_json(const std::vector<compose::Hook>& hooks) {
    Json list = Json::array();
    for (const compose::Hook& hook : hooks)
        list.push_back({{"command", hook.command},
                        {"user", hook.user},
                        {"working_dir", hook.working_dir},
                        {"privileged", hook.privileged},
                        {"environment", hook.environment}});
    return list;
}

std::vector<compose::Hook> hooks_of(const Json& json) {
    std::vector<compose::Hook> hooks;
    for (const Json& one : json) {
        compose::Hook hook;
        hook.command = value_or<Texts>(one, "command", {});
        hook.user = value_or<std::string>(one, "user", "");
        hook.working_dir = value_or<std::string>(one, "working_dir", "");
        hook.privileged = value_or(one, "privileged", false);
        hook.environment = value_or<std::map<std::string, std::string>>(one, "environment", {});
        hooks.push_back(std::move(hook));
    }
    return hooks;
}

}  // namespace davit::stack
