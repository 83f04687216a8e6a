#include "base/bytes.h"
#include "base/strings.h"
#include "base/sys.h"
#include "runtime/oci_commands.h"
#include "runtime/oci_store.h"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace davit::runtime {
namespace {

/// A flag of `update` and where its value stands in a resources object.
struct LimitFlag {
    const char* name;
    const char* group;
    const char* key;
    enum class Kind { Bytes, Number, Text } kind;
};
constexpr std::array<LimitFlag, 17> kLimits = {{
    {"memory", "memory", "limit", LimitFlag::Kind::Bytes},
    {"memory-reservation", "memory", "reservation", LimitFlag::Kind::Bytes},
    {"memory-swap", "memory", "swap", LimitFlag::Kind::Bytes},
    {"kernel-memory-tcp", "memory", "kernelTCP", LimitFlag::Kind::Bytes},
    {"cpu-share", "cpu", "shares", LimitFlag::Kind::Number},
    {"cpu-shares", "cpu", "shares", LimitFlag::Kind::Number},
    {"cpu-period", "cpu", "period", LimitFlag::Kind::Number},
    {"cpu-quota", "cpu", "quota", LimitFlag::Kind::Number},
    {"cpu-burst", "cpu", "burst", LimitFlag::Kind::Number},
    {"cpu-rt-period", "cpu", "realtimePeriod", LimitFlag::Kind::Number},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", LimitFlag::Kind::Number},
    {"cpu-idle", "cpu", "idle", LimitFlag::Kind::Number},
    {"cpuset-cpus", "cpu", "cpus", LimitFlag::Kind::Text},
    {"cpuset-mems", "cpu", "mems", LimitFlag::Kind::Text},
    {"blkio-weight", "blockIO", "weight", LimitFlag::Kind::Number},
    {"pids-limit", "pids", "limit", LimitFlag::Kind::Number},
    {"swappiness", "memory", "swappiness", LimitFlag::Kind::Number},
}};

std::vector<OciFlag> update_flags() {
    std::vector<OciFlag> flags = {{"resources", 'r'}};
    for (const LimitFlag& limit : kLimits) flags.push_back({limit.name});
    return flags;
}

Result<Json> value_of(const LimitFlag& limit, const std::string& text) {
    if (limit.kind == LimitFlag::Kind::Text) return Json(text);
    if (limit.kind == LimitFlag::Kind::Bytes && text != "-1")
        return Json(TRY_DOING(parse_bytes(text), "read --{}", limit.name));
    const auto number = parse_integer(text);
    if (!number)
        return Error(ErrorKind::InvalidInput, fmt::format("--{} takes a number", limit.name));
    return Json(*number);
}

Result<Json> resources_of(const OciArguments& arguments) {
    Json resources = Json::object();
    if (arguments.has("resources")) {
        const std::string file = arguments.value("resources");
        const std::string text = TRY(read_file(file == "-" ? "/dev/stdin" : file));
        resources = TRY(parse_json(text, "resources"));
    }
    for (const LimitFlag& limit : kLimits) {
        if (!arguments.has(limit.name)) continue;
        resources[limit.group][limit.key] = TRY(value_of(limit, arguments.value(limit.name)));
    }
    return resources;
}

// --- events ---

std::uint64_t number_in(const std::string& path) {
    const Result<std::string> text = read_file(path);
    return text ? static_cast<std::uint64_t>(parse_integer(trim(*text)).value_or(0)) : 0;
}

std::uint64_t keyed(const std::string& path, std::string_view key) {
    const Result<std::string> text = read_file(path);
    if (!text) return 0;
    for (const std::string& line : split(*text, '\n')) {
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
            return static_cast<std::uint64_t>(
                parse_integer(trim(line.substr(key.size() + 1))).value_or(0));
    }
    return 0;
}

/// @source runc types/events.go, in its units: nanoseconds and bytes
Json stats_of(const Cgroup& cgroup) {
    const bool v2 = cgroup.mounts().layout == CgroupLayout::V2;
    const auto in = [&](const char* controller) { return cgroup.folder_of(v2 ? "" : controller); };
    constexpr std::uint64_t kNanoseconds = 1000;
    constexpr std::uint64_t kPerTick = 10000000;
    Json usage = Json::object();
    if (v2) {
        usage = {{"total", keyed(in("") + "/cpu.stat", "usage_usec") * kNanoseconds},
                 {"kernel", keyed(in("") + "/cpu.stat", "system_usec") * kNanoseconds},
                 {"user", keyed(in("") + "/cpu.stat", "user_usec") * kNanoseconds}};
    } else {
        usage = {{"total", number_in(in("cpuacct") + "/cpuacct.usage")},
                 {"kernel", keyed(in("cpuacct") + "/cpuacct.stat", "system") * kPerTick},
                 {"user", keyed(in("cpuacct") + "/cpuacct.stat", "user") * kPerTick}};
    }
    const std::string cpu = in("cpu") + "/cpu.stat";
    const Json throttling = {{"periods", keyed(cpu, "nr_periods")},
                             {"throttledPeriods", keyed(cpu, "nr_throttled")},
                             {"throttledTime", v2 ? keyed(cpu, "throttled_usec") * kNanoseconds
                                                  : keyed(cpu, "throttled_time")}};
    const std::string memory = in("memory");
    const Json memory_usage = {
        {"usage", number_in(memory + (v2 ? "/memory.current" : "/memory.usage_in_bytes"))},
        {"max", number_in(memory + (v2 ? "/memory.peak" : "/memory.max_usage_in_bytes"))},
        {"limit", number_in(memory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"))},
        {"failcnt",
         v2 ? keyed(memory + "/memory.events", "max") : number_in(memory + "/memory.failcnt")}};
    const Json pids = {{"current", number_in(in("pids") + "/pids.current")},
                       {"limit", number_in(in("pids") + "/pids.max")}};
    return {{"cpu", {{"usage", usage}, {"throttling", throttling}}},
            {"memory", {{"usage", memory_usage}}},
            {"pids", pids}};
}

void print_event(const char* type, const std::string& id, const Json& data) {
    Json event = {{"type", type}, {"id", id}};
    if (!data.is_null()) event["data"] = data;
    print(event.dump() + "\n");
}

}  // namespace

Result<int> oci_update(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments = TRY(OciArguments::parse(words, update_flags(), false));
    const std::string id = TRY(only_id(arguments));
    const OciContainer container = TRY(OciContainer::load(globals.root, id));
    if (container.status() == OciStatus::Stopped)
        return Error(ErrorKind::Busy, fmt::format("container '{}' is stopped", id));
    const Json json = TRY(resources_of(arguments));
    Result<Result<SpecResources>> decoded = decode_json(json, "resources", parse_resources);
    if (!decoded) return std::move(decoded).error();
    const SpecResources resources = TRY(*std::move(decoded));
    const Spec spec = TRY(container.spec());
    const Cgroup cgroup = TRY(Cgroup::running(spec.cgroups_path));
    TRY(cgroup.update(resources));
    return 0;
}

Result<int> oci_events(const OciGlobals& globals, const OciWords& words) {
    const OciArguments arguments =
        TRY(OciArguments::parse(words, {{"stats", '\0', false}, {"interval"}}, false));
    const std::string id = TRY(only_id(arguments));
    const OciContainer container = TRY(OciContainer::load(globals.root, id));
    const UniqueFd process = TRY(container.open_process());
    const Cgroup cgroup = TRY(container.cgroup());
    if (arguments.has("stats")) {
        print_event("stats", id, stats_of(cgroup));
        return 0;
    }
    std::string interval = arguments.value("interval", "5s");
    if (interval.ends_with('s')) interval.pop_back();
    const auto seconds = parse_integer(interval);
    if (!seconds || *seconds < 1 || *seconds > 86400)
        return Error(ErrorKind::InvalidInput, "--interval takes seconds: 5s");
    long long kills = cgroup.oom_kills();
    for (;;) {
        print_event("stats", id, stats_of(cgroup));
        const bool ended = TRY(sys::wait_for_exit(process, static_cast<int>(*seconds * 1000)));
        const long long now = cgroup.oom_kills();
        if (now > kills) print_event("oom", id, nullptr);
        kills = now;
        if (ended) return 0;
    }
}

}  // namespace davit::runtime
