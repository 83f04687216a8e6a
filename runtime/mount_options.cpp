#include "runtime/mount_options.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <string_view>
#include <sys/mount.h>

namespace davit::runtime {
namespace {

struct AttributeRow {
    const char* name;  ///< With an "r" before it: recursive.
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
                                        {"atime", MOUNT_ATTR_NOATIME, false},
                                        {"strictatime", MOUNT_ATTR_STRICTATIME, true},
                                        {"nostrictatime", MOUNT_ATTR_STRICTATIME, false},
                                        {"relatime", MOUNT_ATTR_RELATIME, true},
                                        {"norelatime", MOUNT_ATTR_RELATIME, false},
                                        {"nodiratime", MOUNT_ATTR_NODIRATIME, true},
                                        {"diratime", MOUNT_ATTR_NODIRATIME, false},
                                        {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
                                        {"symfollow", MOUNT_ATTR_NOSYMFOLLOW, false}};

struct PropagationRow {
    const char* name;
    std::uint64_t flags;
};
constexpr PropagationRow kPropagations[] = {{"private", MS_PRIVATE},
                                            {"slave", MS_SLAVE},
                                            {"shared", MS_SHARED},
                                            {"unbindable", MS_UNBINDABLE}};

/// Flags of the superblock, in the kernel's own words. @source fs/fs_context.c common_set_sb_flag
constexpr const char* kSuperblock[] = {"sync",   "async",    "dirsync",   "mand",
                                       "nomand", "lazytime", "nolazytime"};
/// Options that no kernel of today acts on.
constexpr const char* kIgnored[] = {"defaults", "iversion", "noiversion", "loud", "silent", "acl"};

template <typename Table>
bool is_one_of(const Table& table, std::string_view option) {
    return std::any_of(std::begin(table), std::end(table),
                       [&](const char* name) { return option == name; });
}

void turn(const AttributeRow& row, std::uint64_t& set, std::uint64_t& clear) {
    // The access times are one field of several values: a new one replaces the old one.
    const bool times = (row.attribute & MOUNT_ATTR__ATIME) != 0 || row.attribute == 0;
    if (row.on) {
        if (times) set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
        set |= row.attribute;
        clear &= ~row.attribute;
        if (times) clear |= MOUNT_ATTR__ATIME;
    } else {
        set &= ~row.attribute;
        clear |= times ? std::uint64_t{MOUNT_ATTR__ATIME} : row.attribute;
    }
}

bool apply_attribute(std::string_view option, MountOptions& parsed) {
    for (const AttributeRow& row : kAttributes) {
        if (option == row.name) {
            turn(row, parsed.set, parsed.clear);
            return true;
        }
    }
    // "relatime" and "ro" are names of their own: asked before.
    if (!option.starts_with('r')) return false;
    for (const AttributeRow& row : kAttributes) {
        if (option.substr(1) != row.name) continue;
        turn(row, parsed.all.set, parsed.all.clear);
        return true;
    }
    return false;
}

bool apply_propagation(std::string_view option, MountOptions& parsed) {
    for (const PropagationRow& row : kPropagations) {
        const bool all = option.starts_with('r') && option.substr(1) == row.name;
        if (option != row.name && !all) continue;
        parsed.propagation = row.flags;
        parsed.propagate_all = all;
        return true;
    }
    return false;
}

bool apply_word(std::string_view option, MountOptions& parsed) {
    if (option == "bind" || option == "rbind") {
        parsed.bind = true;
        parsed.recursive = parsed.recursive || option == "rbind";
    } else if (option == "idmap" || option == "ridmap") {
        parsed.idmap = true;
        parsed.idmap_all = parsed.idmap_all || option == "ridmap";
    } else if (option == "tmpcopyup") {
        parsed.copy_up = true;
    } else if (is_one_of(kSuperblock, option)) {
        parsed.superblock.emplace_back(option);
    } else {
        return is_one_of(kIgnored, option);
    }
    return true;
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
    MountOptions parsed;
    for (const std::string& option : options) {
        if (apply_word(option, parsed) || apply_attribute(option, parsed) ||
            apply_propagation(option, parsed))
            continue;
        if (option.starts_with(kSubpathOption)) {
            parsed.subpath = option.substr(std::string_view(kSubpathOption).size());
            continue;
        }
        const std::size_t equals = option.find('=');
        if (option.empty() || equals == 0)
            return Error(ErrorKind::InvalidInput,
                         fmt::format("mount option '{}' is empty", option));
        if (option == "remount")
            return Error(ErrorKind::Unsupported, "mount option 'remount' is not supported")
                .help("give the options to the mount itself");
        parsed.data.emplace_back(option.substr(0, equals), equals == std::string::npos
                                                               ? std::string()
                                                               : option.substr(equals + 1));
    }
    return parsed;
}

std::vector<std::string> known_mount_options() {
    std::vector<std::string> names = {"bind", "rbind", "idmap", "ridmap", "tmpcopyup"};
    for (const AttributeRow& row : kAttributes) {
        names.emplace_back(row.name);
        names.push_back(std::string("r") + row.name);
    }
    for (const PropagationRow& row : kPropagations) {
        names.emplace_back(row.name);
        names.push_back(std::string("r") + row.name);
    }
    names.insert(names.end(), std::begin(kSuperblock), std::end(kSuperblock));
    names.insert(names.end(), std::begin(kIgnored), std::end(kIgnored));
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace davit::runtime
