#include "runtime/mount_options.h"

#include <fmt/format.h>
#include <sys/mount.h>

namespace davit::runtime {
namespace {

struct AttributeRow {
    const char* name;
    std::uint64_t attribute;
    bool on;
};
constexpr AttributeRow kAttributes[] = {{"ro", MOUNT_ATTR_RDONLY, true},
                                        {"rw", MOUNT_ATTR_RDONLY, false},
                                        {"nosuid", MOUNT_ATTR_NOSUID, true},
                                        {"suid", MOUNT_ATTR_NOSUID, false},
                                        {"nodev", MOUNT_ATTR_NODEV, true},
                                        {"dev", MOUNT_ATTR_NODEV, false},
                                        {"noexec", MOUNT_ATTR_NOEXEC, true},
                                        {"exec", MOUNT_ATTR_NOEXEC, false},
                                        {"noatime", MOUNT_ATTR_NOATIME, true},
                                        {"strictatime", MOUNT_ATTR_STRICTATIME, true},
                                        {"relatime", MOUNT_ATTR_RELATIME, true},
                                        {"nodiratime", MOUNT_ATTR_NODIRATIME, true},
                                        {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true}};

struct PropagationRow {
    const char* name;
    std::uint64_t flags;
};
constexpr std::uint64_t kShared = 1U << 20U;   // MS_SHARED
constexpr std::uint64_t kSlave = 1U << 19U;    // MS_SLAVE
constexpr std::uint64_t kPrivate = 1U << 18U;  // MS_PRIVATE
constexpr PropagationRow kPropagations[] = {{"private", kPrivate}, {"rprivate", kPrivate},
                                            {"slave", kSlave},     {"rslave", kSlave},
                                            {"shared", kShared},   {"rshared", kShared}};

bool apply_attribute(const std::string& option, MountOptions& parsed) {
    for (const AttributeRow& row : kAttributes) {
        if (option != row.name) continue;
        if (row.on)
            parsed.set |= row.attribute;
        else
            parsed.set &= ~row.attribute;
        return true;
    }
    return false;
}

bool apply_propagation(const std::string& option, MountOptions& parsed) {
    for (const PropagationRow& row : kPropagations) {
        if (option != row.name) continue;
        parsed.propagation = row.flags;
        return true;
    }
    return false;
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
    MountOptions parsed;
    for (const std::string& option : options) {
        if (option == "bind" || option == "rbind") {
            parsed.bind = true;
            parsed.recursive = parsed.recursive || option == "rbind";
            continue;
        }
        if (option == "idmap" || option == "ridmap") {
            parsed.idmap = true;
            continue;
        }
        if (option == "defaults") continue;
        if (apply_attribute(option, parsed) || apply_propagation(option, parsed)) continue;
        const std::size_t equals = option.find('=');
        if (option.empty() || equals == 0)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("mount option '{}' is empty", option));
        parsed.data.emplace_back(option.substr(0, equals), equals == std::string::npos
                                                               ? std::string()
                                                               : option.substr(equals + 1));
    }
    return parsed;
}

}  // namespace davit::runtime
