#pragma once

#include "base/result.h"
#include "stack/status.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

/// What runs in a container, and what it uses, as the kernel counts it.
namespace davit::stack {

/// One process, as `ps -ef` on the host would show it.
struct ProcessRow {
    std::uint32_t uid = 0;  ///< As the container sees it.
    pid_t pid = 0;          ///< On the host.
    pid_t parent = 0;
    int cpu_percent = 0;  ///< Of its whole life, as `C` of ps.
    std::chrono::system_clock::time_point started = {};
    std::string tty = "?";
    std::chrono::seconds cpu_time{0};
    std::string command = {};  ///< With its arguments; "[name]" where it has none.
};

/// The processes of the container's cgroup, by pid. None where it doesn't run; one that ends
/// meanwhile is left out. @source proc(5), ps(1)
Result<std::vector<ProcessRow>> processes_of(const ContainerView& view);

/// What a container has used so far.
struct Usage {
    std::chrono::nanoseconds cpu{0};
    std::int64_t memory_bytes = 0;        ///< Without the part of the page cache that can go.
    std::int64_t memory_limit_bytes = 0;  ///< The host's memory where it has no limit.
    std::int64_t network_received_bytes = 0;
    std::int64_t network_sent_bytes = 0;
    std::int64_t block_read_bytes = 0;
    std::int64_t block_written_bytes = 0;
    std::int64_t processes = 0;
};

/// All zero for one that doesn't run.
/// @source cgroup-v2.rst; cgroup-v1 cpuacct, memory, blkio, pids; docker/cli stats_helpers.go
Usage usage_of(const ContainerView& view);

}  // namespace davit::stack
