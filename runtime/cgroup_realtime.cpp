#include "runtime/cgroup_realtime.h"

#include "base/file.h"
#include "base/strings.h"

#include <cstdint>
#include <fmt/format.h>
#include <vector>

namespace davit::runtime {
namespace {

/// What a cgroup may use of a second, in microseconds.
std::int64_t share_of(const std::string& folder) {
    const auto number = [&](const char* file) {
        const Result<std::string> text = read_file(folder + file);
        return text ? parse_integer(trim(*text)).value_or(0) : 0;
    };
    const std::int64_t period = number("/cpu.rt_period_us");
    constexpr std::int64_t kSecond = 1000000;
    return period <= 0 ? 0 : number("/cpu.rt_runtime_us") * kSecond / period;
}

/// What the cgroups directly below `folder` may use together, without the one called `except`.
std::int64_t share_below(const std::string& folder, const std::string& except) {
    const Result<std::vector<std::string>> names = list_directory(folder);
    std::int64_t sum = 0;
    if (!names) return sum;
    for (const std::string& name : *names)
        if (name != except) sum += share_of(folder + "/" + name);
    return sum;
}

}  // namespace

Result<void> raise_realtime(const std::string& mount, const std::string& path,
                            std::int64_t runtime_us, std::int64_t period_us) {
    constexpr std::int64_t kSecond = 1000000;
    const std::vector<std::string> parts = split(path.substr(1), '/');
    // From the container's own up: what each one above needs for all that are below it.
    std::int64_t needed = (runtime_us * kSecond + period_us - 1) / period_us;
    std::vector<std::pair<std::string, std::int64_t>> above;
    for (std::size_t depth = parts.size() - 1; depth > 0; --depth) {
        std::string folder = mount;
        for (std::size_t i = 0; i < depth; ++i) folder += "/" + parts[i];
        needed += share_below(folder, parts[depth]);
        above.emplace_back(folder, needed);
    }
    for (auto one = above.rbegin(); one != above.rend(); ++one) {
        const auto& [folder, share] = *one;
        if (share_of(folder) >= share) continue;
        TRY(write_control_file(folder + "/cpu.rt_period_us", fmt::format("{}", kSecond)));
        Result<void> done =
            write_control_file(folder + "/cpu.rt_runtime_us", fmt::format("{}", share));
        if (!done)
            return std::move(done).error().help(
                "the machine has no more real time to share out: see "
                "/proc/sys/kernel/sched_rt_runtime_us, and what other cgroups have of it");
    }
    return {};
}

}  // namespace davit::runtime
