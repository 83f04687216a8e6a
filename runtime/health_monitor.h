#pragma once

#include "runtime/event_loop.h"
#include "runtime/health.h"

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

namespace davit::runtime {

/// Runs a container's health check from its guard: a `davit-runtime exec` process for each probe,
/// in a cgroup of its own below the container's, so that a probe that takes too long ends with all
/// that it has started.
class HealthMonitor {
public:
    struct Setup {
        HealthCheck check = {};
        std::string bundle = {};
        std::string run_dir = {};  ///< Gets health.json, the process to run.
        std::string cgroup = {};   ///< Path of the container's.
    };

    /// `process` is the container's own, whose environment, user and folder a probe has.
    /// `changed` is called when `health` has something new.
    static Result<std::unique_ptr<HealthMonitor>> create(Setup setup, Json process, EventLoop& loop,
                                                         std::function<void()> changed);
    ~HealthMonitor();
    HealthMonitor(const HealthMonitor&) = delete;
    HealthMonitor& operator=(const HealthMonitor&) = delete;

    /// A run has begun, with this init process: its health is "starting".
    void begin(pid_t init);
    /// Goes on watching a run that another guard had begun, as it was seen last.
    void go_on(pid_t init, Health health);
    /// The container is paused, or goes on.
    void hold();
    void release();
    /// The run has ended: a probe that is still going on ends too, and counts for nothing.
    void end();

    const Health& health() const { return health_; }

private:
    using Clock = std::chrono::steady_clock;
    HealthMonitor(Setup setup, EventLoop& loop, std::function<void()> changed);
    void plan_next();
    void probe();
    Result<void> spawn();
    void read_output();
    void on_end();
    void finish(int exit_code);
    void abandon();
    std::chrono::microseconds since_start() const;

    Setup setup_;
    EventLoop& loop_;
    std::function<void()> changed_;
    std::unique_ptr<Timer> next_;
    std::unique_ptr<Timer> limit_;
    Health health_;
    Clock::time_point began_{};
    pid_t init_ = 0;  ///< 0: no run.
    bool held_ = false;

    // Of the probe that is going on.
    pid_t pid_ = 0;
    UniqueFd pidfd_;
    UniqueFd output_;
    ProbeResult result_;
    std::chrono::microseconds probe_began_{0};
    bool timed_out_ = false;
};

}  // namespace davit::runtime
