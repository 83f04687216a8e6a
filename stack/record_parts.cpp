#include "stack/record_parts.h"

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
    privileges.host_users = value_or(json, "host_users", false);
    return privileges;
}

}  // namespace davit::stack
