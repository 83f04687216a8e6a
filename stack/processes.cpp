#include "stack/processes.h"

#include "base/strings.h"
#include "runtime/cgroup.h"
#include "stack/lower.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace davit::stack {
namespace {

using std::chrono::system_clock;

std::string file_text(const std::string& path) {
    Result<std::string> text = read_file(path);
    return text ? *std::move(text) : std::string();
}

std::int64_t number_in(const std::string& path) {
    return parse_integer(trim(file_text(path))).value_or(0);
}

/// The value of `key` in lines of "key value".
std::int64_t value_of(const std::string& path, std::string_view key) {
    for (const std::string& line : split(file_text(path), '\n')) {
        const std::size_t blank = line.find(' ');
        if (blank != std::string::npos && line.substr(0, blank) == key)
            return parse_integer(trim(std::string_view(line).substr(blank))).value_or(0);
    }
    return 0;
}

/// Folder of the container's cgroup in the hierarchy of a v1 controller, or in the v2 one.
std::string folder_of(const runtime::CgroupMounts& mounts, const std::string& path,
                      std::string_view controller) {
    for (const auto& [name, mount] : mounts.v1)
        if (name == controller) return mount + path;
    return mounts.layout == runtime::CgroupLayout::V2 ? mounts.unified + path : std::string();
}

/// Some folder whose cgroup.procs names all processes of the container.
std::string any_folder(const runtime::CgroupMounts& mounts, const std::string& path) {
    if (!mounts.unified.empty()) return mounts.unified + path;
    return mounts.v1.empty() ? std::string() : mounts.v1.front().second + path;
}

system_clock::time_point boot_time() {
    return system_clock::time_point(std::chrono::seconds(value_of("/proc/stat", "btime")));
}

/// "pts/0" from the device number of a controlling terminal. @source proc(5) tty_nr
std::string terminal_name(long long device) {
    if (device == 0) return "?";
    const long long major = (device >> 8) & 0xfff;
    const long long minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    if (major >= 136 && major <= 143) return fmt::format("pts/{}", (major - 136) * 256 + minor);
    return fmt::format("tty{}", minor);
}

std::string command_of(pid_t pid, const std::string& name) {
    std::string line = file_text(fmt::format("/proc/{}/cmdline", pid));
    while (line.ends_with('\0')) line.pop_back();
    std::replace(line.begin(), line.end(), '\0', ' ');
    return line.empty() ? "[" + name + "]" : line;
}

/// Nothing where the process has ended meanwhile.
std::optional<ProcessRow> row_of(pid_t pid, std::uint32_t uid_base, system_clock::time_point boot) {
    const std::string stat = file_text(fmt::format("/proc/{}/stat", pid));
    const std::size_t open = stat.find('(');
    const std::size_t close = stat.rfind(')');
    struct stat owner {};
    if (open == std::string::npos || close == std::string::npos || close + 2 > stat.size() ||
        ::stat(fmt::format("/proc/{}", pid).c_str(), &owner) == -1)
        return std::nullopt;
    // Counted from field 3, the state; see proc(5).
    const std::vector<std::string> fields = split(stat.substr(close + 2), ' ');
    constexpr std::size_t kParent = 1;
    constexpr std::size_t kTerminal = 4;
    constexpr std::size_t kUser = 11;
    constexpr std::size_t kSystem = 12;
    constexpr std::size_t kStart = 19;
    if (fields.size() <= kStart) return std::nullopt;
    const auto number = [&](std::size_t at) { return parse_integer(fields[at]).value_or(0); };
    const long long ticks = std::max<long long>(::sysconf(_SC_CLK_TCK), 1);
    ProcessRow row;
    row.uid = owner.st_uid >= uid_base ? owner.st_uid - uid_base : owner.st_uid;
    row.pid = pid;
    row.parent = static_cast<pid_t>(number(kParent));
    row.tty = terminal_name(number(kTerminal));
    const long long used = number(kUser) + number(kSystem);
    row.cpu_time = std::chrono::seconds(used / ticks);
    row.started = boot + std::chrono::milliseconds(number(kStart) * 1000 / ticks);
    const auto alive =
        std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now() - row.started);
    if (alive.count() > 0)
        row.cpu_percent = static_cast<int>(used * 1000 / ticks * 100 / alive.count());
    row.command = command_of(pid, stat.substr(open + 1, close - open - 1));
    return row;
}

/// Bytes read from and written to disks: what the kernel counts for the cgroup, or where it
/// doesn't (no io controller in a hybrid hierarchy), what it counts for the processes that live.
void add_block_io(const runtime::CgroupMounts& mounts, const std::string& path, Usage& usage) {
    const std::string folder = any_folder(mounts, path);
    const std::string counted = file_text(folder + "/io.stat");
    for (const std::string& line : split(counted, '\n')) {
        for (const std::string& word : split(line, ' ')) {
            if (word.starts_with("rbytes="))
                usage.block_read_bytes += parse_integer(word.substr(7)).value_or(0);
            if (word.starts_with("wbytes="))
                usage.block_written_bytes += parse_integer(word.substr(7)).value_or(0);
        }
    }
    if (mounts.layout == runtime::CgroupLayout::V2) return;
    for (const std::string& pid : split(file_text(folder + "/cgroup.procs"), '\n')) {
        if (pid.empty()) continue;
        usage.block_read_bytes += value_of("/proc/" + pid + "/io", "read_bytes:");
        usage.block_written_bytes += value_of("/proc/" + pid + "/io", "write_bytes:");
    }
}

/// All links of the container's network namespace but its loopback.
void add_network_io(pid_t pid, Usage& usage) {
    for (const std::string& line : split(file_text(fmt::format("/proc/{}/net/dev", pid)), '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos || trim(line.substr(0, colon)) == "lo") continue;
        std::vector<std::string> fields = split(line.substr(colon + 1), ' ');
        std::erase(fields, std::string());
        constexpr std::size_t kSent = 8;
        if (fields.size() <= kSent) continue;
        usage.network_received_bytes += parse_integer(fields[0]).value_or(0);
        usage.network_sent_bytes += parse_integer(fields[kSent]).value_or(0);
    }
}

void add_memory(const runtime::CgroupMounts& mounts, const std::string& path, Usage& usage) {
    const std::string folder = folder_of(mounts, path, "memory");
    const bool v2 = mounts.layout == runtime::CgroupLayout::V2;
    const std::int64_t host = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE);
    usage.memory_limit_bytes = host;
    if (folder.empty()) return;
    const std::int64_t used =
        number_in(folder + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    const std::int64_t cache =
        value_of(folder + "/memory.stat", v2 ? "inactive_file" : "total_inactive_file");
    usage.memory_bytes = std::max<std::int64_t>(used - cache, 0);
    const std::int64_t limit = number_in(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
    if (limit > 0 && limit < host) usage.memory_limit_bytes = limit;
}

}  // namespace

Result<std::vector<ProcessRow>> processes_of(const ContainerView& view) {
    std::vector<ProcessRow> rows;
    if (view.state.pid == 0) return rows;
    const runtime::CgroupMounts mounts = runtime::find_cgroup_mounts();
    const std::string folder = any_folder(mounts, cgroup_of(view.record));
    const system_clock::time_point boot = boot_time();
    for (const std::string& line : split(file_text(folder + "/cgroup.procs"), '\n')) {
        const auto pid = parse_integer(line);
        if (!pid || *pid <= 0) continue;
        if (auto row = row_of(static_cast<pid_t>(*pid), view.record.uid_base, boot))
            rows.push_back(*std::move(row));
    }
    std::sort(rows.begin(), rows.end(),
              [](const ProcessRow& a, const ProcessRow& b) { return a.pid < b.pid; });
    return rows;
}

Usage usage_of(const ContainerView& view) {
    Usage usage;
    if (view.state.pid == 0) return usage;
    const runtime::CgroupMounts mounts = runtime::find_cgroup_mounts();
    const std::string path = cgroup_of(view.record);
    if (!mounts.unified.empty()) {  // counted there without any controller
        usage.cpu =
            std::chrono::microseconds(value_of(mounts.unified + path + "/cpu.stat", "usage_usec"));
    } else {
        usage.cpu =
            std::chrono::nanoseconds(number_in(folder_of(mounts, path, "cpu") + "/cpuacct.usage"));
    }
    add_memory(mounts, path, usage);
    add_block_io(mounts, path, usage);
    add_network_io(view.state.pid, usage);
    usage.processes = number_in(folder_of(mounts, path, "pids") + "/pids.current");
    return usage;
}

}  // namespace davit::stack
