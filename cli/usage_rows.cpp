#include "cli/usage_rows.h"

#include "base/bytes.h"

#include <array>
#include <fmt/format.h>

namespace davit::cli {
namespace {

std::string scaled(std::int64_t bytes, double step, int digits,
                   const std::array<const char*, 6>& units) {
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= step && unit + 1 < units.size(); ++unit) value /= step;
    return fmt::format("{:.{}g}{}", value, digits, units[unit]);
}

double percent(double part, double whole) { return whole > 0 ? part / whole * 100 : 0; }

}  // namespace

std::string binary_size(std::int64_t bytes) {
    return scaled(bytes, 1024, 4, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

Json usage_row(const UsageSample& sample, bool whole_ids) {
    const stack::Usage& now = sample.now;
    const double cpu = percent(static_cast<double>((now.cpu - sample.before.cpu).count()),
                               static_cast<double>(sample.between.count()));
    const double memory =
        percent(static_cast<double>(now.memory_bytes), static_cast<double>(now.memory_limit_bytes));
    const std::string& id = sample.view.record.id;
    constexpr std::size_t kShort = 12;
    const bool runs = sample.view.state.pid != 0;
    const std::string limit = runs ? binary_size(now.memory_limit_bytes) : "0B";
    return {{"BlockIO", fmt::format("{} / {}", format_bytes(now.block_read_bytes),
                                    format_bytes(now.block_written_bytes))},
            {"CPUPerc", fmt::format("{:.2f}%", cpu)},
            {"Container", whole_ids ? id : id.substr(0, kShort)},
            {"ID", whole_ids ? id : id.substr(0, kShort)},
            {"MemPerc", fmt::format("{:.2f}%", memory)},
            {"MemUsage", fmt::format("{} / {}", binary_size(now.memory_bytes), limit)},
            {"Name", sample.view.record.name},
            {"NetIO", fmt::format("{} / {}", format_bytes(now.network_received_bytes),
                                  format_bytes(now.network_sent_bytes))},
            {"PIDs", fmt::format("{}", now.processes)}};
}

RowKind usage_kind() {
    return {{{"ID", "CONTAINER ID"},
             {"Container", "CONTAINER"},
             {"Name", "NAME"},
             {"CPUPerc", "CPU %"},
             {"MemUsage", "MEM USAGE / LIMIT"},
             {"MemPerc", "MEM %"},
             {"NetIO", "NET I/O"},
             {"BlockIO", "BLOCK I/O"},
             {"PIDs", "PIDS"}},
            {"ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"},
            "{{.CPUPerc}}"};
}

}  // namespace davit::cli
