#include "runtime/capabilities.h"

#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <fmt/format.h>
#include <iterator>
#include <linux/capability.h>
#include <sys/resource.h>

namespace davit::runtime {
namespace {

/// By number. @source linux/capability.h
constexpr const char* kNames[] = {"CHOWN",
                                  "DAC_OVERRIDE",
                                  "DAC_READ_SEARCH",
                                  "FOWNER",
                                  "FSETID",
                                  "KILL",
                                  "SETGID",
                                  "SETUID",
                                  "SETPCAP",
                                  "LINUX_IMMUTABLE",
                                  "NET_BIND_SERVICE",
                                  "NET_BROADCAST",
                                  "NET_ADMIN",
                                  "NET_RAW",
                                  "IPC_LOCK",
                                  "IPC_OWNER",
                                  "SYS_MODULE",
                                  "SYS_RAWIO",
                                  "SYS_CHROOT",
                                  "SYS_PTRACE",
                                  "SYS_PACCT",
                                  "SYS_ADMIN",
                                  "SYS_BOOT",
                                  "SYS_NICE",
                                  "SYS_RESOURCE",
                                  "SYS_TIME",
                                  "SYS_TTY_CONFIG",
                                  "MKNOD",
                                  "LEASE",
                                  "AUDIT_WRITE",
                                  "AUDIT_CONTROL",
                                  "SETFCAP",
                                  "MAC_OVERRIDE",
                                  "MAC_ADMIN",
                                  "SYSLOG",
                                  "WAKE_ALARM",
                                  "BLOCK_SUSPEND",
                                  "AUDIT_READ",
                                  "PERFMON",
                                  "BPF",
                                  "CHECKPOINT_RESTORE"};

std::string upper(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return result;
}

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

}  // namespace

Result<std::uint64_t> capability_mask(const std::vector<std::string>& names) {
    std::uint64_t mask = 0;
    for (const std::string& name : names) {
        std::string plain = upper(name);
        if (plain.starts_with("CAP_")) plain.erase(0, 4);
        const auto* found = std::find(std::begin(kNames), std::end(kNames), plain);
        if (found == std::end(kNames)) {
            const auto close = nearest(plain, {std::begin(kNames), std::end(kNames)});
            return Error(ErrorKind::InvalidInput, fmt::format("unknown capability '{}'", name))
                .help(close ? fmt::format("the nearest name is '{}'", *close)
                            : std::string("see capabilities(7) for their names"));
        }
        mask |= bit(static_cast<unsigned>(found - std::begin(kNames)));
    }
    return mask;
}

std::vector<std::string> capability_names(std::uint64_t mask) {
    std::vector<std::string> names;
    for (unsigned number = 0; number < std::size(kNames); ++number) {
        if ((mask & bit(number)) != 0) names.push_back(fmt::format("CAP_{}", kNames[number]));
    }
    return names;
}

std::uint64_t default_capabilities() {
    return bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) |
           bit(CAP_MKNOD) | bit(CAP_NET_RAW) | bit(CAP_SETGID) | bit(CAP_SETUID) |
           bit(CAP_SETFCAP) | bit(CAP_SETPCAP) | bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) |
           bit(CAP_KILL) | bit(CAP_AUDIT_WRITE);
}

std::uint64_t all_capabilities() {
    std::uint64_t mask = 0;
    for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) mask |= bit(capability);
    return mask;
}

std::optional<int> rlimit_number(std::string_view name) {
    struct Row {
        const char* name;
        int number;
    };
    constexpr Row kRows[] = {{"AS", RLIMIT_AS},
                             {"CORE", RLIMIT_CORE},
                             {"CPU", RLIMIT_CPU},
                             {"DATA", RLIMIT_DATA},
                             {"FSIZE", RLIMIT_FSIZE},
                             {"LOCKS", RLIMIT_LOCKS},
                             {"MEMLOCK", RLIMIT_MEMLOCK},
                             {"MSGQUEUE", RLIMIT_MSGQUEUE},
                             {"NICE", RLIMIT_NICE},
                             {"NOFILE", RLIMIT_NOFILE},
                             {"NPROC", RLIMIT_NPROC},
                             {"RSS", RLIMIT_RSS},
                             {"RTPRIO", RLIMIT_RTPRIO},
                             {"RTTIME", RLIMIT_RTTIME},
                             {"SIGPENDING", RLIMIT_SIGPENDING},
                             {"STACK", RLIMIT_STACK}};
    std::string plain = upper(name);
    if (plain.starts_with("RLIMIT_")) plain.erase(0, 7);
    for (const Row& row : kRows) {
        if (plain == row.name) return row.number;
    }
    return std::nullopt;
}

std::optional<int> signal_number(std::string_view name) {
    if (const auto number = parse_integer(name))
        return *number >= 1 && *number <= SIGRTMAX ? std::optional<int>(static_cast<int>(*number))
                                                   : std::nullopt;
    std::string plain = upper(name);
    if (plain.starts_with("SIG")) plain.erase(0, 3);
    for (int number = 1; number < 32; ++number) {
        const char* known = ::sigabbrev_np(number);
        if (known != nullptr && plain == known) return number;
    }
    const bool from_min = plain.starts_with("RTMIN");
    if (!from_min && !plain.starts_with("RTMAX")) return std::nullopt;
    const std::string rest = plain.substr(5);
    if (rest.empty()) return from_min ? SIGRTMIN : SIGRTMAX;
    const auto offset = parse_integer(rest.substr(1));
    if (!offset || rest[0] != (from_min ? '+' : '-') || *offset > SIGRTMAX - SIGRTMIN ||
        *offset < 0)
        return std::nullopt;
    return from_min ? SIGRTMIN + static_cast<int>(*offset) : SIGRTMAX - static_cast<int>(*offset);
}

}  // namespace davit::runtime
