#include "base/log.h"
#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/program.h"
#include "runtime/spec_json.h"

#include <iterator>
#include <sys/resource.h>

// `process` of a configuration. @source OCI runtime-spec config.md "Process"

namespace davit::runtime {
namespace {

struct NamedValue {
    const char* name;
    std::uint32_t value;
};

template <std::size_t N>
std::optional<std::uint32_t> value_of(const NamedValue (&table)[N], const std::string& name) {
    for (const NamedValue& row : table) {
        if (name == row.name) return row.value;
    }
    return std::nullopt;
}

/// What is unknown can't be given to anybody: said in the log, as the specification has it.
std::uint64_t known_capabilities(const std::vector<std::string>& names) {
    std::uint64_t mask = 0;
    for (const std::string& name : names) {
        const Result<std::uint64_t> one = capability_mask({name});
        if (one)
            mask |= *one;
        else
            log::warn("runtime", "{}, ignoring", one.error().to_string());
    }
    return mask;
}

SpecCapabilities parse_capabilities(const Json& json) {
    SpecCapabilities sets;
    struct Row {
        const char* key;
        std::uint64_t* mask;
    };
    for (const Row& row : {Row{"bounding", &sets.bounding}, Row{"effective", &sets.effective},
                           Row{"inheritable", &sets.inheritable}, Row{"permitted", &sets.permitted},
                           Row{"ambient", &sets.ambient}})
        *row.mask = known_capabilities(strings_at(json, row.key));
    return sets;
}

Result<std::vector<SpecRlimit>> parse_rlimits(const Json& json) {
    std::vector<SpecRlimit> limits;
    for (const Json& entry : json) {
        const std::string type = entry.at("type").get<std::string>();
        const std::optional<int> resource = rlimit_number(type);
        if (!resource) return invalid_spec(fmt::format("unknown rlimit '{}'", type));
        for (const SpecRlimit& other : limits) {
            if (other.resource == *resource)
                return invalid_spec(fmt::format("rlimit '{}' is given twice", type));
        }
        limits.push_back({*resource, entry.at("soft").get<std::uint64_t>(),
                          entry.at("hard").get<std::uint64_t>()});
        if (limits.back().soft > limits.back().hard)
            return invalid_spec(
                fmt::format("rlimit '{}' has a soft limit above its hard one", type));
    }
    return limits;
}

/// @source linux/sched.h, sched_setattr(2)
Result<std::optional<SpecScheduler>> parse_scheduler(const Json& json) {
    constexpr NamedValue kPolicies[] = {{"SCHED_OTHER", 0},   {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                                        {"SCHED_BATCH", 3},   {"SCHED_ISO", 4},  {"SCHED_IDLE", 5},
                                        {"SCHED_DEADLINE", 6}};
    constexpr NamedValue kFlags[] = {
        {"SCHED_FLAG_RESET_ON_FORK", 1},    {"SCHED_FLAG_RECLAIM", 2},
        {"SCHED_FLAG_DL_OVERRUN", 4},       {"SCHED_FLAG_KEEP_POLICY", 8},
        {"SCHED_FLAG_KEEP_PARAMS", 0x10},   {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
        {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}};
    std::optional<SpecScheduler> none;
    if (json.empty()) return none;
    SpecScheduler scheduler;
    const std::string policy = string_or(json, "policy");
    const auto number = value_of(kPolicies, policy);
    if (!number) return invalid_spec(fmt::format("unknown scheduler policy '{}'", policy));
    scheduler.policy = *number;
    for (const std::string& flag : strings_at(json, "flags")) {
        const auto bit = value_of(kFlags, flag);
        if (!bit) return invalid_spec(fmt::format("unknown scheduler flag '{}'", flag));
        scheduler.flags |= *bit;
    }
    scheduler.nice = number_at<std::int32_t>(json, "nice").value_or(0);
    scheduler.priority = number_at<std::uint32_t>(json, "priority").value_or(0);
    scheduler.runtime_ns = number_at<std::uint64_t>(json, "runtime").value_or(0);
    scheduler.deadline_ns = number_at<std::uint64_t>(json, "deadline").value_or(0);
    scheduler.period_ns = number_at<std::uint64_t>(json, "period").value_or(0);
    return std::optional<SpecScheduler>(scheduler);
}

/// @source ioprio_set(2)
Result<std::optional<int>> parse_io_priority(const Json& json) {
    constexpr NamedValue kClasses[] = {
        {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
    std::optional<int> none;
    if (json.empty()) return none;
    const std::string name = string_or(json, "class");
    const auto number = value_of(kClasses, name);
    if (!number) return invalid_spec(fmt::format("unknown ioPriority class '{}'", name));
    const int priority = number_at<int>(json, "priority").value_or(0);
    if (priority < 0 || priority > 7)
        return invalid_spec(fmt::format("ioPriority {} is not in 0…7", priority));
    constexpr unsigned kClassShift = 13;
    return std::optional<int>(static_cast<int>(*number << kClassShift) | priority);
}

Result<SpecUser> parse_user(const Json& json) {
    SpecUser user;
    user.uid = json.value("uid", 0U);
    user.gid = json.value("gid", 0U);
    user.umask = json.value("umask", 0022U);
    user.additional_gids = array_at(json, "additionalGids").get<std::vector<std::uint32_t>>();
    if (user.umask > 0777) return invalid_spec(fmt::format("umask {:o} is above 777", user.umask));
    return user;
}

Result<void> check_program(const Spec& spec) {
    if (spec.args.empty()) return invalid_spec("process.args is empty: there is no program to run");
    for (const std::string& arg : spec.args) {
        if (arg.find('\0') != std::string::npos)
            return invalid_spec("process.args holds a NUL byte");
    }
    if (!spec.cwd.starts_with('/'))
        return invalid_spec(fmt::format("cwd '{}' is not absolute", spec.cwd));
    for (const std::string& variable : spec.env) {
        if (variable.find('\0') != std::string::npos || variable.starts_with('='))
            return invalid_spec(
                fmt::format("environment variable '{}' is malformed", printable(variable)));
    }
    return {};
}

}  // namespace

/// @source OCI config-linux.md "Memory policy", set_mempolicy(2), linux/mempolicy.h
Result<std::optional<SpecMemoryPolicy>> parse_memory_policy(const Json& json) {
    constexpr NamedValue kModes[] = {{"MPOL_DEFAULT", 0},
                                     {"MPOL_PREFERRED", 1},
                                     {"MPOL_BIND", 2},
                                     {"MPOL_INTERLEAVE", 3},
                                     {"MPOL_LOCAL", 4},
                                     {"MPOL_PREFERRED_MANY", 5},
                                     {"MPOL_WEIGHTED_INTERLEAVE", 6}};
    constexpr NamedValue kFlags[] = {{"MPOL_F_NUMA_BALANCING", 1U << 13U},
                                     {"MPOL_F_RELATIVE_NODES", 1U << 14U},
                                     {"MPOL_F_STATIC_NODES", 1U << 15U}};
    if (json.empty()) return std::optional<SpecMemoryPolicy>();
    const std::string name = string_or(json, "mode");
    const auto mode = value_of(kModes, name);
    if (!mode) return invalid_spec(fmt::format("unknown memoryPolicy mode '{}'", name));
    SpecMemoryPolicy policy;
    policy.mode = static_cast<int>(*mode);
    for (const std::string& flag : strings_at(json, "flags")) {
        const auto bit = value_of(kFlags, flag);
        if (!bit) return invalid_spec(fmt::format("unknown memoryPolicy flag '{}'", flag));
        policy.mode |= static_cast<int>(*bit);
    }
    policy.nodes = TRY_DOING(number_mask(string_or(json, "nodes")), "read memoryPolicy.nodes");
    return std::optional<SpecMemoryPolicy>(std::move(policy));
}

Result<void> parse_process(const Json& process, Spec& spec) {
    spec.args = strings_at(process, "args");
    spec.env = strings_at(process, "env");
    spec.cwd = process.at("cwd").get<std::string>();
    spec.user = TRY(parse_user(object_at(process, "user")));
    spec.capabilities = parse_capabilities(object_at(process, "capabilities"));
    spec.rlimits = TRY(parse_rlimits(array_at(process, "rlimits")));
    spec.no_new_privileges = process.value("noNewPrivileges", false);
    spec.oom_score_adj = number_at<int>(process, "oomScoreAdj");
    spec.terminal = process.value("terminal", false);
    const Json& console = object_at(process, "consoleSize");
    spec.console_rows = console.value("height", 0U);
    spec.console_columns = console.value("width", 0U);
    spec.apparmor_profile = string_or(process, "apparmorProfile");
    spec.selinux_label = string_or(process, "selinuxLabel");
    spec.io_priority = TRY(parse_io_priority(object_at(process, "ioPriority")));
    spec.scheduler = TRY(parse_scheduler(object_at(process, "scheduler")));
    const Json& cpus = object_at(process, "execCPUAffinity");
    spec.exec_cpus = string_or(cpus, "final");
    spec.exec_cpus_before = string_or(cpus, "initial");
    return check_program(spec);
}

}  // namespace davit::runtime
