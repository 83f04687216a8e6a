#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/event_loop.h"
#include "runtime/fence.h"

#include <chrono>
#include <memory>
#include <string>
#include <sys/types.h>

namespace davit::runtime {

/// How the host's packet rules are loaded again, as the annotation io.davit.rules says it:
///
///     {"program":"/usr/bin/davit","run_root":"/run/davit"}
struct RulesSetup {
    std::string program = {};   ///< Runs as `PROGRAM network reload`.
    std::string run_root = {};  ///< Whose claims the rules are made of.
};

/// @errors InvalidInput
Result<RulesSetup> parse_rules_setup(const std::string& json);

/// Watches over the table `inet davit`. A guard that hears of a change of any rules looks whether
/// the table still says something; where it doesn't (`nft flush ruleset`), one guard of the host
/// lets davit load it again: libnftables is much too large for a guard. Meanwhile the fence holds.
class RulesWatch {
public:
    /// @errors System, Unsupported where the kernel has no nf_tables
    static Result<std::unique_ptr<RulesWatch>> open(RulesSetup setup, EventLoop& loop);
    ~RulesWatch();
    RulesWatch(const RulesWatch&) = delete;
    RulesWatch& operator=(const RulesWatch&) = delete;

    /// Starts loading the rules, whatever they are, and does not wait for it: it goes on where the
    /// guard ends. For what this container no longer claims.
    void load_now() const;

private:
    RulesWatch(RulesSetup setup, EventLoop& loop, UniqueFd events, Timer again);
    using Clock = std::chrono::steady_clock;

    void listen();
    void look_soon();
    void look();
    void on_loaded();
    Result<pid_t> spawn(int* pidfd) const;

    RulesSetup setup_;
    EventLoop& loop_;
    UniqueFd events_;
    Timer again_;                         ///< When to look: soon after a change, or once more.
    Clock::time_point looked_ = {};       ///< When it was done last.
    std::chrono::milliseconds pause_{0};  ///< Grows while loading fails.
    UniqueFd turn_;     ///< The lock that says whose turn it is; open while this guard loads.
    UniqueFd loading_;  ///< The process that loads.
    std::unique_ptr<Fence> fence_;  ///< What holds until it has loaded.
};

/// Whether the table `inet davit` of this network namespace has the rules that keep networks apart.
/// @errors System
Result<bool> has_rules();

}  // namespace davit::runtime
